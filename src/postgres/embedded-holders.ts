// Who has an embedded database open, and the lock under which it is started and stopped. Both hold through kill -9: the
// lock is a socket name that the kernel frees with its process, and a holder's file counts only while its process lives.
import { createHash, randomUUID } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { Unavailable } from '../errors.ts';

const lockPatienceMilliseconds = 120_000;

/** One at a time over all processes of this machine that open this directory. */
export async function withLock<T>(directory: string, work: () => Promise<T>): Promise<T> {
  const lock = await takeLock(directory);
  try {
    return await work();
  } finally {
    await new Promise((done) => lock.close(done));
  }
}

async function takeLock(directory: string): Promise<Server> {
  const digest = createHash('sha256').update(realpathSync(directory)).digest('hex');
  const giveUpAt = performance.now() + lockPatienceMilliseconds;
  for (;;) {
    const server = await listen(`\0berth-postgres-${digest}`);
    if (server !== undefined) return server;
    if (performance.now() > giveUpAt) {
      throw new Unavailable(
        `Another process has been starting or stopping the database in ${directory} for too long.`,
      );
    }
    await wait(30);
  }
}

function listen(name: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((connection) => connection.destroy());
    server.once('error', (fault: NodeJS.ErrnoException) =>
      fault.code === 'EADDRINUSE' ? resolve(undefined) : reject(fault),
    );
    server.listen(name, () => resolve(server));
  });
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
