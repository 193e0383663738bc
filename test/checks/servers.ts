// Servers of a test's own process that behave badly or well, and what they saw of their clients.
import { createServer, type Server, type Socket } from 'node:net';
import { expect } from 'vitest';

export interface Heard {
  readonly port: number;
  /** Connections that were taken altogether. */
  taken(): number;
  /** Waits until every connection is closed. */
  allClosed(): Promise<void>;
  close(): Promise<void>;
}

/** Does `each` with every connection. */
export async function listen(each: (socket: Socket) => void): Promise<Heard> {
  const open = new Set<Socket>();
  let taken = 0;
  const server = createServer((socket) => {
    taken += 1;
    open.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => open.delete(socket));
    each(socket);
    // Whoever doesn't read doesn't learn that the other side has gone.
    socket.resume();
  });
  const port = await listening(server);
  return {
    port,
    taken: () => taken,
    allClosed: () => expect.poll(() => open.size, { interval: 5, timeout: 2_000 }).toBe(0),
    close: () => ended(server, open),
  };
}

export async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('It has no port.');
  return address.port;
}

function ended(server: Server, open: ReadonlySet<Socket>): Promise<void> {
  for (const socket of open) socket.destroy();
  return new Promise((resolve) => server.close(() => resolve()));
}

/** A port that was free a moment ago. */
export async function refusedPort(): Promise<number> {
  const server = await listen(() => {});
  await server.close();
  return server.port;
}
