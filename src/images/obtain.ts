// How an image is obtained: what is on the engine serves at once if it may, else the registry is asked, else a local recipe
// makes it; of Berth's own images there are recipes only. So a machine that reaches no registry still runs what the recipes
// cover. Whose images may be used at all, and which of those on the engine, is said in sources.ts. Answers with the image's
// id, never a moving tag, and says in its progress which way was taken. What a recipe does stands in make.ts and recipes/.
import { EngineFault, ImageMissing, type ImageProgress, type Runtime } from '../runtime/runtime.ts';
import { type DebianPackages, openDebianPackages } from './debian-packages.ts';
import { makeImage, recipeTag, VersionNotOffered } from './make.ts';
import { ProgramFailed } from './programs.ts';
import { findRecipe } from './recipes/index.ts';
import type { Recipe } from './recipes/recipe.ts';
import { parseReference, type Reference, type WantedVersion, wantedVersion } from './reference.ts';
import { openSharing } from './sharing.ts';
import { checkSource, isPublicByName } from './sources.ts';

export interface Obtained {
  readonly imageId: string;
  readonly origin: 'PRESENT' | 'PULLED' | 'RECIPE';
}

export interface Images {
  /** ImageMissing when no way leads to the image; the message names what was tried and what can be done. */
  obtain(
    reference: string,
    onProgress: (progress: ImageProgress) => void,
    signal: AbortSignal,
  ): Promise<Obtained>;
}

/** What is asked of the runtime here. */
export type ImageStore = Pick<Runtime, 'findImage' | 'pullImage' | 'importImage'>;

type Tell = (progress: ImageProgress) => void;

/** What the recipe would make for a reference, and the tag it has on the engine. */
interface Plan {
  readonly recipe: Recipe;
  readonly wanted: WantedVersion;
  readonly tag: string;
}

interface Ways {
  readonly runtime: ImageStore;
  readonly packages: DebianPackages;
  readonly cacheDirectory: string;
  /** Registry → when it was last found out of reach, in milliseconds of a monotonic clock. */
  readonly outOfReach: Map<string, number>;
  /** Canonical name → the image a registry gave for it to nobody in particular, which proves it to be public. */
  readonly given: Map<string, string>;
}

/** So long a registry that couldn't be reached isn't waited for again. */
const registryPauseMs = 3 * 60 * 1000;

/** Words of a registry that answered. Everything else an engine says of a failed pull is about the way to it. */
const registryAnswered = /manifest|not found|does not exist|denied|unauthorized|toomanyrequests/i;

export function openImages(runtime: ImageStore, options: { readonly cacheDirectory: string }): Images {
  const { cacheDirectory } = options;
  const packages = openDebianPackages(cacheDirectory);
  const ways: Ways = { runtime, packages, cacheDirectory, outOfReach: new Map(), given: new Map() };
  const shareObtaining = openSharing<Obtained, ImageProgress>();
  const shareMaking = openSharing<string, ImageProgress>();
  return {
    async obtain(given, onProgress, signal) {
      const reference = parseReference(given);
      if (!findRecipe(reference)?.ours) checkSource(reference);
      const work = (tell: Tell, stop: AbortSignal): Promise<Obtained> =>
        obtain(ways, reference, shareMaking, tell, stop);
      return shareObtaining(reference.canonical, work, onProgress, signal);
    },
  };
}

async function obtain(
  ways: Ways,
  reference: Reference,
  shareMaking: ReturnType<typeof openSharing<string, ImageProgress>>,
  tell: Tell,
  signal: AbortSignal,
): Promise<Obtained> {
  const plan = await findPlan(reference);
  const present = await findPresent(ways, reference, plan);
  if (present !== undefined) return { imageId: present, origin: 'PRESENT' };
  signal.throwIfAborted();

  const pulled = plan?.recipe.ours
    ? { why: 'No registry has it' }
    : await tryPull(ways, reference, tell, signal);
  if ('imageId' in pulled) return { imageId: pulled.imageId, origin: 'PULLED' };
  if (plan === undefined) throw noWay(reference, pulled.why);

  const { recipe, wanted } = plan;
  const spoken = `${recipe.name} ${wanted.version}`.trim();
  tell({ text: `${pulled.why}; making ${spoken} from ${recipe.madeFrom}` });
  const make = (inner: Tell, stop: AbortSignal): Promise<string> =>
    makeImage(ways.runtime, ways.packages, ways.cacheDirectory, plan, inner, stop);
  try {
    return { imageId: await shareMaking(plan.tag, make, tell, signal), origin: 'RECIPE' };
  } catch (fault) {
    signal.throwIfAborted();
    throw explain(reference, recipe, pulled.why, fault);
  }
}

