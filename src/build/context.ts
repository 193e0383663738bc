// From a pushed commit to what the engine builds: the commit's files, a Dockerfile (the source's own or one made for its
// language) with its bases named by image id, and the Procfile. Everything that can be wrong with the source is said
// before this returns; where bases come from, and the build itself, are the caller's.
import { addAbortSignal, type Readable } from 'node:stream';
import { type Additions, buildContext, checkArchive } from './archive.ts';
import { baseImages, dockerfileMaxBytes, dockerfileName, pinBases } from './dockerfile.ts';
import { BuildInputInvalid } from './faults.ts';
import type { Repositories } from './git.ts';
import { recognise } from './languages/index.ts';
import { manifestMaxBytes, ownFolder, type ReadFile, sourceFolder } from './languages/language.ts';
import { type Procfile, parseProcfile, procfileMaxBytes, procfileName } from './procfile.ts';

export interface BuildContext {
  /** A tar stream; destroy it if it isn't read to its end. */
  readonly context: Readable;
  /** The Dockerfile's name within the context. */
  readonly dockerfileName: string;
  /** A language's name, or `Dockerfile` for a source that brings its own. */
  readonly language: string;
  readonly procfile: Procfile | undefined;
  /** As it is built, bases pinned. */
  readonly dockerfile: string;
}

export interface BuildSource {
  readonly repositories: Repositories;
  readonly repositoryId: string;
  readonly sha: string;
  /** An image's id, obtained by whatever rules the caller has. Called once for each base. */
  readonly baseImage: (reference: string) => Promise<string>;
  /** PEM text of a CA that installs have to trust besides the public ones. */
  readonly certificateAuthority?: string | undefined;
  /** Ends the reading of the source, of which git may have the more to do the less it says. */
  readonly signal?: AbortSignal | undefined;
}

const readingMs = 60_000;

/** BuildInputInvalid or SourceNotRecognised, whose messages are for the pusher; else whatever `baseImage` or git throws. */
export async function prepareContext(source: BuildSource): Promise<BuildContext> {
  const { repositories, repositoryId, sha } = source;
  await checkSource(source);
  await refuseSubmodules(source);
  const files = await repositories.files(repositoryId, sha);
  const procfile = await readProcfile(source);
  const plan = files.includes(dockerfileName)
    ? await planOwnDockerfile(source, files)
    : await planLanguage(source, files, procfile);
  const dockerfile = await pinned(plan.dockerfile, source.baseImage);
  const name = `${plan.ownFolder}/Dockerfile`;
  const additions = { ...plan.additions, [name]: dockerfile };
  return {
    context: buildContext(archiveOf(source, source.signal), plan.sourceFolder, additions),
    dockerfileName: name,
    language: plan.language,
    procfile,
    dockerfile,
  };
}

function archiveOf({ repositories, repositoryId, sha }: BuildSource, signal?: AbortSignal): Readable {
  const tar = repositories.archive(repositoryId, sha);
  return signal === undefined ? tar : addAbortSignal(signal, tar);
}

/** Folders within folders within folders are little to push and without an end to walk. */
async function checkSource(source: BuildSource): Promise<void> {
  const late = AbortSignal.timeout(readingMs);
  const signal = source.signal === undefined ? late : AbortSignal.any([source.signal, late]);
  try {
    await checkArchive(archiveOf(source, signal));
  } catch (error) {
    if (!late.aborted || source.signal?.aborted === true) throw error;
    throw new BuildInputInvalid(
      `The source could not be read within ${readingMs / 1_000} s. Has it folders within folders without an end?`,
    );
  }
}

interface Plan {
  readonly language: string;
  readonly dockerfile: string;
  readonly sourceFolder: string;
  readonly ownFolder: string;
  readonly additions: Additions;
}

/** A submodule's files aren't in the commit: it would be an empty folder, and the build would fail in some odd way. */
async function refuseSubmodules({ repositories, repositoryId, sha }: BuildSource): Promise<void> {
  const path = await repositories.submodule(repositoryId, sha);
  if (path === undefined) return;
  throw new BuildInputInvalid(
    `The source has a git submodule at ${JSON.stringify(path)}. Submodules aren't fetched; add its files to the source instead.`,
  );
}

async function readProcfile(source: BuildSource): Promise<Procfile | undefined> {
  const { repositories, repositoryId, sha } = source;
  const text = await repositories.readFile(repositoryId, sha, procfileName, procfileMaxBytes);
  return text === undefined ? undefined : parseProcfile(text);
}

/** The source's own build sees the source as it is; ours is in a folder whose name the source doesn't have. */
async function planOwnDockerfile(source: BuildSource, files: readonly string[]): Promise<Plan> {
  const { repositories, repositoryId, sha } = source;
  const dockerfile = await repositories.readFile(repositoryId, sha, dockerfileName, dockerfileMaxBytes);
  let free = ownFolder;
  for (let number = 1; files.includes(free); number += 1) free = `${ownFolder}-${number}`;
  return {
    language: dockerfileName,
    dockerfile: dockerfile ?? '',
    sourceFolder: '',
    ownFolder: free,
    additions: {},
  };
}

async function planLanguage(
  source: BuildSource,
  files: readonly string[],
  procfile: Procfile | undefined,
): Promise<Plan> {
  const { repositories, repositoryId, sha, certificateAuthority } = source;
  const read: ReadFile = (path) => repositories.readFile(repositoryId, sha, path, manifestMaxBytes);
  const language = await recognise(files, read);
  const certificate = certificateAuthority === undefined ? undefined : `${ownFolder}/ca.pem`;
  const made = await language.dockerfile({ files, read, procfile, certificate });
  const own = Object.entries(made.files).map(([name, text]) => [`${ownFolder}/${name}`, text]);
  const additions: Record<string, string> = Object.fromEntries(own);
  if (certificate !== undefined && certificateAuthority !== undefined)
    additions[certificate] = certificateAuthority;
  return { language: language.name, dockerfile: made.dockerfile, sourceFolder, ownFolder, additions };
}

async function pinned(
  dockerfile: string,
  baseImage: (reference: string) => Promise<string>,
): Promise<string> {
  const pins: Record<string, string> = {};
  // One after the other: obtaining a base may mean making it, which is heavy.
  for (const reference of baseImages(dockerfile)) pins[reference] = await baseImage(reference);
  return pinBases(dockerfile, pins);
}
