// A token's end is the end of everything that lives on it, within two seconds, on every replica.
import { createClient } from 'graphql-ws';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { revokeToken } from '../../src/control/tokens.ts';
import type { Served } from '../../src/http/server.ts';
import { revokeToken as writeRevoked } from '../../src/postgres/tokens.ts';
import {
  codeOf,
  connect,
  type Edge,
  type GraphqlAnswer,
  openEdge,
  openStream,
  readEvents,
  recording,
  serveWorld,
} from './edge.ts';
import { watchEvents, watching } from './watching.ts';

const boundMs = 2_000;

let edge: Edge;
let environmentId: string;
let replica: Awaited<ReturnType<Edge['openReplica']>>;
let other: Served;
beforeAll(async () => {
  edge = await openEdge();
  environmentId = await edge.addEnvironment();
  replica = await edge.openReplica();
  other = await serveWorld(replica, edge.repositories, { logger: recording() });
});
afterAll(async () => {
  await other?.close();
  await replica?.close();
  await edge?.close();
});

interface Live {
  readonly ended: Promise<{ at: number; how: string }>;
}

async function liveSocket(server: Served, token: string): Promise<Live> {
  const client = await connect(server.url, { token });
  client.subscribe('1', watchEvents, watching(environmentId));
  await client.message(({ id }) => id === '1');
  return { ended: client.closed.then(({ code }) => ({ at: performance.now(), how: String(code) })) };
}

async function liveStream(server: Served, token: string): Promise<Live> {
  const response = await openStream({ server }, watchEvents, { token, variables: watching(environmentId) });
  const events = readEvents(response);
  await events.next();
  const ended = async (): Promise<{ at: number; how: string }> => {
    const seen: string[] = [];
    for await (const { event, data } of events) {
      const answer: GraphqlAnswer = data === '' ? {} : JSON.parse(data);
      const code = data === '' ? '' : String(codeOf(answer) ?? 'ITEM');
      seen.push(`${event} ${code}`.trim());
    }
    return { at: performance.now(), how: seen.join(', ') };
  };
  return { ended: ended() };
}

async function liveEverywhere(token: string): Promise<Live[]> {
  const lives = [edge.server, other].flatMap((server) => [
    liveSocket(server, token),
    liveStream(server, token),
  ]);
  return Promise.all(lives);
}

const endings = ['4401', 'next UNAUTHENTICATED, complete', '4401', 'next UNAUTHENTICATED, complete'];

const endingsOfTokens: readonly (readonly [string, (id: string) => Promise<unknown>])[] = [
  ['revoked', (id) => revokeToken(edge.control, edge.token.caller, { tokenId: id })],
  ['revoked while no hint arrives', (id) => edge.control.store.db.transaction((tx) => writeRevoked(tx, id))],
];

describe.each(endingsOfTokens)('a token that is %s', (_what, end) => {
  test('ends its sockets and streams in time, and no others', async () => {
    const { id, secret } = await edge.addToken();
    const lives = await liveEverywhere(secret);
    const [neighbour] = await Promise.all([liveSocket(edge.server, edge.token.secret)]);
    await end(id);
    const started = performance.now();
    const ended = await Promise.all(lives.map((live) => live.ended));
    expect(ended.map(({ how }) => how)).toEqual(endings);
    expect(Math.max(...ended.map(({ at }) => at)) - started).toBeLessThan(boundMs);
    const state = await Promise.race([neighbour?.ended, Promise.resolve('open')]);
    expect(state).toBe('open');
  });
});

test('a token that expires ends what lives on it in time', async () => {
  const expiresAt = new Date(Date.now() + 1_000);
  const { secret } = await edge.addToken({ expiresAt });
  const lives = await liveEverywhere(secret);
  const ended = await Promise.all(lives.map((live) => live.ended));
  expect(ended.map(({ how }) => how)).toEqual(endings);
  expect(Date.now() - expiresAt.getTime()).toBeLessThan(boundMs);
});

test("the library's client does not come back with a revoked token", async () => {
  const { id, secret } = await edge.addToken();
  let connections = 0;
  const client = createClient({
    url: `${edge.server.url.replace('http', 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: { Authorization: `Bearer ${secret}` },
    retryAttempts: 5,
    on: {
      connected: () => {
        connections += 1;
      },
    },
  });
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
  const ended = new Promise<unknown>((resolve) => {
    client.subscribe(
      { query: watchEvents, variables: watching(environmentId) },
      { next: () => begin(), error: resolve, complete: () => resolve('complete') },
    );
  });
  await begun;
  await revokeToken(edge.control, edge.token.caller, { tokenId: id });
  expect(await ended).toMatchObject({ code: 4401 });
  expect(connections).toBe(1);
});
