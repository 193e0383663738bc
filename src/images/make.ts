// From a recipe to an image on the engine: look up the packages, see whether the version is the wanted one, unpack what is
// needed into a folder that is gone afterwards, keep the named files with their libraries, import. The tag carries a hash
// of the recipe and its inputs, so that a changed recipe makes a new image and an unchanged one is found again.
import { createHash } from 'node:crypto';
import { glob, mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { ImageProgress, Runtime } from '../runtime/runtime.ts';
import { addBase, basePackages, takenForBase } from './base.ts';
import { addLibraries } from './closure.ts';
import { type DebianPackage, type DebianPackages, upstreamVersion } from './debian-packages.ts';
import { ProgramFailed } from './programs.ts';
import type { ImageConfig, Recipe } from './recipes/recipe.ts';
import { covers, type WantedVersion } from './reference.ts';
import { addFolder, addFromDisk, addLink, addText, type ImageTree, openTree, packTree } from './tree.ts';

/** Raised with each change of the shared steps that changes what images come out. */
const stepsRevision = 1;

const libraries = /^(?:lib|zlib1g$)/;
/** Libraries of things that no image keeps; left out they save most of the download. */
const unneededLibraries = /^lib(?:perl|llvm|z3-|.*-perl$|semanage|python3-dev)/;
const leftoverAgeSeconds = 3600;

/** The recipe's packages are of another version here. */
export class VersionNotOffered extends Error {
  readonly offered: string;
  constructor(offered: string) {
    super(`Only version ${offered} can be made here.`);
    this.name = 'VersionNotOffered';
    this.offered = offered;
  }
}

/** The tag under which the recipe's image stands on the engine. */
export async function recipeTag(recipe: Recipe, wanted: WantedVersion): Promise<string> {
  const definition = [stepsRevision, process.arch, basePackages, recipe, (await recipe.inputs?.()) ?? []];
  const text = JSON.stringify(definition, (_key, value: unknown) =>
    value instanceof RegExp ? String(value) : value,
  );
  const hash = createHash('sha256').update(text).digest('hex').slice(0, 10);
  return `berth/${recipe.name}:${wanted.version || 'latest'}-${hash}`;
}

export async function makeImage(
  runtime: Pick<Runtime, 'importImage'>,
  packages: DebianPackages,
  cacheDirectory: string,
  work: { readonly recipe: Recipe; readonly wanted: WantedVersion; readonly tag: string },
  onProgress: (progress: ImageProgress) => void,
  signal: AbortSignal,
): Promise<string> {
  const { recipe, wanted, tag } = work;
  const folder = await openWorkFolder(cacheDirectory);
  try {
    const unpacked = await unpackPackages(packages, folder, recipe, wanted, onProgress, signal);
    const tree = await layOut(recipe, unpacked.folder, signal);
    onProgress({ text: `Importing ${recipe.name} ${unpacked.version} into the engine` });
    const { stream, sent } = packTree(tree);
    const changes = instructions(recipe, unpacked.version);
    const [imageId] = await Promise.all([runtime.importImage(tag, stream, changes), sent]);
    return imageId;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function unpackPackages(
  packages: DebianPackages,
  folder: string,
  recipe: Recipe,
  wanted: WantedVersion,
  onProgress: (progress: ImageProgress) => void,
  signal: AbortSignal,
): Promise<{ folder: string; version: string }> {
  if ('fixed' in recipe.version) insist(recipe.version.fixed, wanted);
  for (let attempt = 1; ; attempt++) {
    onProgress({ text: 'Looking up Debian packages' });
    const all = await packages.lookUp([...basePackages, ...recipe.packages], signal);
    const version = offeredVersion(recipe, all);
    insist(version, wanted);
    const needed = all.filter((each) => isNeeded(recipe, each.name));
    onProgress({ text: `Fetching and unpacking ${needed.length} Debian packages` });
    const root = join(folder, `root-${attempt}`);
    try {
      await mkdir(root);
      await packages.unpack(needed, root, signal);
      await mergeTopLevel(root);
      return { folder: root, version };
    } catch (fault) {
      // The sources may have replaced a version since the lists were fetched: look it up anew, once.
      signal.throwIfAborted();
      if (attempt > 1 || !(fault instanceof ProgramFailed) || fault.notInstalled) throw fault;
    }
  }
}

function insist(offered: string, wanted: WantedVersion): void {
  if (!covers(offered, wanted)) throw new VersionNotOffered(offered);
}

function offeredVersion(recipe: Recipe, packages: readonly DebianPackage[]): string {
  if ('fixed' in recipe.version) return recipe.version.fixed;
  const { ofPackage } = recipe.version;
  const found = packages.find((each) => ofPackage.test(each.name));
  if (!found) throw new Error(`The sources offer no package that tells the version of ${recipe.name}.`);
  return upstreamVersion(found.version);
}

function isNeeded(recipe: Recipe, name: string): boolean {
  if (takenForBase.test(name) || recipe.take.test(name)) return true;
  return libraries.test(name) && !unneededLibraries.test(name);
}

/** Older packages unpack to /lib and /bin, newer to /usr/lib and /usr/bin; from here on there is only the latter. */
async function mergeTopLevel(root: string): Promise<void> {
  for (const name of ['bin', 'sbin', 'lib', 'lib64'])
    await moveInto(join(root, name), join(root, 'usr', name));
}

async function moveInto(from: string, to: string): Promise<void> {
  const source = await stat(from).catch(() => undefined);
  if (!source?.isDirectory()) return;
  await mkdir(to, { recursive: true });
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const [old, fresh] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) await moveInto(old, fresh);
    else await rename(old, fresh);
  }
  await rm(from, { recursive: true, force: true });
}

async function layOut(recipe: Recipe, unpacked: string, signal: AbortSignal): Promise<ImageTree> {
  const tree = openTree();
  for (const pattern of recipe.keep) {
    for (const path of await found(unpacked, pattern)) {
      await addFromDisk(tree, relative(unpacked, path), path, recipe.leave);
    }
  }
  if (recipe.onPath !== undefined) {
    for (const path of await found(unpacked, recipe.onPath)) {
      const inside = `/${relative(unpacked, path)}`;
      if (tree.has(inside.slice(1))) addLink(tree, `usr/local/bin/${inside.split('/').at(-1)}`, inside);
    }
  }
  for (const each of recipe.folders)
    addFolder(tree, each.path, each.mode, each.own ? recipe.user : undefined);
  for (const each of recipe.files) {
    addText(tree, each.path, each.text, each.mode, each.own ? recipe.user : undefined);
  }
  for (const [path, target] of Object.entries(recipe.links)) addLink(tree, path, target);
  await addLibraries(tree, unpacked, signal);
  await recipe.extra?.add(tree, unpacked);
  await addBase(tree, unpacked, recipe.user, signal);
  return tree;
}

async function found(unpacked: string, pattern: string): Promise<string[]> {
  const paths: string[] = [];
  for await (const path of glob(join(unpacked, pattern))) paths.push(path);
  if (paths.length === 0) throw new Error(`The packages brought nothing at ${pattern}.`);
  return paths.sort();
}

function instructions(recipe: Recipe, version: string): string[] {
  const config: ImageConfig = recipe.config;
  const user = config.asRoot || !recipe.user ? [] : [`USER ${recipe.user.uid}:${recipe.user.gid}`];
  const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
  const environment = Object.entries({ PATH: path, ...config.environment });
  return [
    ...environment.map(([name, value]) => `ENV ${name}=${JSON.stringify(value)}`),
    `LABEL berth.recipe=${JSON.stringify(`${recipe.name} ${version}`)}`,
    `WORKDIR ${config.folder}`,
    `ENTRYPOINT ${JSON.stringify(config.entrypoint)}`,
    `CMD ${JSON.stringify(config.command)}`,
    ...(config.port === undefined ? [] : [`EXPOSE ${config.port}`]),
    ...user,
  ];
}

/** A folder of this making's own; those of makings that were killed are cleared away when they are old. */
async function openWorkFolder(cacheDirectory: string): Promise<string> {
  const home = join(cacheDirectory, 'work');
  await mkdir(home, { recursive: true });
  for (const name of await readdir(home)) {
    const facts = await stat(join(home, name)).catch(() => undefined);
    if (facts && Date.now() - facts.mtimeMs > leftoverAgeSeconds * 1000) {
      await rm(join(home, name), { recursive: true, force: true });
    }
  }
  return mkdtemp(join(home, 'image-'));
}
