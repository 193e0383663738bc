// A stream on which nothing is to be told says in time that it lives: one that is silent, one whose filter lets nothing of
// all that happens through, and one of a redeploy beside which other things happen. The cursor it gives then is a place like
// any other: past what was passed over, and whoever resumes there misses nothing and gets nothing twice.
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { createService } from '../../src/control/create-service.ts';
import { heartbeatMs } from '../../src/control/numbered-stream.ts';
import { change } from '../../src/postgres/change.ts';
import { connect, type Edge, openEdge } from '../http/edge.ts';
import { globalId } from '../http/watching.ts';
import { type Item, ofAnswer, watch } from './carriers.ts';

const fields = `__typename ... on Event { cursor message } ... on CaughtUp { cursor }
  ... on Heartbeat { cursor } ... on Gap { cursor reason }`;
const filtered = `subscription ($environmentId: ID!, $after: Cursor) {
  environmentEvents(environmentId: $environmentId, after: $after, types: [CODE_PUSHED]) { ${fields} }
}`;
const whole = `subscription ($environmentId: ID!, $after: Cursor) {
  environmentEvents(environmentId: $environmentId, after: $after) { ${fields} }
}`;
const ofRedeploy = `subscription ($redeployId: ID!, $after: Cursor) {
  redeployProgress(redeployId: $redeployId, after: $after) { ${fields} }
}`;

const bound = { timeout: heartbeatMs + 15_000, interval: 100 };
let edge: Edge;

beforeAll(async () => {
  edge = await openEdge();
});
afterAll(() => edge?.close());

interface Watching {
  readonly items: readonly Item[];
  leave(): void;
}

const overEvents = (query: string, variables: object): Promise<Watching> => watch(edge, query, variables);

async function overSocket(query: string, variables: object): Promise<Watching> {
  const client = await connect(edge.server.url, { token: edge.token.secret });
  client.subscribe('1', query, variables);
  return {
    get items() {
      return client.messages.filter(({ type }) => type === 'next').map(({ payload }) => ofAnswer(payload));
    },
    leave: () => client.socket.terminate(),
  };
}

async function push(environmentId: string, message: string): Promise<void> {
  const data = { commit: 'c0ffee'.padEnd(40, '0'), subject: message };
  await change(edge.control, async ({ emit }) => emit({ environmentId, type: 'CODE_PUSHED', data, message }));
}

/** Something that concerns nobody, every moment until it is told to stop. */
function chatter(environmentId: string): { stop(): Promise<number> } {
  let over = false;
  let count = 0;
  const talking = (async () => {
    while (!over) {
      await edge.addEvents(environmentId, 1);
      count += 1;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return count;
  })();
  return {
    stop: () => {
      over = true;
      return talking;
    },
  };
}

const ofType = (items: readonly Item[], name: string) =>
  items.filter(({ __typename }) => __typename === name);
const messages = (items: readonly Item[]) => items.flatMap(({ message }) => (message ? [message] : []));
const until = (fact: () => void) => vi.waitFor(fact, bound);
const caughtUp = (watching: Watching) =>
  until(() => expect(ofType(watching.items, 'CaughtUp').length).toBe(1));
const told = (watching: Watching, wanted: readonly string[]) =>
  until(() => expect(messages(watching.items)).toEqual(wanted));

async function heartbeat(watching: Watching): Promise<{ cursor: string; afterMs: number }> {
  const startedAt = performance.now();
  await until(() => expect(ofType(watching.items, 'Heartbeat').length).toBeGreaterThan(0));
  const cursor = ofType(watching.items, 'Heartbeat').at(-1)?.cursor ?? '';
  return { cursor, afterMs: performance.now() - startedAt };
}

/** What a stream without filter gives after a cursor, up to the present. */
async function eventsAfter(environmentId: string, after: string): Promise<string[]> {
  const watching = await overEvents(whole, { environmentId: globalId('Environment', environmentId), after });
  await caughtUp(watching);
  watching.leave();
  return messages(watching.items);
}

/** Over both carriers at once, because a heartbeat takes its time. */
async function overBoth(story: (open: typeof overEvents) => Promise<void>): Promise<void> {
  await Promise.all([overEvents, overSocket].map(story));
}

test.concurrent(
  'a silent stream beats, and its place is the one where it was',
  () =>
    overBoth(async (open) => {
      const environmentId = await edge.addEnvironment();
      const variables = { environmentId: globalId('Environment', environmentId) };
      const watching = await open(whole, variables);
      await caughtUp(watching);
      const { cursor } = await heartbeat(watching);
      expect(cursor).toBe(ofType(watching.items, 'CaughtUp')[0]?.cursor);
      await edge.addEvents(environmentId, 2);
      await told(watching, ['event 0', 'event 1']);
      expect(await eventsAfter(environmentId, cursor)).toEqual(['event 0', 'event 1']);
      watching.leave();
    }),
  90_000,
);

test.concurrent(
  'a filtered stream beats though other things happen all the time, past all of them',
  () =>
    overBoth(async (open) => {
      const environmentId = await edge.addEnvironment();
      const variables = { environmentId: globalId('Environment', environmentId) };
      const watching = await open(filtered, variables);
      await caughtUp(watching);
      const began = ofType(watching.items, 'CaughtUp')[0]?.cursor ?? '';
      const talk = chatter(environmentId);
      const { cursor, afterMs } = await heartbeat(watching);
      expect(afterMs).toBeLessThan(heartbeatMs + 2_000);
      await talk.stop();
      const all = await eventsAfter(environmentId, began);
      const left = await eventsAfter(environmentId, cursor);
      // Nearly all of it was passed over, and what is left is the log's very end.
      expect(left.length).toBeLessThan(all.length / 4);
      expect(all.slice(all.length - left.length)).toEqual(left);
      await push(environmentId, 'first push');
      await edge.addEvents(environmentId, 3);
      await push(environmentId, 'second push');
      await told(watching, ['first push', 'second push']);
      watching.leave();
      const resumed = await open(filtered, { ...variables, after: cursor });
      await caughtUp(resumed);
      expect(messages(resumed.items)).toEqual(['first push', 'second push']);
      expect(ofType(resumed.items, 'Gap')).toEqual([]);
      resumed.leave();
    }),
  90_000,
);

test.concurrent(
  "a redeploy's stream beats while other things happen, past all of them",
  () =>
    overBoth(async (open) => {
      const environmentId = await edge.addEnvironment();
      const cache = { environmentId, type: 'CACHE' as const, label: 'cache', runtime: 'REDIS' as const };
      const { ids } = await createService(edge.control, edge.token.caller, cache);
      if (!('redeployId' in ids)) throw new Error('a cache is deployed at its creation');
      const { redeployId, serviceId } = ids;
      const variables = { redeployId: globalId('Redeploy', redeployId) };
      const watching = await open(ofRedeploy, variables);
      await caughtUp(watching);
      const before = messages(watching.items);
      const talk = chatter(environmentId);
      const { cursor } = await heartbeat(watching);
      const count = await talk.stop();
      expect((await eventsAfter(environmentId, cursor)).length).toBeLessThan(count / 4);
      const data = { text: 'part', current: null, total: null };
      const event = { environmentId, serviceId, redeployId, type: 'IMAGE_PROGRESS' as const, data };
      await change(edge.control, async ({ emit }) => emit({ ...event, message: 'part' }));
      await told(watching, [...before, 'part']);
      watching.leave();
      const resumed = await open(ofRedeploy, { ...variables, after: cursor });
      await caughtUp(resumed);
      expect(messages(resumed.items)).toEqual(['part']);
      resumed.leave();
    }),
  90_000,
);
