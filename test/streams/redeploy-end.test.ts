// The stream of a redeploy that has ended gives its last event before it completes, from wherever it is taken up: also in
// the moment of the end, when the process's window of the log lags behind the table, and later, when it holds it no more.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createService } from '../../src/control/create-service.ts';
import { change } from '../../src/postgres/change.ts';
import { openEventLog } from '../../src/postgres/event-log.ts';
import type { Nudges } from '../../src/postgres/nudges.ts';
import { endOpenRedeploy } from '../../src/postgres/redeploys.ts';
import { ask, type Edge, openEdge, recording, serveWorld } from '../http/edge.ts';
import { globalId } from '../http/watching.ts';
import { carriers, type Door, type Item, watch } from './carriers.ts';

const progress = `subscription ($redeployId: ID!, $after: Cursor) {
  redeployProgress(redeployId: $redeployId, after: $after) {
    __typename ... on Event { cursor message } ... on CaughtUp { cursor } ... on Gap { cursor reason }
  }
}`;
const everything = `subscription ($environmentId: ID!, $after: Cursor) {
  environmentEvents(environmentId: $environmentId, after: $after) {
    __typename ... on Event { cursor message } ... on CaughtUp { cursor }
  }
}`;

const bound = { timeout: 10_000 };

let edge: Edge;
let door: Door & { tell(): void };
let closeDoor: () => Promise<void>;

beforeAll(async () => {
  edge = await openEdge();
  const nudges = handTurned();
  const log = openEventLog(edge.control.store, nudges);
  // Its slow poll ends, its reads go on: the window moves when the test says so.
  log.close();
  const control = { ...edge.control, log };
  const server = await serveWorld({ control }, edge.repositories, { logger: recording() });
  door = { server, token: edge.token, tell: () => nudges.tell() };
  closeDoor = () => server.close();
});
afterAll(async () => {
  await closeDoor?.();
  await edge?.close();
});

function handTurned(): Nudges & { tell(): void } {
  const heard = new Set<(topic: string | undefined) => void>();
  return {
    listen: (listener) => {
      heard.add(listener);
      return () => {};
    },
    send: () => {},
    close: async () => {},
    tell: () => {
      for (const listener of heard) listener(undefined);
    },
  };
}

interface Redeploy {
  readonly environmentId: string;
  readonly redeployId: string;
  /** Tells of so many things that happen in it, with something else of the environment between each two. */
  happen(count: number): Promise<void>;
  end(): Promise<void>;
}

async function newRedeploy(): Promise<Redeploy> {
  const environmentId = await edge.addEnvironment();
  const cache = { environmentId, type: 'CACHE' as const, label: 'cache', runtime: 'REDIS' as const };
  const { ids } = await createService(edge.control, edge.token.caller, cache);
  if (!('redeployId' in ids)) throw new Error('a cache is deployed at its creation');
  const { redeployId, serviceId } = ids;
  const at = { environmentId, serviceId, redeployId };
  return {
    environmentId,
    redeployId,
    happen: async (count) => {
      for (let number = 0; number < count; number += 1) {
        const data = { text: `${number}`, current: null, total: null };
        await change(edge.control, async ({ emit }) =>
          emit({ ...at, type: 'IMAGE_PROGRESS', data, message: `part ${number}` }),
        );
        await edge.addEvents(environmentId, 1);
      }
    },
    end: async () => {
      await change(edge.control, (current) => endOpenRedeploy(current, serviceId, 'CANCELED', 'The end.'));
    },
  };
}

/** Every place there is in the environment's log, with what of the redeploy follows it. */
async function places({ environmentId }: Redeploy): Promise<{ after: string; follows: string[] }[]> {
  const query = `query ($id: ID!) { events(environmentId: $id, first: 100) { items {
    ... on Event { cursor message redeploy { id } } } } }`;
  const variables = { id: globalId('Environment', environmentId) };
  const { body } = await ask(edge, query, { token: edge.token.secret, variables });
  const { items } = (body.data as { events: { items: (Item & { redeploy?: object | null })[] } }).events;
  const events = items.filter(({ message }) => message !== undefined);
  return events.map(({ cursor }, index) => ({
    after: cursor,
    follows: events.slice(index + 1).flatMap(({ redeploy, message }) => (redeploy ? [message ?? ''] : [])),
  }));
}

const said = (items: readonly Item[]) => items.flatMap(({ message }) => (message ? [message] : []));

async function follow({ environmentId }: Redeploy, fits: (item: Item) => boolean) {
  const watching = await watch(door, everything, { environmentId: globalId('Environment', environmentId) });
  await expect.poll(() => watching.items.at(-1)?.__typename, bound).toBe('CaughtUp');
  return { ...watching, seen: () => expect.poll(() => watching.items.some(fits), bound).toBe(true) };
}

describe.each(carriers)('over %s', (_name, collect) => {
  async function expectWhole(redeploy: Redeploy, where: typeof door): Promise<void> {
    const variables = { redeployId: globalId('Redeploy', redeploy.redeployId) };
    const all = await places(redeploy);
    expect(all.length).toBeGreaterThan(8);
    expect(said(await collect(where, progress, variables)).at(-1)).toBe('The end.');
    for (const { after, follows } of all) {
      const items = await collect(where, progress, variables, after);
      expect({ after, said: said(items) }).toEqual({ after, said: follows });
      expect(items.some(({ __typename }) => __typename === 'Gap')).toBe(false);
    }
  }

  test('a redeploy that has ended a moment ago is told to its last event from every place, though the window lags', async () => {
    const redeploy = await newRedeploy();
    const watching = await follow(redeploy, ({ message }) => message === 'part 2');
    await redeploy.happen(3);
    door.tell();
    await watching.seen();
    await redeploy.end();
    await expectWhole(redeploy, door);
    expect(said(watching.items)).not.toContain('The end.');
    watching.leave();
  });

  test('a redeploy that the window no longer holds is told to its last event from every place', async () => {
    const redeploy = await newRedeploy();
    await redeploy.happen(3);
    await redeploy.end();
    const watching = await follow(redeploy, ({ message }) => message === 'event 1099');
    await edge.addEvents(redeploy.environmentId, 1_100);
    door.tell();
    await watching.seen();
    const variables = { redeployId: globalId('Redeploy', redeploy.redeployId) };
    for (const { after, follows } of (await places(redeploy)).slice(0, 10))
      expect(said(await collect(door, progress, variables, after))).toEqual(follows);
    expect(said(await collect(door, progress, variables)).at(-1)).toBe('The end.');
    watching.leave();
  });

  test('whoever comes in the very moment of the end is told of it', async () => {
    for (let round = 0; round < 8; round += 1) {
      const redeploy = await newRedeploy();
      const watching = await watch(edge, everything, {
        environmentId: globalId('Environment', redeploy.environmentId),
      });
      await redeploy.happen(1);
      const variables = { redeployId: globalId('Redeploy', redeploy.redeployId) };
      const early = Array.from({ length: 3 }, () => collect(edge, progress, variables));
      await redeploy.end();
      const late = Array.from({ length: 3 }, () => collect(edge, progress, variables));
      for (const items of await Promise.all([...early, ...late]))
        expect(said(items).slice(-2)).toEqual(['part 0', 'The end.']);
      watching.leave();
    }
  });
});
