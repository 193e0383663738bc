// The bare git repositories of code services: one per service, named by the service's id, in one folder. Reading and
// making them is here; pushes and fetches go through http-backend.ts, and who may do what is the caller's business.
import { randomUUID } from 'node:crypto';
import { mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { Unavailable } from '../errors.ts';
import { BuildInputInvalid } from './faults.ts';
import { GitFault, gitEnvironment, runGit, streamGit } from './git-command.ts';
import { notePath } from './hook.ts';
import { writeHooks } from './hooks.ts';
import { findPush, type PushNote } from './push-notes.ts';

/** Enough for the most files that a source may have, with long paths. */
const longestListing = 64 * 1024 * 1024;

export interface Repositories {
  /** Makes the repository if there is none; any number of times, also at once. */
  ensure(repositoryId: string): Promise<void>;
  /** Where it lies, for serveGit. */
  path(repositoryId: string): string;
  /** The environment of a git process that may receive a push; `context` comes back in onPush and is opaque here. */
  pushEnvironment(repositoryId: string, context: string): Record<string, string>;
  /** Commit of refs/heads/main; undefined when nothing was pushed yet. */
  head(repositoryId: string): Promise<string | undefined>;
  /** The commit's files as a tar stream, exactly as committed. Destroy it to stop. */
  archive(repositoryId: string, sha: string): Readable;
  /** Names at the root, folders included. */
  files(repositoryId: string, sha: string): Promise<readonly string[]>;
  /** A file's text; undefined when there is no such path. BuildInputInvalid when it is no plain file or too large. */
  readFile(repositoryId: string, sha: string, path: string, maxBytes: number): Promise<string | undefined>;
  /** Path of a git submodule of the commit; undefined when it has none. */
  submodule(repositoryId: string, sha: string): Promise<string | undefined>;
  commit(repositoryId: string, sha: string): Promise<{ author: string; subject: string }>;
  /** Who was about to move main to this commit, and from which; undefined when it came by no push of ours. */
  findPush(repositoryId: string, sha: string): Promise<PushNote | undefined>;
  /** Once the push is recorded elsewhere. */
  forgetPush(repositoryId: string, sha: string): Promise<void>;
  /** Moves main back to where it was before a push, unless somebody has pushed on top of it: then the branch is theirs. */
  takeBack(repositoryId: string, oldSha: string, newSha: string): Promise<void>;
  remove(repositoryId: string): Promise<void>;
}

export async function openRepositories(options: {
  directory: string;
  hookSocketPath: string;
}): Promise<Repositories> {
  const home = join(options.directory, 'home');
  await mkdir(home, { recursive: true, mode: 0o700 });
  await checkVersion(gitEnvironment(home));
  const hooks = await writeHooks(join(options.directory, 'hooks'));
  const environment = gitEnvironment(home, { 'core.hooksPath': hooks.directory });
  const path = (repositoryId: string) => join(options.directory, `${checkedId(repositoryId)}.git`);
  const git = (repositoryId: string, ...args: string[]) => [`--git-dir=${path(repositoryId)}`, ...args];
  return {
    path,
    pushEnvironment: (repositoryId, context) => ({
      ...environment,
      PATH: `${hooks.interpreterDirectory}:${environment.PATH ?? ''}`,
      NODE_NO_WARNINGS: '1',
      BERTH_HOOK_SOCKET: options.hookSocketPath,
      BERTH_REPOSITORY_ID: checkedId(repositoryId),
      BERTH_PUSH_CONTEXT: context,
    }),
    ensure: (repositoryId) => ensure(path(repositoryId), environment),
    head: (repositoryId) => head(git(repositoryId, 'rev-parse'), environment),
    archive: (repositoryId, sha) =>
      streamGit(git(repositoryId, 'archive', '--format=tar', checkedSha(sha)), environment),
    files: (repositoryId, sha) => rootNames(git(repositoryId, 'ls-tree'), sha, environment),
    readFile: (repositoryId, sha, filePath, maxBytes) =>
      readFile((...args) => git(repositoryId, ...args), { sha, filePath, maxBytes }, environment),
    submodule: (repositoryId, sha) => submodule(git(repositoryId, 'ls-tree'), sha, environment),
    commit: (repositoryId, sha) => describe(git(repositoryId, 'show'), sha, environment),
    findPush: (repositoryId, sha) => findPush(path(repositoryId), checkedSha(sha)),
    forgetPush: (repositoryId, sha) => rm(notePath(path(repositoryId), checkedSha(sha)), { force: true }),
    takeBack: (repositoryId, oldSha, newSha) =>
      takeBack((...args) => git(repositoryId, ...args), checkedSha(oldSha), checkedSha(newSha), environment),
    remove: (repositoryId) => rm(path(repositoryId), { recursive: true, force: true }),
  };
}

/** Settings given by environment, and with them the guards on pushes, exist from 2.31 on: below that, refuse to start. */
async function checkVersion(environment: Record<string, string>): Promise<void> {
  const printed = await runGit(['version'], { environment }).then(
    ({ output }) => output.toString('utf8'),
    () => '',
  );
  const [, major, minor] = /(\d+)\.(\d+)/.exec(printed) ?? [];
  if (major === undefined) throw new Unavailable('git is not installed. Install git 2.31 or newer.');
  if (Number(major) * 1000 + Number(minor) < 2031)
    throw new Unavailable(`git 2.31 or newer is needed; this machine has ${printed.trim()}.`);
}

export function checkedId(repositoryId: string): string {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(repositoryId))
    throw new TypeError('A repository id is a lower-case UUID.');
  return repositoryId;
}

