// A subscriber that speaks graphql-transport-ws by hand, for benches with hundreds of them in one process.
import { once } from 'node:events';
import { WebSocket } from 'ws';

export interface Subscription {
  readonly url: string;
  readonly query: string;
  /** Taken in turn: a token may have so many sockets. */
  readonly tokens: readonly string[];
}

/** Answers once it has caught up: from there on it gets what is new. */
export async function subscribe(
  { url, query, tokens }: Subscription,
  index: number,
  hear: (message: string) => void,
): Promise<WebSocket> {
  const socket = new WebSocket(url, ['graphql-transport-ws'], { perMessageDeflate: false });
  await once(socket, 'open');
  const begun = Promise.withResolvers<void>();
  socket.on('message', (data) => {
    const message = String(data);
    if (message.includes('"connection_ack"'))
      socket.send(JSON.stringify({ type: 'subscribe', id: 'bench', payload: { query } }));
    if (message.includes('CaughtUp')) begun.resolve();
    hear(message);
  });
  socket.on('close', (code) => begun.reject(new Error(`closed with ${code}`)));
  const Authorization = `Bearer ${tokens[index % tokens.length]}`;
  socket.send(JSON.stringify({ type: 'connection_init', payload: { Authorization } }));
  await begun.promise;
  return socket;
}
