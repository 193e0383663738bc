// The server process of an embedded database: finding one that runs, starting, waiting, stopping. The truth is
// `postmaster.pid` together with `/proc`; nothing is remembered in memory, because the process may be of an earlier us.
import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { Unavailable } from '../errors.ts';
import { startTicks } from './embedded-holders.ts';
import type { Place } from './embedded-place.ts';
import type { Program } from './embedded-program.ts';

const port = 5432;
const readyPatienceMilliseconds = 180_000;
const orphanPatienceMilliseconds = 20_000;
const logLimitBytes = 8 * 1024 * 1024;

/** The pid of a living server of this very data folder. */
export function findServer(place: Place): number | undefined {
  const pid = Number(pidFile(place)?.[0]);
  if (startTicks(pid) === undefined) return undefined;
  const command = readIfThere(`/proc/${pid}/cmdline`)?.split('\0') ?? [];
  return command[command.indexOf('-D') + 1] === place.data ? pid : undefined;
}

/** Line by line: pid, data folder, start, port, socket folder, address, shared memory, status. */
function pidFile(place: Place): string[] | undefined {
  return readIfThere(join(place.data, 'postmaster.pid'))?.split('\n');
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (fault) {
    if (fault instanceof Error && 'code' in fault && (fault.code === 'ENOENT' || fault.code === 'ESRCH')) {
      return undefined;
    }
    throw fault;
  }
}

/** True once it takes connections; false when it ended instead. Recovery after a crash counts as starting. */
export async function untilReady(place: Place, pid: number, say: (line: string) => void): Promise<boolean> {
  const started = performance.now();
  let said = false;
  for (;;) {
    if (startTicks(pid) === undefined) return false;
    const lines = pidFile(place);
    if (Number(lines?.[0]) === pid && lines?.[7]?.trim() === 'ready') return true;
    const waited = performance.now() - started;
    if (waited > readyPatienceMilliseconds) {
      throw new Unavailable(
        `The embedded Postgres is not ready after ${readyPatienceMilliseconds / 1000} s; see ${place.log}.`,
      );
    }
    if (waited > 5_000 && !said) {
      said = true;
      say('The embedded Postgres is still starting (it reads its log again after a crash).');
    }
    await wait(15);
  }
}

/** Tries again for a while: workers of a killed server keep its memory until they notice that it is gone. */
export async function startServer(
  place: Place,
  program: Program,
  settings: Readonly<Record<string, string>>,
  say: (line: string) => void,
): Promise<void> {
  const giveUpAt = performance.now() + orphanPatienceMilliseconds;
  for (;;) {
    removeStale(place);
    const logFrom = rotateLog(place.log);
    if (await untilReady(place, launch(place, program, settings), say)) return;
    const said = readFileSync(place.log).subarray(logFrom).toString().trim();
    if (!said.includes('shared memory block') || performance.now() > giveUpAt) {
      throw new Unavailable(`The embedded Postgres did not start. Its own words: ${said.slice(-2_000)}`);
    }
    await wait(200);
  }
}

/** Callers hold the lock and found no living server, so what these files speak of is dead. */
function removeStale(place: Place): void {
  rmSync(join(place.data, 'postmaster.pid'), { force: true });
  rmSync(join(place.socket, `.s.PGSQL.${port}.lock`), { force: true });
  rmSync(join(place.socket, `.s.PGSQL.${port}`), { force: true });
}

/** Answers with the size it begins at. */
function rotateLog(file: string): number {
  const size = existsSync(file) ? statSync(file).size : 0;
  if (size <= logLimitBytes) return size;
  renameSync(file, `${file}.1`);
  return 0;
}

/** Detached, in a session of its own, so that the terminal's Ctrl-C reaches us and not the database. */
function launch(place: Place, program: Program, settings: Readonly<Record<string, string>>): number {
  const log = openSync(place.log, 'a', 0o600);
  const server = spawn(program.postgres, serverArguments(place, settings), {
    ...place.spawnAs,
    cwd: '/',
    env: program.env,
    detached: true,
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  server.on('error', () => undefined);
  server.unref();
  if (server.pid === undefined) throw new Unavailable(`${program.postgres} can't be run on this machine.`);
  return server.pid;
}

function serverArguments(place: Place, settings: Readonly<Record<string, string>>): string[] {
  const all: Record<string, string> = {
    listen_addresses: '',
    port: String(port),
    unix_socket_directories: place.socket,
    unix_socket_permissions: '0700',
    max_connections: '100',
    timezone: 'UTC',
    log_timezone: 'UTC',
    log_checkpoints: 'off',
    log_line_prefix: '%m [%p] ',
    ...settings,
  };
  return ['-D', place.data, ...Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])];
}

/** Fast stop: open transactions are rolled back. Then without ceremony; the log makes that safe, too. */
export async function stopServer(place: Place): Promise<void> {
  for (const [signal, patience] of [
    ['SIGINT', 20_000],
    ['SIGQUIT', 5_000],
    ['SIGKILL', 5_000],
  ] as const) {
    const pid = findServer(place);
    if (pid === undefined) return;
    process.kill(pid, signal);
    const giveUpAt = performance.now() + patience;
    while (startTicks(pid) !== undefined && performance.now() < giveUpAt) await wait(15);
  }
}
