// Every reason for a Gap, by every carrier: what can't be given is told before anything else, with where the missing begins
// and ends, and what follows is exactly what is still there.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createService } from '../../src/control/create-service.ts';
import { readCursor, writeCursor, writeLineCursor } from '../../src/control/cursors.ts';
import { newId } from '../../src/ids.ts';
import { change } from '../../src/postgres/change.ts';
import { pruneEvents } from '../../src/postgres/event-log.ts';
import { appendLines } from '../../src/postgres/job-lines.ts';
import { insertJobs } from '../../src/postgres/jobs.ts';
import { type Edge, openEdge } from './edge.ts';
import { bySocket, byStream, dataOf, type Item, kindsOf } from './items.ts';
import { globalId } from './watching.ts';

let edge: Edge;
beforeAll(async () => {
  edge = await openEdge();
});
afterAll(() => edge?.close());

const markers = `__typename
  ... on Event { cursor message }
  ... on CaughtUp { cursor }
  ... on Gap { cursor from to reason }`;
const watchAll = `subscription ($id: ID!, $after: Cursor) {
  it: environmentEvents(environmentId: $id, after: $after) { ${markers} } }`;
const watchOne = `subscription ($id: ID!, $after: Cursor) {
  it: redeployProgress(redeployId: $id, after: $after) { ${markers} } }`;
const readAll = `query ($id: ID!, $after: Cursor) {
  it: events(environmentId: $id, after: $after, first: 100) { hasNextPage items { ${markers} } } }`;

type Carrier = (id: string, after?: string) => Promise<Item[]>;

const ofEnvironment: Record<string, Carrier> = {
  'a subscription': (id, after) => bySocket(edge, watchAll, { id: globalId('Environment', id), after }),
  SSE: (id, after) => byStream(edge, watchAll, { id: globalId('Environment', id), after }),
  'a query': async (id, after) =>
    (await dataOf(edge, readAll, { id: globalId('Environment', id), after })).it.items,
};

const ofRedeploy: Record<string, Carrier> = {
  'a subscription': (id, after) => bySocket(edge, watchOne, { id: globalId('Redeploy', id), after }),
  SSE: (id, after) => byStream(edge, watchOne, { id: globalId('Redeploy', id), after }),
};

const forget = (keep: number) => pruneEvents(edge.control.store, keep, 0);

async function placeIn(environmentId: string, seq: number, more: object = {}): Promise<string> {
  const state = await edge.control.log.state(environmentId);
  return writeCursor({ environmentId, epoch: state?.epoch ?? '', seq, ...more });
}

const messages = (items: readonly Item[]) => items.flatMap(({ message }) => message ?? []);
const numbered = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, n) => `event ${from + n}`);

describe.each(Object.entries(ofEnvironment))('events of an environment by %s', (_name, read) => {
  test('past their retention are told, and the rest is given', async () => {
    const id = await edge.addEnvironment();
    const early = await placeIn(id, 1);
    await edge.addEvents(id, 30);
    await forget(5);
    const items = await read(id, early);
    expect(kindsOf(items)).toBe('Gap Item Item Item Item Item CaughtUp');
    expect(messages(items)).toEqual(numbered(25, 29));
    const [gap, first] = items;
    expect(gap).toMatchObject({ reason: 'RETENTION', from: early, to: gap?.cursor });
    expect(readCursor(gap?.cursor ?? '').seq).toBe(readCursor(first?.cursor ?? '').seq - 1);
    const again = await read(id, gap?.cursor);
    expect(again).toEqual(items.slice(1));
  });

  test('after a cursor right before the oldest kept are all given, without a Gap', async () => {
    const id = await edge.addEnvironment();
    await edge.addEvents(id, 30);
    await forget(5);
    const { firstSeq = 0 } = (await edge.control.log.state(id)) ?? {};
    expect(kindsOf(await read(id, await placeIn(id, firstSeq - 1)))).not.toContain('Gap');
    expect(kindsOf(await read(id, await placeIn(id, firstSeq - 2)))).toContain('Gap');
  });

  test.each(['OTHER_STREAM', 'LOG_RESTARTED'])(
    'after a cursor that is not of this log: %s',
    async (reason) => {
      const id = await edge.addEnvironment();
      await edge.addEvents(id, 3);
      const last = await placeIn(id, 1_000_000);
      const foreign: Record<string, string[]> = {
        OTHER_STREAM: [
          await placeIn(await edge.addEnvironment(), 1),
          await placeIn(id, 1, { environmentId: newId() }),
        ],
        LOG_RESTARTED: [await placeIn(id, 1, { epoch: 'another' }), last],
      };
      for (const after of foreign[reason] ?? []) {
        const items = await read(id, after);
        expect(items[0]).toMatchObject({ __typename: 'Gap', reason, from: after, to: items[0]?.cursor });
        expect(messages(items).slice(-3)).toEqual(numbered(0, 2));
        expect(items.at(-1)?.__typename).toBe('CaughtUp');
      }
    },
  );
});

