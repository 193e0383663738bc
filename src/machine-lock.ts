// One at a time over all processes of this machine, by name. The lock is an abstract socket name: the kernel frees it with
// its process, so that a kill leaves nothing behind that somebody would have to judge stale. Within one machine only; what
// replicas on several machines must not do twice is guarded in Postgres.
import { createHash } from 'node:crypto';
import { createServer, type Server } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { Unavailable } from './errors.ts';

/** `what` completes the sentence "Another process has been … for too long". */
export async function withMachineLock<T>(
  lock: { readonly name: string; readonly what: string; readonly patienceMilliseconds: number },
  work: () => Promise<T>,
): Promise<T> {
  const digest = createHash('sha256').update(lock.name).digest('hex');
  const giveUpAt = performance.now() + lock.patienceMilliseconds;
  let server = await listen(`\0berth-${digest}`);
  while (server === undefined) {
    if (performance.now() > giveUpAt)
      throw new Unavailable(`Another process has been ${lock.what} for too long.`);
    await wait(30);
    server = await listen(`\0berth-${digest}`);
  }
  try {
    return await work();
  } finally {
    await closed(server);
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

function closed(server: Server): Promise<void> {
  return new Promise((done) => server.close(() => done()));
}