export function checkedSha(sha: string): string {
  if (!/^[0-9a-f]{40}([0-9a-f]{24})?$/.test(sha)) throw new TypeError('A commit is named by its full hash.');
  return sha;
}

/** Made aside and renamed, so that a half-made repository is never seen. */
async function ensure(path: string, environment: Record<string, string>): Promise<void> {
  if (await exists(path)) return;
  const making = `${path}.making-${randomUUID()}`;
  try {
    const init = ['init', '--bare', '--quiet', '--initial-branch=main', '--template=', '--', making];
    await runGit(init, { environment });
    await mkdir(join(making, 'info'), { recursive: true });
    // What is built is what was committed: attributes of the source neither drop files from archives nor rewrite them.
    await writeFile(join(making, 'info', 'attributes'), '* -export-ignore -export-subst\n');
    await rename(making, path);
  } catch (error) {
    await rm(making, { recursive: true, force: true });
    // Another call was quicker; its repository is as good as ours.
    if (!(await exists(path))) throw error;
  }
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

async function head(revParse: string[], environment: Record<string, string>): Promise<string | undefined> {
  const args = [...revParse, '--verify', '--quiet', '--end-of-options', 'refs/heads/main^{commit}'];
  const { code, output } = await runGit(args, { environment, okCodes: [1] });
  return code === 0 ? output.toString('utf8').trim() : undefined;
}

async function rootNames(
  lsTree: string[],
  sha: string,
  environment: Record<string, string>,
): Promise<readonly string[]> {
  const { output } = await runGit([...lsTree, '-z', '--name-only', checkedSha(sha)], { environment });
  return output.toString('utf8').split('\0').filter(Boolean);
}

/** A submodule is an entry that is a commit instead of a file. */
async function submodule(
  lsTree: string[],
  sha: string,
  environment: Record<string, string>,
): Promise<string | undefined> {
  const args = [...lsTree, '-r', '-z', checkedSha(sha)];
  const { output } = await runGit(args, { environment, maxBytes: longestListing });
  return /(?:^|\0)160000 commit [0-9a-f]+\t([^\0]*)/.exec(output.toString('utf8'))?.[1];
}

async function readFile(
  git: (...args: string[]) => string[],
  wanted: { sha: string; filePath: string; maxBytes: number },
  environment: Record<string, string>,
): Promise<string | undefined> {
  const list = git('ls-tree', '-z', '-l', checkedSha(wanted.sha), '--', wanted.filePath);
  const listed = (await runGit(list, { environment })).output.toString('utf8').split('\0')[0] ?? '';
  if (listed === '') return undefined;
  const [mode, , object, size] = listed.split('\t')[0]?.split(/ +/) ?? [];
  if (object === undefined || (mode !== '100644' && mode !== '100755'))
    throw new BuildInputInvalid('must be a plain file, not a link or a folder.', wanted.filePath);
  if (Number(size) > wanted.maxBytes)
    throw new BuildInputInvalid(`is larger than ${wanted.maxBytes} bytes.`, wanted.filePath);
  const { output } = await runGit(git('cat-file', 'blob', object), {
    environment,
    maxBytes: wanted.maxBytes + 1,
  });
  return output.toString('utf8');
}

async function describe(
  show: string[],
  sha: string,
  environment: Record<string, string>,
): Promise<{ author: string; subject: string }> {
  const args = [...show, '--no-patch', '--format=%an%x00%s', checkedSha(sha)];
  const { output } = await runGit(args, { environment });
  const [author = '', subject = ''] = output.toString('utf8').trimEnd().split('\0');
  return { author, subject };
}

async function takeBack(
  git: (...args: string[]) => string[],
  oldSha: string,
  newSha: string,
  environment: Record<string, string>,
): Promise<void> {
  const main = 'refs/heads/main';
  const update = /^0+$/.test(oldSha) ? ['-d', main, newSha] : [main, oldSha, newSha];
  // git says no more than these codes when the branch is no longer where it was.
  await runGit(git('update-ref', ...update), { environment, okCodes: [1, 128] });
  if ((await head(git('rev-parse'), environment)) === newSha)
    throw new GitFault('update-ref', `${newSha} could not be taken back`);
}
