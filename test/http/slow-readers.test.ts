// A client that stops reading harms nobody: nothing is made for it, nothing waits for it in memory, everybody else gets
// everything in time, and after its deadline it is let go in a way after which clients come back.
import { connect as connectTcp, type Socket } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { GraphQLObjectType, GraphQLSchema, GraphQLString } from 'graphql';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Served } from '../../src/http/server.ts';
import { connect, type Edge, openEdge, openStream, readEvents, recording, serveWorld } from './edge.ts';
import { type Item, itemOf, watchEvents, watching } from './watching.ts';

const events = 5_000;
const boundMs = 60_000;
const heapBound = 16 * 1024 * 1024;

setFlagsFromString('--expose-gc');
const collect: () => void = runInNewContext('gc');

let edge: Edge;
beforeAll(async () => {
  edge = await openEdge();
});
afterAll(() => edge?.close());

/** A request for a stream over a socket of its own, which is read only as far as its head. */
function stalledStream(server: Served, body: object): Promise<Socket> {
  const text = JSON.stringify(body);
  const socket = connectTcp(server.port, '127.0.0.1');
  socket.on('error', () => {});
  const head = [
    'POST /graphql HTTP/1.1',
    'host: localhost',
    'content-type: application/json',
    'accept: text/event-stream',
    `authorization: Bearer ${edge.token.secret}`,
    `content-length: ${Buffer.byteLength(text)}`,
  ];
  socket.write(`${head.join('\r\n')}\r\n\r\n${text}`);
  return new Promise((resolve) =>
    socket.once('data', () => {
      socket.pause();
      resolve(socket);
    }),
  );
}

/** What a log stream gave, until the event with this number. */
async function readUntil(last: number, next: () => Promise<Item | undefined>): Promise<string[]> {
  const messages: string[] = [];
  for (;;) {
    const item = await next();
    if (item === undefined) throw new Error(`ended after ${messages.at(-1)}`);
    if (item.message === undefined) continue;
    messages.push(item.message);
    if (item.message === `event ${last}`) return messages;
  }
}

test('of 5,000 events the readers get each once and in order while others have stalled', async () => {
  const environmentId = await edge.addEnvironment();
  const variables = watching(environmentId);
  const { server, token } = edge;
  const stalled = await stalledStream(server, { query: watchEvents, variables });
  const stalledSocket = await connect(server.url, { token: token.secret });
  for (let id = 0; id < 20; id++) stalledSocket.subscribe(`${id}`, watchEvents, variables);
  await stalledSocket.message(({ id }) => id === '19');
  stalledSocket.socket.pause();

  const stream = readEvents(await openStream(edge, watchEvents, { token: token.secret, variables }));
  const fromStream = readUntil(events - 1, async () => {
    const { value, done } = await stream.next();
    return done === true ? undefined : itemOf(JSON.parse(value.data));
  });
  const client = await connect(server.url, { token: token.secret });
  client.subscribe('1', watchEvents, variables);
  await client.message(({ id }) => id === '1');
  const expected = Array.from({ length: events }, (_, number) => `event ${number}`);

  collect();
  const before = process.memoryUsage().heapUsed;
  const started = performance.now();
  await edge.addEvents(environmentId, events);
  await client.message(({ payload }) => itemOf(payload)?.message === `event ${events - 1}`);
  expect(await fromStream).toEqual(expected);
  expect(performance.now() - started).toBeLessThan(boundMs);
  const fromSocket = client.messages.flatMap(({ payload }) => itemOf(payload)?.message ?? []);
  expect(fromSocket).toEqual(expected);
  client.messages.length = 0;
  collect();
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(heapBound);
  expect((await fetch(`${server.url}/health`)).status).toBe(200);

  // The stalled socket was only slow: read on, and nothing is missing.
  stalledSocket.socket.resume();
  const last = (id: string) =>
    stalledSocket.message(
      (message) => message.id === id && itemOf(message.payload)?.message === `event ${events - 1}`,
    );
  await last('0');
  const late = stalledSocket.messages.flatMap(({ id, payload }) =>
    id === '0' ? (itemOf(payload)?.message ?? []) : [],
  );
  expect(late).toEqual(expected);
  stalled.destroy();
  stalledSocket.socket.terminate();
  client.socket.terminate();
  await stream.return(undefined);
}, 120_000);

describe('a stream of large items, made as they are asked for', () => {
  let made = 0;
  let ended = 0;
  const text = 'x'.repeat(64 * 1024);
  const flood = {
    type: GraphQLString,
    resolve: (value: unknown) => value,
    subscribe: async function* () {
      try {
        for (;;) {
          made += 1;
          yield text;
          await new Promise((resolve) => setImmediate(resolve));
        }
      } finally {
        ended += 1;
      }
    },
  };
  const schema = new GraphQLSchema({
    query: new GraphQLObjectType({ name: 'Query', fields: { none: { type: GraphQLString } } }),
    subscription: new GraphQLObjectType({ name: 'Subscription', fields: { flood } }),
  });
  const limits = { sendMs: 1_000, pingMs: 60_000, closeMs: 10_000 };

  async function serveFlood(
    work: (server: Served) => Promise<void>,
    fewer: Partial<typeof limits> = {},
  ): Promise<void> {
    made = 0;
    ended = 0;
    const server = await serveWorld(edge, edge.repositories, {
      logger: recording(),
      schema,
      limits: { ...limits, ...fewer },
    });
    try {
      await work(server);
    } finally {
      await server.close();
    }
  }

  /** As many as the kernel's buffers hold. */
  const mostMade = 400;

  /** The number of items made, once it has stopped growing for a while. */
  async function settled(): Promise<number> {
    let seen = -1;
    await expect
      .poll(
        () => {
          const same = seen === made && made > 0;
          seen = made;
          return same;
        },
        { interval: 300, timeout: 10_000 },
      )
      .toBe(true);
    return seen;
  }

  test('stops for a stalled event stream, which is cut after its deadline', async () => {
    await serveFlood(async (server) => {
      const socket = await stalledStream(server, { query: 'subscription { flood }' });
      const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
      expect(await settled()).toBeLessThan(mostMade);
      await expect.poll(() => ended, { timeout: 5_000 }).toBe(1);
      let received = '';
      socket.on('data', (chunk) => {
        received = (received + String(chunk)).slice(-200);
      });
      socket.resume();
      await closed;
      expect(received).not.toContain('event: complete');
    });
  });

  test('stops for a stalled socket, which is closed as a slow consumer', async () => {
    await serveFlood(async (server) => {
      const client = await connect(server.url, { token: edge.token.secret });
      client.subscribe('1', 'subscription { flood }');
      await client.message(({ id }) => id === '1');
      client.socket.pause();
      expect(await settled()).toBeLessThan(mostMade);
      const deadline = performance.now() + limits.sendMs;
      await expect.poll(() => performance.now() > deadline, { timeout: 5_000 }).toBe(true);
      // It reads on within the time that a closing may take, and so learns why.
      client.socket.resume();
      expect(await client.closed).toEqual({ code: 1013, reason: 'slow consumer' });
      await expect.poll(() => ended, { timeout: 5_000 }).toBe(1);
    });
  });

  test('gives a stalled socket up by force when it goes on not reading', async () => {
    await serveFlood(
      async (server) => {
        const client = await connect(server.url, { token: edge.token.secret });
        client.subscribe('1', 'subscription { flood }');
        await client.message(({ id }) => id === '1');
        client.socket.pause();
        await expect.poll(() => ended, { timeout: 10_000 }).toBe(1);
        client.socket.terminate();
      },
      { closeMs: 200 },
    );
  });
});
