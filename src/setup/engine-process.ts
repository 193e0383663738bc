// The engine as a process, where no systemd looks after it: is one there, start it, stop it. Waiting until it answers is
// the caller's. Pid files are believed only together with /proc, because they outlive a kill and their pids are reused.
import { spawn } from 'node:child_process';
import { closeSync, constants, openSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { Unavailable } from '../errors.ts';
import { type Administrator, asAdministrator } from './engine-administrator.ts';

const engineFile = { path: '/var/run/docker.pid', program: 'dockerd' };
const containerdFile = { path: '/var/run/docker/containerd/containerd.pid', program: 'containerd' };
const stopMilliseconds = 30_000;

/** Where an engine that was started here writes. */
export function engineLog(): string {
  const uid = process.getuid?.();
  return uid === 0 ? '/var/log/berth-dockerd.log' : join(tmpdir(), `berth-dockerd-${uid}.log`);
}

/** The pid of a living engine that was started with the usual pid file. */
export function enginePid(): number | undefined {
  return livingPid(engineFile);
}

function livingPid(file: { path: string; program: string }): number | undefined {
  try {
    const pid = Number(readFileSync(file.path, 'utf8'));
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const end = stat.lastIndexOf(')');
    const dead = ['Z', 'X'].includes(stat.slice(end + 2, end + 3));
    return !dead && stat.slice(stat.indexOf('(') + 1, end) === file.program ? pid : undefined;
  } catch {
    return undefined;
  }
}

/** Callers hold the lock and found no living engine. Detached, so that the terminal's Ctrl-C doesn't reach it; the group lets a user with sudo talk to it. */
export async function launchEngine(
  administrator: Administrator,
  options: { keepContainers: boolean },
): Promise<void> {
  const stale = [engineFile, containerdFile]
    .filter((file) => livingPid(file) === undefined)
    .map((file) => file.path);
  await asAdministrator(administrator, ['rm', '-f', '--', ...stale], { timeoutMilliseconds: 10_000 });
  const keep = options.keepContainers ? ['--live-restore'] : [];
  const group = administrator.length === 0 ? [] : ['--group', String(process.getgid?.())];
  const engine = ['dockerd', '--pidfile', engineFile.path, ...keep, ...group];
  const [program = '', ...args] = [...administrator, ...engine];
  const log = openSync(
    engineLog(),
    constants.O_APPEND | constants.O_CREAT | constants.O_WRONLY | constants.O_NOFOLLOW,
    0o600,
  );
  const child = spawn(program, args, { detached: true, stdio: ['ignore', log, log], cwd: '/' });
  closeSync(log);
  child.on('error', () => undefined);
  child.unref();
}

/** TERM and wait; only for one that ensureEngine said it started. */
export async function stopEngine(pid: number, administrator: Administrator = []): Promise<void> {
  if (enginePid() !== pid) return;
  await asAdministrator(administrator, ['kill', '-TERM', String(pid)], { timeoutMilliseconds: 10_000 });
  const giveUpAt = performance.now() + stopMilliseconds;
  while (enginePid() === pid) {
    if (performance.now() > giveUpAt)
      throw new Unavailable(`The Docker Engine (pid ${pid}) does not stop; see ${engineLog()}.`);
    await wait(50);
  }
}
