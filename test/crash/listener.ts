// A client of the API that follows an environment's events through whatever replica answers: when its stream is cut, it goes
// on at another by its cursor. Over SSE or over a web socket. Says at the end how what came differs from the log.
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import { writeGlobalId } from '../../src/graphql/global-id.ts';
import { allCursors, type ServerProcess } from '../support/server.ts';
import { readEvents } from '../support/sse.ts';

type Replica = Pick<ServerProcess, 'url' | 'token'>;

/** Everything after the cursor at this replica, until the stream is cut. */
type Read = (
  replica: Replica,
  environmentId: string,
  after: string | undefined,
  signal: AbortSignal,
) => AsyncIterable<Answer>;

interface Answer {
  readonly data?: { readonly it: Item } | null;
  readonly errors?: unknown;
}

interface Item {
  readonly __typename: string;
  /** Of the place after it. */
  readonly cursor: string;
  readonly reason?: string;
}

export interface Listener {
  /** How often its stream was cut, and what was not as it must be. */
  end(): Promise<{ readonly cuts: number; readonly oddities: readonly string[] }>;
}

const patienceMs = 10_000;
const pauseMs = 100;
const items = '__typename ... on Event { cursor } ... on CaughtUp { cursor } ... on Heartbeat { cursor }';

const overEvents: Read = async function* ({ url, token }, environmentId, after, signal) {
  const query = `subscription { it: environmentEvents(environmentId: "${environment(environmentId)}") {
    ${items} ... on Gap { cursor reason } } }`;
  for await (const { event, data } of readEvents(url, token, query, signal, after))
    if (event === 'next') yield JSON.parse(data) as Answer;
};

const overSocket: Read = async function* ({ url, token }, environmentId, after, signal) {
  const client = createClient({
    url: `${url.replace(/^http/, 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: { authorization: `Bearer ${token}` },
    retryAttempts: 0,
    onNonLazyError: () => {},
  });
  const query = `subscription ($after: Cursor) {
    it: environmentEvents(environmentId: "${environment(environmentId)}", after: $after) {
    ${items} ... on Gap { cursor reason } } }`;
  signal.addEventListener('abort', () => client.terminate(), { once: true });
  try {
    yield* client.iterate({ query, variables: { after } }) as AsyncIterable<Answer>;
  } finally {
    client.terminate();
  }
};

export const carriers = { overEvents, overSocket } as const;

/** `next` says which replica to turn to; everything after the place `from`. */
export function listen(read: Read, environmentId: string, next: () => Replica, from: string): Listener {
  const over = new AbortController();
  const received: string[] = [];
  const oddities: string[] = [];
  let cuts = 0;
  let cursor = from;
  async function follow(): Promise<void> {
    for await (const { data, errors } of read(next(), environmentId, cursor, over.signal)) {
      if (data == null || errors !== undefined) {
        oddities.push(`no item but ${JSON.stringify(errors)}`);
        return;
      }
      const { __typename: type, cursor: place, reason } = data.it;
      cursor = place;
      if (type === 'Gap') oddities.push(`a gap: ${reason}`);
      else if (type !== 'CaughtUp' && type !== 'Heartbeat') received.push(place);
    }
  }
  const following = (async () => {
    while (!over.signal.aborted) {
      await follow().catch(() => {});
      cuts += 1;
      await sleep(pauseMs);
    }
  })();
  return {
    end: async () => {
      const all = await allCursors(next(), environment(environmentId));
      const logged = all.slice(all.indexOf(from) + 1);
      const limit = performance.now() + patienceMs;
      while (received.length < logged.length && performance.now() < limit) await sleep(50);
      over.abort();
      await following;
      if (JSON.stringify(received) !== JSON.stringify(logged))
        oddities.push(`${received.length} events came of ${logged.length}, or in another order`);
      return { cuts: cuts - 1, oddities };
    },
  };
}

function environment(id: string): string {
  return writeGlobalId('Environment', id);
}
