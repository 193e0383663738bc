// Who has an embedded database open, and the lock under which it is started and stopped. Both hold through kill -9 of any
// of us: a holder's file counts only while its process lives, and the lock goes with its process.
import { randomUUID } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { withMachineLock } from '../machine-lock.ts';

/** Under which a database is started and stopped. */
export function withLock<T>(directory: string, work: () => Promise<T>): Promise<T> {
  const name = `postgres ${realpathSync(directory)}`;
  const what = `starting or stopping the database in ${directory}`;
  return withMachineLock({ name, what, patienceMilliseconds: 120_000 }, work);
}

/** Writes down that this process has the database open; returns the file that says so. */
export function hold(folder: string): string {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${process.pid}.${startTicks(process.pid) ?? 0}.${randomUUID()}`);
  writeFileSync(file, '');
  return file;
}

export function release(file: string): void {
  rmSync(file, { force: true });
}

/** Counts those that live and clears away the rest. */
export function countHolders(folder: string): number {
  let living = 0;
  for (const name of readdirSync(folder)) {
    const [pid, ticks] = name.split('.');
    if (startTicks(Number(pid)) === Number(ticks)) living += 1;
    else release(join(folder, name));
  }
  return living;
}

/** When a process started, in the kernel's ticks: with the pid it names one process for good. Zombies count as dead. */
export function startTicks(pid: number): number | undefined {
  if (!Number.isSafeInteger(pid) || pid <= 0) return undefined;
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined;
  }
  // The name in parentheses may hold anything, blanks and parentheses included; the fields begin after the last one.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' || fields[0] === 'X' ? undefined : Number(fields[19]);
}
