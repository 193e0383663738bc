// Server-sent events: the same items as everywhere, resumable by Last-Event-ID, ended and tidied up as told.
import { GraphQLObjectType, GraphQLSchema, GraphQLString } from 'graphql';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import {
  type Edge,
  openEdge,
  openStream,
  readEvents,
  recording,
  type ServerEvent,
  serveWorld,
} from './edge.ts';
import { globalId, itemOf, watchEvents, watching } from './watching.ts';

let edge: Edge;
beforeAll(async () => {
  edge = await openEdge();
});
afterAll(() => edge?.close());

/** Events until one fits, with it. */
async function until(
  events: AsyncGenerator<ServerEvent>,
  fits: (event: ServerEvent) => boolean,
): Promise<ServerEvent[]> {
  const seen: ServerEvent[] = [];
  for (;;) {
    const { value, done } = await events.next();
    if (done === true) throw new Error(`ended after ${JSON.stringify(seen)}`);
    seen.push(value);
    if (fits(value)) return seen;
  }
}

const item = ({ data }: ServerEvent) => itemOf(data === '' ? undefined : JSON.parse(data));

function watch(environmentId: string, options: { after?: string; lastEventId?: string } = {}) {
  const { after, lastEventId } = options;
  return openStream(edge, watchEvents, {
    token: edge.token.secret,
    variables: watching(environmentId, after),
    ...(lastEventId === undefined ? {} : { headers: { 'last-event-id': lastEventId } }),
  });
}

test('a quiet stream of whatever kind tells that it lives', async () => {
  const environmentId = await edge.addEnvironment();
  const server = await serveWorld(edge, edge.repositories, { logger: recording(), limits: { pingMs: 50 } });
  const document = 'subscription ($id: ID!) { environment(id: $id) { name } }';
  const leaving = new AbortController();
  const alive = /^(:\n\n)*event: next\n.*\n\n(:\n\n){3,}$/;
  try {
    const variables = { id: globalId('Environment', environmentId) };
    const options = { token: edge.token.secret, variables, signal: leaving.signal };
    const response = await openStream({ server }, document, options);
    let text = '';
    for await (const chunk of response.body ?? []) {
      text += new TextDecoder().decode(chunk);
      if (alive.test(text)) break;
    }
    expect(text).toMatch(alive);
  } finally {
    leaving.abort();
    await server.close();
  }
});

describe('a log stream', () => {
  test('gives each item with its cursor as id, and after Last-Event-ID exactly what follows', async () => {
    const environmentId = await edge.addEnvironment();
    const response = await watch(environmentId);
    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    expect(response.headers.get('cache-control')).toBe('no-store');
    const events = readEvents(response);
    await until(events, (event) => item(event)?.__typename === 'CaughtUp');
    await edge.addEvents(environmentId, 10);
    const seen = await until(events, (event) => item(event)?.message === 'event 9');
    expect(seen.map((event) => item(event)?.message)).toEqual(
      Array.from({ length: 10 }, (_, number) => `event ${number}`),
    );
    for (const event of seen) {
      expect(event.event).toBe('next');
      expect(event.id).toBe(item(event)?.cursor);
    }
    await events.return(undefined);
    const lastEventId = seen[4]?.id ?? '';
    const resumed = readEvents(await watch(environmentId, { lastEventId }));
    const rest = await until(resumed, (event) => item(event)?.__typename === 'CaughtUp');
    expect(rest.map((event) => item(event)?.message)).toEqual([
      ...['event 5', 'event 6', 'event 7', 'event 8', 'event 9'],
      undefined,
    ]);
    await resumed.return(undefined);
  });

  test('completes when its subject has ended', async () => {
    const server = await serveWorld(edge, edge.repositories, { logger: recording(), schema: counting() });
    try {
      const response = await openStream({ server }, 'subscription { count }');
      const seen: ServerEvent[] = [];
      for await (const event of readEvents(response)) seen.push(event);
      expect(seen.map(({ event }) => event)).toEqual(['next', 'next', 'next', 'complete']);
    } finally {
      await server.close();
    }
  });

  test('that fails on the way tells a masked error and completes', async () => {
    const server = await serveWorld(edge, edge.repositories, { logger: recording(), schema: failing() });
    try {
      const seen: ServerEvent[] = [];
      const response = await openStream({ server }, 'subscription { count }');
      for await (const event of readEvents(response)) seen.push(event);
      expect(seen.map(({ event }) => event)).toEqual(['next', 'next', 'complete']);
      expect(seen[1]?.data).toContain('Something failed on our side');
      expect(seen[1]?.data).not.toMatch(/hunter2|unexpected/);
    } finally {
      await server.close();
    }
  });
});

