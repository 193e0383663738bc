// What a private engine leaves behind when nobody ended it, and its removal: processes, mounts, its folder. Found by the
// folder's path alone, so that a run that was cut off can be cleared up after by another process. Starts nothing.

import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);
const patienceMs = 10_000;

/** Kills what was started with the folder in its arguments, and all that came of it; then nothing of the folder is left. */
export async function clearPrivateEngine(directory: string): Promise<void> {
  for (const end = performance.now() + patienceMs; ; ) {
    const pids = processesOf(directory);
    if (pids.length === 0) break;
    if (performance.now() > end) throw new Error(`Processes of ${directory} don't end: ${pids.join(', ')}.`);
    for (const pid of pids) killQuietly(pid);
    await sleep(20);
  }
  // The latest first: one may lie within another.
  for (const mount of mountsBelow(directory).toReversed()) await run('umount', ['--lazy', '--', mount]);
  rmSync(directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
}

/** False of one that is dead and only waits to be reaped. */
export function isLiving(pid: number): boolean {
  const state = statOf(pid)?.state;
  return state !== undefined && state !== 'Z' && state !== 'X';
}

function processesOf(directory: string): number[] {
  const pids = readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) ? [Number(name)] : []));
  const parents = new Map(pids.map((pid) => [pid, statOf(pid)?.parent]));
  const own = new Set(pids.filter((pid) => pid !== process.pid && isAbout(pid, directory)));
  const descends = (pid: number | undefined): boolean =>
    pid !== undefined && pid > 1 && (own.has(pid) || descends(parents.get(pid)));
  return pids.filter((pid) => descends(pid) && isLiving(pid));
}

function isAbout(pid: number, directory: string): boolean {
  const words = readQuietly(`/proc/${pid}/cmdline`).split('\0');
  return words.some((word) => word.includes(`${directory}/`));
}

function statOf(pid: number): { readonly state: string; readonly parent: number } | undefined {
  // The program's name stands in brackets and may hold anything.
  const [, state, parent] = /^.*\) (\S) (\d+) /s.exec(readQuietly(`/proc/${pid}/stat`)) ?? [];
  return state === undefined ? undefined : { state, parent: Number(parent) };
}

function mountsBelow(directory: string): string[] {
  if (!existsSync('/proc/self/mountinfo')) return [];
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  return lines.map((line) => line.split(' ')[4] ?? '').filter((path) => path.startsWith(`${directory}/`));
}

function readQuietly(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It was quicker.
  }
}
