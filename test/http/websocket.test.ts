// GraphQL over WebSocket: how much a socket may ask for, and that an operation's failure is the operation's alone.

import { GraphQLObjectType, GraphQLSchema, GraphQLString } from 'graphql';
import { createClient } from 'graphql-ws';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import { edgeLimits } from '../../src/http/limits.ts';
import {
  connect,
  type Edge,
  type GraphqlAnswer,
  openEdge,
  openStream,
  readEvents,
  recording,
  serveWorld,
  type TestSocket,
} from './edge.ts';
import { itemOf, watchEvents, watching } from './watching.ts';

let edge: Edge;
beforeAll(async () => {
  edge = await openEdge();
});
afterAll(() => edge?.close());

const open: TestSocket[] = [];
async function socket(options: Parameters<typeof connect>[1] = { token: edge.token.secret }) {
  const client = await connect(edge.server.url, options);
  open.push(client);
  return client;
}
afterAll(() => {
  for (const { socket: one } of open) one.terminate();
});

const of = (id: string) => (message: { id?: string }) => message.id === id;

describe('limits', () => {
  test('a message of more than 64 KiB closes with 1009', async () => {
    const client = await socket();
    client.socket.send('x'.repeat(64 * 1024 + 1));
    expect((await client.closed).code).toBe(1009);
  });

  test('an id of more than 128 characters is refused to its operation', async () => {
    const client = await socket();
    const long = 'x'.repeat(129);
    client.subscribe(long, '{ __typename }');
    const { type, payload } = await client.message(of(long));
    expect({ type, extensions: payload?.[0]?.extensions }).toEqual({
      type: 'error',
      extensions: { code: 'LIMIT', counted: 'OPERATION_ID', limit: 128, current: 129 },
    });
    client.subscribe('x'.repeat(128), '{ __typename }');
    expect((await client.message(of('x'.repeat(128)))).type).toBe('next');
  });

  test('the 101st subscription of a socket is refused; the others and the socket live', async () => {
    const environmentId = await edge.addEnvironment();
    const client = await socket();
    for (let id = 0; id < 101; id++) client.subscribe(String(id), watchEvents, watching(environmentId));
    const refused = await client.message(({ type }) => type === 'error');
    expect(refused.payload?.[0]?.extensions).toMatchObject({ code: 'LIMIT', limit: 100, current: 101 });
    const live = new Set(Array.from({ length: 101 }, (_, id) => String(id)));
    live.delete(refused.id ?? '');
    for (const id of live) await client.message((message) => message.id === id && message.type === 'next');
    await edge.addEvents(environmentId, 1);
    for (const id of live)
      await client.message((message) => message.id === id && itemOf(message.payload)?.message === 'event 0');
    client.send({ type: 'complete', id: '0' });
    client.subscribe('again', watchEvents, watching(environmentId));
    expect((await client.message(of('again'))).type).toBe('next');
  });

  test('a process has a bounded number of live subscriptions, over all carriers, and gives places back', async () => {
    const environmentId = await edge.addEnvironment();
    const limits = { subscriptionsPerProcess: 3 };
    const server = await serveWorld(edge, edge.repositories, { logger: recording(), limits });
    try {
      const client = await connect(server.url, { token: edge.token.secret });
      for (const id of ['1', '2', '3']) {
        client.subscribe(id, watchEvents, watching(environmentId));
        expect((await client.message(of(id))).type).toBe('next');
      }
      client.subscribe('4', watchEvents, watching(environmentId));
      expect(JSON.stringify(await client.message(of('4')))).toContain('"counted":"SUBSCRIPTIONS"');
      client.send({ type: 'complete', id: '1' });
      let attempt = 4;
      const asked = async () => {
        attempt += 1;
        client.subscribe(`${attempt}`, watchEvents, watching(environmentId));
        return itemOf((await client.message(of(`${attempt}`))).payload)?.__typename;
      };
      await expect.poll(asked, { timeout: 2_000 }).toBe('CaughtUp');
    } finally {
      await server.close();
    }
  });

  test('a token has a bounded number of live subscriptions, over sockets and event streams together', async () => {
    const environmentId = await edge.addEnvironment();
    const limits = { subscriptionsPerToken: 3 };
    const server = await serveWorld(edge, edge.repositories, { logger: recording(), limits });
    const { secret: token } = await edge.addToken({ scopes: ['read'] });
    const stream = async (by: string) => {
      const left = new AbortController();
      const options = { token: by, variables: watching(environmentId), signal: left.signal };
      const events = readEvents(await openStream({ server }, watchEvents, options));
      const { value } = await events.next();
      return { left, said: value === undefined ? '' : value.data };
    };
    try {
      const client = await connect(server.url, { token });
      for (const id of ['1', '2']) {
        client.subscribe(id, watchEvents, watching(environmentId));
        expect((await client.message(of(id))).type).toBe('next');
      }
      const third = await stream(token);
      expect(third.said).toContain('CaughtUp');
      const tooMany = { code: 'LIMIT', counted: 'SUBSCRIPTIONS', limit: 3, current: 3 };
      const fourth = JSON.parse((await stream(token)).said) as GraphqlAnswer;
      expect(fourth.errors?.[0]?.extensions).toEqual(tooMany);
      client.subscribe('4', watchEvents, watching(environmentId));
      expect((await client.message(of('4'))).payload?.errors?.[0]?.extensions).toEqual(tooMany);
      const neighbour = await stream(edge.token.secret);
      expect(neighbour.said).toContain('CaughtUp');
      third.left.abort();
      await expect.poll(async () => (await stream(token)).said, { timeout: 2_000 }).toContain('CaughtUp');
    } finally {
      await server.close();
    }
  });

  test('one token alone can not take every place of the process', () => {
    expect(edgeLimits.subscriptionsPerToken).toBe(400);
    expect(edgeLimits.subscriptionsPerToken).toBeLessThan(edgeLimits.subscriptionsPerProcess / 2);
  });

  test('who answers no ping is let go', async () => {
    const limits = { pingMs: 100 };
    const server = await serveWorld(edge, edge.repositories, { logger: recording(), limits });
    try {
      const lively = await connect(server.url, { token: edge.token.secret });
      const dead = new WebSocket(`${server.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', {
        autoPong: false,
      });
      await new Promise((resolve) => dead.once('close', resolve));
      expect(lively.socket.readyState).toBe(WebSocket.OPEN);
    } finally {
      await server.close();
    }
  });
});

describe('an operation that fails', () => {
  const fault = () => {
    throw new Error('hunter2');
  };
  const text = (resolve: () => unknown) => ({ type: GraphQLString, resolve });
  const schema = new GraphQLSchema({
    query: new GraphQLObjectType({
      name: 'Query',
      fields: { fault: text(fault), fine: text(() => 'fine') },
    }),
    subscription: new GraphQLObjectType({
      name: 'Subscription',
      fields: {
        early: { type: GraphQLString, subscribe: fault },
        late: {
          type: GraphQLString,
          resolve: (value: unknown) => value,
          subscribe: async function* () {
            yield 'one';
            fault();
          },
        },
      },
    }),
  });

  test.each([
    ['that can not be parsed', '{', 'error'],
    ['that is not valid', '{ nothing }', 'error'],
    ['that names no operation', 'fragment a on Query { fine }', 'error'],
    ['with a fault', '{ fault }', 'next'],
    ['whose stream can not begin', 'subscription { early }', 'next'],
    ['whose stream fails on the way', 'subscription { late }', 'error'],
  ])('one %s tells its own client and leaves the socket open', async (_what, query, type) => {
    const logged: string[] = [];
    const server = await serveWorld(edge, edge.repositories, { logger: recording(logged), schema });
    try {
      const client = await connect(server.url, { token: edge.token.secret });
      client.subscribe('1', query);
      const fits = (message: { id?: string; payload?: unknown }) =>
        message.id === '1' && JSON.stringify(message.payload).includes('"message"');
      const failed = await client.message(fits);
      expect(failed.type).toBe(type);
      expect(JSON.stringify(failed)).not.toMatch(/hunter2|"http"|unexpected|stack/);
      client.subscribe('2', '{ fine }');
      expect((await client.message(of('2'))).payload).toMatchObject({ data: { fine: 'fine' } });
      expect(logged.length).toBe(query.includes('fault') || query.includes('subscription') ? 1 : 0);
    } finally {
      await server.close();
    }
  });

  test('variables of the wrong type are told to the operation', async () => {
    const client = await socket();
    client.subscribe('1', watchEvents, { environmentId: { no: 'id' } });
    const { payload } = await client.message(of('1'));
    expect(JSON.stringify(payload)).toContain('$environmentId');
    expect(JSON.stringify(payload)).toContain('BAD_USER_INPUT');
  });

  test('messages that the protocol forbids close with 4400, from which clients do not come back', async () => {
    for (const message of [{ type: 'next', id: '1', payload: {} }, { type: 'nonsense' }, { none: 1 }]) {
      const client = await socket();
      client.send(message);
      expect((await client.closed).code).toBe(4400);
    }
  });
});

test('a source is given back on complete and on close, also while it waits', async () => {
  const returned = vi.fn();
  const count = {
    type: GraphQLString,
    resolve: (value: unknown) => value,
    subscribe: async function* (_root: unknown, _args: unknown, { signal }: { signal: AbortSignal }) {
      try {
        yield '1';
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
      } finally {
        returned();
      }
    },
  };
  const schema = new GraphQLSchema({
    query: new GraphQLObjectType({ name: 'Query', fields: { none: { type: GraphQLString } } }),
    subscription: new GraphQLObjectType({ name: 'Subscription', fields: { count } }),
  });
  const server = await serveWorld(edge, edge.repositories, { logger: recording(), schema });
  try {
    const client = await connect(server.url, { token: edge.token.secret });
    for (const id of ['1', '2']) {
      client.subscribe(id, 'subscription { count }');
      await client.message(of(id));
    }
    client.send({ type: 'complete', id: '1' });
    await expect.poll(() => returned.mock.calls.length, { timeout: 2_000 }).toBe(1);
    client.socket.terminate();
    await expect.poll(() => returned.mock.calls.length, { timeout: 2_000 }).toBe(2);
  } finally {
    await server.close();
  }
});

test("a closing server says 1001 in time, and the library's client comes back where it was", async () => {
  const environmentId = await edge.addEnvironment();
  const first = await serveWorld(edge, edge.repositories, { logger: recording() });
  const client = createClient({
    url: `${first.url.replace('http', 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: { Authorization: `Bearer ${edge.token.secret}` },
    retryAttempts: 5,
    shouldRetry: () => true,
  });
  const seen: string[] = [];
  const { promise: failed, reject } = Promise.withResolvers<never>();
  failed.catch(() => {});
  const stop = client.subscribe(
    { query: watchEvents, variables: watching(environmentId) },
    {
      next: (result) => void seen.push(itemOf(result as never)?.__typename ?? ''),
      error: reject,
      complete: () => {},
    },
  );
  await Promise.race([failed, expect.poll(() => seen.length, { timeout: 5_000 }).toBe(1)]);
  const started = performance.now();
  await first.close();
  expect(performance.now() - started).toBeLessThan(2_000);
  const second = await serveWorld(edge, edge.repositories, { logger: recording(), port: first.port });
  await Promise.race([failed, expect.poll(() => seen.length, { timeout: 5_000 }).toBe(2)]);
  stop();
  await client.dispose();
  await second.close();
});