async function findPlan(reference: Reference): Promise<Plan | undefined> {
  const recipe = findRecipe(reference);
  const wanted = wantedVersion(reference);
  return recipe && wanted && { recipe, wanted, tag: await recipeTag(recipe, wanted) };
}

/** Only by a name in full, which is never an id; and only what is known to be anybody's. */
async function findPresent(
  { runtime, given }: Ways,
  { canonical, ...reference }: Reference,
  plan: Plan | undefined,
): Promise<string | undefined> {
  const isPublic = isPublicByName(reference);
  if (isPublic || given.has(canonical)) {
    const byName = await runtime.findImage(canonical);
    if (byName !== undefined && (isPublic || byName === given.get(canonical))) return byName;
  }
  return plan && runtime.findImage(plan.tag);
}

async function tryPull(
  ways: Ways,
  reference: Reference,
  tell: Tell,
  signal: AbortSignal,
): Promise<{ imageId: string } | { why: string }> {
  const { registry } = reference;
  const failedAt = ways.outOfReach.get(registry);
  if (failedAt !== undefined && performance.now() - failedAt < registryPauseMs) {
    return { why: 'No registry could be reached' };
  }
  try {
    tell({ text: `Asking ${registry} for ${reference.repository}` });
    const imageId = await ways.runtime.pullImage(reference.canonical, tell, signal);
    ways.outOfReach.delete(registry);
    ways.given.set(reference.canonical, imageId);
    return { imageId };
  } catch (fault) {
    signal.throwIfAborted();
    if (!(fault instanceof ImageMissing)) throw fault;
    if (registryAnswered.test(fault.message.replaceAll(reference.canonical, ''))) {
      ways.outOfReach.delete(registry);
      return { why: `The registry ${registry} does not give it` };
    }
    ways.outOfReach.set(registry, performance.now());
    return { why: 'No registry could be reached' };
  }
}

const remedy = 'Load it on the engine with `docker load`, or configure a registry that the engine can reach.';

const remedyForOthers =
  'Use an official image such as node or alpine, or configure a registry that the engine can reach.';

function noWay(reference: Reference, why: string): ImageMissing {
  const recipe = findRecipe(reference);
  const noRecipe = recipe
    ? `the recipe for ${recipe.name} makes no image of the kind "${reference.tag ?? 'digest'}"`
    : 'there is no local recipe for it';
  const begin = isPublicByName(reference)
    ? `The image ${reference.given} is not on the engine.`
    : `The image ${reference.given} can only come from its registry, whatever the engine has under this name.`;
  return new ImageMissing(
    reference.given,
    `${begin} ${why}, and ${noRecipe}. ${isPublicByName(reference) ? remedy : remedyForOthers}`,
  );
}

/** What makes the recipe unable is told to a person; an engine that fails stays an EngineFault. */
function explain(reference: Reference, recipe: Recipe, why: string, fault: unknown): unknown {
  if (fault instanceof EngineFault || fault instanceof ImageMissing) return fault;
  const begin = `The image ${reference.given} is not on the engine. ${why}, and`;
  if (fault instanceof VersionNotOffered) {
    return new ImageMissing(
      reference.given,
      `${begin} the local recipe can make ${recipe.name} ${fault.offered} only. Ask for that version. ${remedy}`,
    );
  }
  if (fault instanceof ProgramFailed && fault.notInstalled) {
    return new ImageMissing(
      reference.given,
      `${begin} the local recipe needs Debian's ${fault.program}, which this machine doesn't have. ${remedy}`,
    );
  }
  const words = fault instanceof Error ? fault.message : String(fault);
  const missing = new ImageMissing(reference.given, `${begin} the local recipe failed: ${words} ${remedy}`);
  missing.cause = fault;
  return missing;
}
