// One connection to a target for one look, what is heard on it, and its faults as sentences for people. Closed by the signal
// in any case.
import { AsyncLocalStorage } from 'node:async_hooks';
import { subscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { Socket } from 'node:net';
import type { CheckTarget } from '../model/monitoring/agent.ts';

/** Most that a look reads of an answer. */
export const longestAnswer = 65_536;

export async function openSocket({ host, port }: CheckTarget, signal: AbortSignal): Promise<Socket> {
  const socket = newSocket(signal).connect(port, host);
  await once(socket, 'connect');
  return socket;
}

/** Not connected yet, for a client that does that. */
export function newSocket(signal: AbortSignal): Socket {
  // Whoever reads learns of an error; without a listener it would end the process.
  return contained(new Socket({ signal }))
    .setNoDelay()
    .on('error', () => {});
}

/** Looks at what has come before the client does; what it throws ends the connection. */
export type Guard = (chunk: Buffer) => void;

const watched = new AsyncLocalStorage<{ readonly sockets: Set<Socket>; readonly newGuard: () => Guard }>();

/** For a client that makes its own connections and keeps those that it is about to make: none survives the talk. */
export async function closingAll<T>(newGuard: () => Guard, talk: () => Promise<T>): Promise<T> {
  const sockets = new Set<Socket>();
  try {
    return await watched.run({ sockets, newGuard }, talk);
  } finally {
    for (const socket of sockets) socket.destroy();
  }
}

subscribe('net.client.socket', (made) => {
  const look = watched.getStore();
  look?.sockets.add(contained((made as { readonly socket: Socket }).socket, look.newGuard()));
});

/** A client that trips over what a server has sent loses its connection by it; it would end the process otherwise. */
function contained(socket: Socket, guard?: Guard): Socket {
  const emit = socket.emit;
  socket.emit = ((...event: Parameters<typeof emit>): boolean => {
    try {
      const [name, chunk]: readonly unknown[] = event;
      if (name === 'data' && Buffer.isBuffer(chunk)) guard?.(chunk);
      return emit.apply(socket, event);
    } catch (error) {
      socket.destroy(error as Error);
      return true;
    }
  }) as typeof emit;
  return socket;
}

/** What comes until it is enough, the other side ends or the longest answer is there. Closes the connection. */
export async function hear(
  chunks: AsyncIterable<Buffer>,
  enough: (heard: Buffer) => boolean,
): Promise<Buffer> {
  let heard = Buffer.alloc(0);
  for await (const chunk of chunks) {
    heard = Buffer.concat([heard, chunk]);
    if (enough(heard) || heard.length >= longestAnswer) break;
  }
  return heard.subarray(0, longestAnswer);
}

/** One sentence without its full stop on why there was no good answer. */
export function reasonOf(error: unknown, { host, port }: CheckTarget): string {
  const code = codeOf(error);
  switch (code) {
    case 'ECONNREFUSED':
      return `nothing listens on port ${port} (${code})`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `the name ${host} is not known (${code})`;
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return `there is no way to it (${code})`;
    case 'ECONNRESET':
    case 'EPIPE':
      return `the server cut the connection (${code})`;
  }
  const message = error instanceof Error ? error.message.trim() : '';
  return (message || code || 'it failed without a reason').slice(0, 1000).replace(/\.$/, '');
}

/** A client may wrap what the system said, and a name with several addresses has a fault for each. */
function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  if (error instanceof AggregateError && error.errors.length > 0) return codeOf(error.errors[0]);
  const inner = error.cause === undefined ? undefined : codeOf(error.cause);
  return inner ?? ('code' in error && typeof error.code === 'string' ? error.code : undefined);
}
