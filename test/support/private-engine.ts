// A Docker Engine of a test's own, to be stopped, killed and started at will while the one that all share goes on. It lives
// in a network namespace of its own, because two engines in one would tear down each other's bridges; whoever wants to reach
// its containers has to run `within`. Its data lies in a folder of its own, and nothing of it is left after `close`.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import Docker from 'dockerode';
import { findBusybox } from './busybox.ts';
import { clearPrivateEngine, isLiving } from './private-engine-remains.ts';

const run = promisify(execFile);
const startPatienceMs = 20_000;
const stopPatienceMs = 30_000;
const attempts = 3;

export interface PrivateEngine {
  /** As a value of DOCKER_HOST. */
  readonly host: string;
  /** Words that, put before a program's own, run it where the containers' addresses are. */
  readonly within: readonly string[];
  /** TERM, and the engine's own end. */
  stop(): Promise<void>;
  /** Answers when it and its containerd are dead. */
  kill(): Promise<void>;
  start(): Promise<void>;
  close(): Promise<void>;
}

/** Why there can be no private engine here, as a sentence; undefined when there can. */
export async function findObstacle(): Promise<string | undefined> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0)
    return 'A Docker Engine of its own needs Linux and root.';
  try {
    await run('unshare', ['--net', '--', 'nsenter', '--version']);
    await run('dockerd', ['--version']);
  } catch (error) {
    const words = error instanceof Error ? error.message.trim() : String(error);
    return `A Docker Engine of its own needs dockerd, nsenter and network namespaces: ${words}`;
  }
  return undefined;
}

/**
 * `parent`: a folder on a real disk, in which it makes its own; its path must leave room for a socket's. Without
 * `liveRestore` containers end with the engine, and it can be a Swarm.
 */
export async function openPrivateEngine(
  parent: string,
  { liveRestore = true }: { readonly liveRestore?: boolean } = {},
): Promise<PrivateEngine> {
  const directory = await mkdtemp(join(parent, 'engine-'));
  const { within, close: closeNamespace } = await openNamespace();
  const place: Place = { directory, within, socket: join(directory, 'docker.sock'), liveRestore };
  let engine: ChildProcess | undefined;
  async function end(signal: NodeJS.Signals): Promise<void> {
    if (engine !== undefined) await endEngine(place, engine, signal);
    engine = undefined;
  }
  async function start(): Promise<void> {
    engine ??= await startEngine(place);
  }
  async function close(): Promise<void> {
    try {
      if (engine !== undefined) await removeContainers(place);
      await end('SIGTERM');
    } finally {
      await clearPrivateEngine(directory);
      await closeNamespace();
    }
  }
  try {
    await start();
  } catch (error) {
    await close();
    throw error;
  }
  return {
    host: `unix://${place.socket}`,
    within: place.within,
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    start,
    close,
  };
}

interface Place {
  readonly directory: string;
  readonly within: readonly string[];
  readonly socket: string;
  readonly liveRestore: boolean;
}

/** Kept by a process that ends with this one, whatever becomes of it. */
async function openNamespace(): Promise<{ within: readonly string[]; close(): Promise<void> }> {
  const keeper = spawn('unshare', ['--net', '--', 'cat'], { stdio: ['pipe', 'ignore', 'inherit'] });
  const { pid } = keeper;
  if (pid === undefined) throw new Error('unshare did not start.');
  const mine = readlinkSync('/proc/self/ns/net');
  for (const end = performance.now() + 5_000; readlinkSync(`/proc/${pid}/ns/net`) === mine; await sleep(5))
    if (performance.now() > end) throw new Error('No network namespace of its own was made.');
  const within = ['nsenter', `--net=/proc/${pid}/ns/net`, '--'];
  const [program = '', ...args] = [...within, await findBusybox(), 'ip', 'link', 'set', 'lo', 'up'];
  await run(program, args);
  return {
    within,
    close: async () => {
      const ended = once(keeper, 'exit');
      keeper.stdin?.end();
      if (keeper.exitCode === null) await ended;
    },
  };
}

async function startEngine(place: Place): Promise<ChildProcess> {
  for (let attempt = 1; ; attempt++) {
    const engine = launch(place);
    if (await answers(place, engine)) return engine;
    await endEngine(place, engine, 'SIGKILL');
    if (attempt === attempts) {
      const said = readFileSync(join(place.directory, 'log'), 'utf8').slice(-2_000);
      throw new Error(`The private engine did not start. It said:\n${said}`);
    }
  }
}

function launch({ directory, within, socket, liveRestore }: Place): ChildProcess {
  for (const stale of [join(directory, 'docker.pid'), containerdPidFile(directory)])
    rmSync(stale, { force: true });
  // Where the system has a containerd already the engine uses that one; its own names keep it apart there.
  const own = `berth-${directory.slice(-6)}`;
  const [program = '', ...args] = [
    ...within,
    ...['dockerd', `--live-restore=${liveRestore}`, '--bridge=none', `--host=unix://${socket}`],
    ...[`--data-root=${directory}/data`, `--exec-root=${directory}/run`, `--pidfile=${directory}/docker.pid`],
    ...[`--containerd-namespace=${own}`, `--containerd-plugins-namespace=${own}-plugins`],
  ];
  const log = openSync(join(directory, 'log'), 'a');
  const engine = spawn(program, args, { stdio: ['ignore', log, log], cwd: '/' });
  closeSync(log);
  return engine;
}

async function answers({ socket }: Place, engine: ChildProcess): Promise<boolean> {
  const docker = new Docker({ socketPath: socket });
  for (const end = performance.now() + startPatienceMs; performance.now() < end; await sleep(20)) {
    if (engine.exitCode !== null || engine.signalCode !== null) return false;
    const pong = await docker.ping().catch(() => undefined);
    if (pong !== undefined) return true;
  }
  return false;
}

async function endEngine(place: Place, engine: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  const containerd = Number(readQuietly(containerdPidFile(place.directory)));
  const ended = once(engine, 'exit');
  if (engine.exitCode === null && engine.signalCode === null) {
    engine.kill(signal);
    await Promise.race([ended, sleep(stopPatienceMs, undefined, { ref: false })]);
  }
  if (engine.exitCode === null && engine.signalCode === null)
    throw new Error(`The private engine did not end within ${stopPatienceMs} ms of ${signal}.`);
  for (const end = performance.now() + stopPatienceMs; isLiving(containerd); await sleep(10))
    if (performance.now() > end) throw new Error(`The engine's containerd (${containerd}) outlives it.`);
}

async function removeContainers({ socket }: Place): Promise<void> {
  const docker = new Docker({ socketPath: socket });
  const all = await docker.listContainers({ all: true }).catch(() => []);
  await Promise.all(
    all.map(({ Id }) =>
      docker
        .getContainer(Id)
        .remove({ force: true })
        .catch(() => {}),
    ),
  );
}

function containerdPidFile(directory: string): string {
  return join(directory, 'run', 'containerd', 'containerd.pid');
}

function readQuietly(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}