test('errors before the first item come as an item', async () => {
  const refused = readEvents(await openStream(edge, watchEvents, { variables: watching('x') }));
  const [first, last] = await until(refused, ({ event }) => event === 'complete');
  expect(JSON.parse(first?.data ?? '').errors[0].extensions.code).toBe('UNAUTHENTICATED');
  expect(last?.event).toBe('complete');
  const wrong = readEvents(await openStream(edge, 'subscription { nothing }'));
  const [unknown] = await until(wrong, ({ event }) => event === 'complete');
  expect(JSON.parse(unknown?.data ?? '').errors[0].extensions).toEqual({ code: 'GRAPHQL_VALIDATION_FAILED' });
});

test('a query may be answered as a stream of one', async () => {
  const events = readEvents(await openStream(edge, '{ __typename }'));
  const seen = await until(events, ({ event }) => event === 'complete');
  expect(seen.map(({ event }) => event)).toEqual(['next', 'complete']);
  expect(JSON.parse(seen[0]?.data ?? '')).toMatchObject({ data: { __typename: 'Query' } });
});

test('the source is given back when the client leaves, also while it waits', async () => {
  const returned = vi.fn();
  const server = await serveWorld(edge, edge.repositories, {
    logger: recording(),
    schema: waiting(returned),
  });
  try {
    const leaving = new AbortController();
    const response = await openStream({ server }, 'subscription { count }', { signal: leaving.signal });
    const events = readEvents(response);
    await events.next();
    leaving.abort();
    await events.next().catch(() => {});
    await expect.poll(() => returned.mock.calls.length, { timeout: 2_000 }).toBe(1);
  } finally {
    await server.close();
  }
});

test('a closing server ends streams unfinished and in time, so that clients come back', async () => {
  const server = await serveWorld(edge, edge.repositories, { logger: recording() });
  const environmentId = await edge.addEnvironment();
  const options = { token: edge.token.secret, variables: watching(environmentId) };
  const events = readEvents(await openStream({ server }, watchEvents, options));
  await until(events, (event) => item(event)?.__typename === 'CaughtUp');
  const started = performance.now();
  await server.close();
  expect(performance.now() - started).toBeLessThan(2_000);
  expect(await events.next()).toEqual({ value: undefined, done: true });
});

const query = new GraphQLObjectType({ name: 'Query', fields: { none: { type: GraphQLString } } });

function subscribing(subscribe: (context: { signal: AbortSignal }) => AsyncGenerator<string>): GraphQLSchema {
  const count = {
    type: GraphQLString,
    subscribe: (_root: unknown, _args: unknown, context: { signal: AbortSignal }) => subscribe(context),
    resolve: (value: string) => value,
  };
  const subscription = new GraphQLObjectType({ name: 'Subscription', fields: { count } });
  return new GraphQLSchema({ query, subscription });
}

const counting = () =>
  subscribing(async function* () {
    yield* ['1', '2', '3'];
  });

const failing = () =>
  subscribing(async function* () {
    yield '1';
    throw new Error('hunter2');
  });

/** A source that waits for its signal, and tells when it was tidied up. */
const waiting = (returned: () => void) =>
  subscribing(async function* ({ signal }) {
    try {
      yield '1';
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
    } finally {
      returned();
    }
  });
