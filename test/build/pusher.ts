// A person who pushes: a real git client with a working tree of its own, and a small HTTP server that serves a repository
// the way Berth does. Cleans up after itself with `dispose`.
import { execFile, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { openRepositories, type Repositories } from '../../src/build/git.ts';
import { parseGitPath, serveGit } from '../../src/build/http-backend.ts';

const run = promisify(execFile);

export const gitClientEnvironment: Record<string, string> = {
  PATH: process.env.PATH ?? '/usr/bin:/bin',
  HOME: '/nonexistent',
  LC_ALL: 'C.UTF-8',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_TERMINAL_PROMPT: '0',
  GIT_AUTHOR_NAME: 'Ada Pusher',
  GIT_AUTHOR_EMAIL: 'ada@example.test',
  GIT_COMMITTER_NAME: 'Ada Pusher',
  GIT_COMMITTER_EMAIL: 'ada@example.test',
};

export async function git(cwd: string, ...args: string[]): Promise<string> {
  const { stdout } = await run('git', args, { cwd, env: gitClientEnvironment });
  return stdout.trim();
}

export interface Pushed {
  readonly code: number | null;
  readonly output: string;
}

/** A git client whose output is seen while it runs. */
export function startGit(cwd: string, ...args: string[]) {
  const options = { cwd, env: gitClientEnvironment, detached: true } as const;
  const child = spawn('git', args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)));
  const done = new Promise<Pushed>((resolve) => child.once('close', (code) => resolve({ code, output })));
  // The whole group, as a Ctrl-C does: git talks HTTP in a process of its own.
  const kill = () => {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  };
  return { child, done, kill, output: () => output };
}

export interface World {
  readonly root: string;
  readonly repositories: Repositories;
  readonly repositoryId: string;
  readonly socketPath: string;
  readonly url: string;
  /** Requests that serveGit hasn't ended yet. */
  served(): number;
  /** A new working tree with these files in one commit on main, and `origin` set. */
  workingTree(files: Readonly<Record<string, string>>): Promise<string>;
  dispose(): Promise<void>;
}

export async function openWorld(folderName = 'data'): Promise<World> {
  const root = await mkdtemp(join(tmpdir(), 'berth-build-'));
  const socketPath = join(root, 'run', 'push.sock');
  const repositories = await openRepositories({
    directory: join(root, folderName),
    hookSocketPath: socketPath,
  });
  const repositoryId = randomUUID();
  await repositories.ensure(repositoryId);
  const serving = new Set<Promise<void>>();
  const server = createServer((request, response) => {
    const path = parseGitPath(request.url ?? '');
    const served = serveGit(request, response, {
      repositoryPath: repositories.path(repositoryId),
      pathInfo: path?.rest ?? '',
      query: (request.url ?? '').split('?')[1] ?? '',
      environment: repositories.pushEnvironment(repositoryId, 'context-of-ada'),
    }).finally(() => serving.delete(served));
    serving.add(served);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/git/sandbox/app.git`;
  return {
    ...{ root, repositories, repositoryId, socketPath, url },
    served: () => serving.size,
    workingTree: (files) => workingTree(root, url, files),
    dispose: () => dispose(server, root, serving),
  };
}

async function workingTree(
  root: string,
  url: string,
  files: Readonly<Record<string, string>>,
): Promise<string> {
  const tree = join(root, `tree-${randomUUID()}`);
  await git('/', 'init', '--quiet', '--initial-branch=main', tree);
  await git(tree, 'remote', 'add', 'origin', url);
  await writeAll(tree, files);
  await git(tree, 'add', '-A', '-f');
  await git(tree, 'commit', '--quiet', '--allow-empty', '-m', 'First');
  return tree;
}

/** A text that begins with `-> ` becomes a symbolic link. */
export async function writeAll(tree: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    const path = join(tree, name);
    await mkdir(dirname(path), { recursive: true });
    if (text.startsWith('-> ')) await symlink(text.slice(3), path);
    else await writeFile(path, text);
  }
}

async function dispose(server: Server, root: string, serving: Set<Promise<void>>): Promise<void> {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await Promise.all(serving);
  await rm(root, { recursive: true, force: true });
}

/** Until `fact` gives something true; fails with what was last seen. */
export async function eventually<T>(fact: () => T | Promise<T>, what: string, ms = 10_000): Promise<T> {
  const end = performance.now() + ms;
  for (;;) {
    const seen = await fact();
    if (seen) return seen;
    if (performance.now() > end) throw new Error(`Not within ${ms} ms: ${what}. Last seen: ${String(seen)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
