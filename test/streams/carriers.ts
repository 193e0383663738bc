// A log stream over each carrier, read to its own end: the same items must come over both.
import { expect } from 'vitest';
import { connect, type Edge, openStream, readEvents } from '../http/edge.ts';

export interface Item {
  readonly __typename: string;
  readonly cursor: string;
  readonly type?: string;
  readonly message?: string;
  readonly text?: string;
  readonly from?: string | null;
  readonly to?: string;
  readonly reason?: string;
}

export type Door = Pick<Edge, 'server' | 'token'>;

/** The items of a stream until it completes; one that is cut instead fails. `after` goes where the carrier has it. */
export type Collect = (
  door: Door,
  query: string,
  variables: object,
  after?: string | undefined,
) => Promise<Item[]>;

const patienceMs = 10_000;

const overEvents: Collect = async (door, query, variables, after) => {
  const headers = after === undefined ? {} : { 'last-event-id': after };
  const signal = AbortSignal.timeout(patienceMs);
  const options = { token: door.token.secret, variables, headers, signal };
  const items: Item[] = [];
  for await (const { event, data } of readEvents(await openStream(door, query, options))) {
    if (event === 'complete') return items;
    items.push(ofAnswer(JSON.parse(data)));
  }
  throw new Error(`The stream was cut after ${JSON.stringify(items)}.`);
};

const overSocket: Collect = async (door, query, variables, after) => {
  const client = await connect(door.server.url, { token: door.token.secret });
  try {
    client.subscribe('1', query, { ...variables, after });
    const completed = () => client.messages.some(({ type }) => type === 'complete');
    await expect.poll(completed, { timeout: patienceMs, message: 'the stream completes' }).toBe(true);
    return client.messages.filter(({ type }) => type === 'next').map(({ payload }) => ofAnswer(payload));
  } finally {
    client.socket.terminate();
  }
};

export const carriers: readonly (readonly [name: string, collect: Collect])[] = [
  ['SSE', overEvents],
  ['WebSocket', overSocket],
];

/** Items as they come over SSE; `leave` ends the connection. */
export async function watch(
  door: Door,
  query: string,
  variables: object,
): Promise<{ readonly items: Item[]; leave(): void }> {
  const leaving = new AbortController();
  const options = { token: door.token.secret, variables, signal: leaving.signal };
  const response = await openStream(door, query, options);
  const items: Item[] = [];
  const reading = async () => {
    for await (const { event, data } of readEvents(response))
      if (event === 'next') items.push(ofAnswer(JSON.parse(data)));
  };
  // Left unhandled when it isn't of our own leaving: that fails the run, and says why.
  void reading().catch((error: unknown) => {
    if (!leaving.signal.aborted) throw error;
  });
  return { items, leave: () => leaving.abort() };
}

/** The one field of a subscription. */
export function ofAnswer(answer: unknown): Item {
  const { data, errors } = answer as { data?: Record<string, Item> | null; errors?: unknown };
  const item = Object.values(data ?? {})[0];
  if (errors !== undefined || item === undefined) throw new Error(`No item: ${JSON.stringify(answer)}`);
  return item;
}