/** A redeploy with so many events of its own between others, none of which is the last of the environment. */
async function redeployed(count: number): Promise<{ environmentId: string; redeployId: string }> {
  const environmentId = await edge.addEnvironment();
  await edge.addEvents(environmentId, 5);
  const input = { environmentId, type: 'CACHE', label: 'cache', runtime: 'REDIS' } as const;
  const { ids } = await createService(edge.control, edge.token.caller, input);
  if (!('redeployId' in ids)) throw new Error('a cache is deployed by its creation');
  const { redeployId } = ids;
  for (let number = 0; number < count; number++) {
    const data = { text: '', current: null, total: null };
    await change(edge.control, async ({ emit }) =>
      emit({ environmentId, redeployId, type: 'IMAGE_PROGRESS', data, message: `step ${number}` }),
    );
    await edge.addEvents(environmentId, 1);
  }
  return { environmentId, redeployId };
}

describe.each(Object.entries(ofRedeploy))('the progress of a redeploy by %s', (_name, read) => {
  test('begins with a Gap when its beginning is past its retention', async () => {
    const { redeployId } = await redeployed(10);
    await forget(6);
    const items = await read(redeployId);
    expect(kindsOf(items)).toBe('Gap Item Item Item CaughtUp');
    expect(items[0]).toMatchObject({ reason: 'RETENTION', from: null, to: items[0]?.cursor });
    expect(messages(items)).toEqual(['step 7', 'step 8', 'step 9']);
    expect(await read(redeployId, items[0]?.cursor)).toEqual(items.slice(1));
  });

  test('is a Gap and nothing more when all of it is', async () => {
    const { environmentId, redeployId } = await redeployed(2);
    await edge.addEvents(environmentId, 5);
    await forget(3);
    const items = await read(redeployId);
    expect(kindsOf(items)).toBe('Gap CaughtUp');
    expect(items[0]).toMatchObject({ reason: 'RETENTION', from: null });
  });

  test('is whole, without a Gap, when only what came before it is past its retention', async () => {
    const { redeployId } = await redeployed(3);
    await forget(7);
    const items = await read(redeployId);
    expect(kindsOf(items)).toBe('Item Item Item Item CaughtUp');
    expect(messages(items).slice(1)).toEqual(['step 0', 'step 1', 'step 2']);
  });

  test('after a cursor that is no good says why', async () => {
    const { environmentId, redeployId } = await redeployed(3);
    await forget(3);
    const cursors = {
      RETENTION: await placeIn(environmentId, 1),
      OTHER_STREAM: await placeIn(environmentId, 1, { environmentId: newId() }),
      LOG_RESTARTED: await placeIn(environmentId, 1, { epoch: 'another' }),
    };
    for (const [reason, after] of Object.entries(cursors)) {
      const items = await read(redeployId, after);
      expect(items[0]).toMatchObject({ __typename: 'Gap', reason, from: after });
      expect(items.at(-1)?.__typename).toBe('CaughtUp');
    }
  });
});

const lines =
  '__typename ... on LogLine { cursor message: text } ... on CaughtUp { cursor } ... on Gap { cursor from to reason }';
const watchLines = `subscription ($id: ID!, $in: ID!, $after: Cursor) {
  it: logs(environmentId: $in, filter: { jobId: $id }, after: $after) { ${lines} } }`;
const readLines = `query ($id: ID!, $after: Cursor) {
  it: node(id: $id) { ... on Job { logs(first: 100, after: $after) { items { ${lines} } } } } }`;

describe('lines of a job whose older ones were not kept', () => {
  let job: { id: string; in: string; jobId: string };
  beforeAll(async () => {
    const environmentId = await edge.addEnvironment();
    const input = { environmentId, type: 'CODE', label: 'web' } as const;
    const { ids } = await createService(edge.control, edge.token.caller, input);
    const jobId = newId();
    await edge.control.store.db.transaction(async (tx) => {
      const at = { environmentId, serviceId: ids.serviceId, type: 'DEPLOY' as const, image: '' };
      await insertJobs(tx, [{ ...at, id: jobId, state: 'FAILED', cleaned: true }]);
      const row = { jobId, stream: 'STDOUT' as const };
      await appendLines(
        tx,
        [2, 3, 4].map((seq) => ({ ...row, seq, timeNanos: BigInt(seq) * 1000n, text: `line ${seq}` })),
      );
    });
    job = { id: globalId('Job', jobId), in: globalId('Environment', environmentId), jobId };
  });

  test.each<[string, (after?: string) => Promise<Item[]>]>([
    ['a subscription', (after) => bySocket(edge, watchLines, { ...job, after })],
    ['SSE', (after) => byStream(edge, watchLines, { ...job, after })],
    ['a query', async (after) => (await dataOf(edge, readLines, { ...job, after })).it.logs.items],
  ])('by %s', async (_name, read) => {
    const items = (await read()).filter((item) => item.__typename !== 'CaughtUp');
    expect(kindsOf(items)).toBe('Gap Item Item Item');
    expect(items[0]).toMatchObject({ reason: 'LINES_CUT', from: null });
    expect(messages(items)).toEqual(['line 2', 'line 3', 'line 4']);
    const early = writeLineCursor({ jobId: job.jobId, timeNanos: 500n, ordinal: 1 });
    expect((await read(early))[0]).toMatchObject({ reason: 'LINES_CUT', from: early });
    const rest = (await read(items[2]?.cursor)).filter((item) => item.__typename !== 'CaughtUp');
    expect(rest).toEqual([items[3]]);
  });
});
