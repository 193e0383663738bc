// Last-Event-ID, by which SSE clients come back by themselves: they send their first document again, so the header goes
// before `after`. One that is no place is refused by a typed error, one of another place is told by a Gap; what is no log
// stream takes no notice.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createService } from '../../src/control/create-service.ts';
import { writeCursor, writeLineCursor } from '../../src/control/cursors.ts';
import { newId } from '../../src/ids.ts';
import { appendLines } from '../../src/postgres/job-lines.ts';
import { insertJobs } from '../../src/postgres/jobs.ts';
import { type Edge, openEdge, openStream, readEvents } from './edge.ts';
import { byStream, dataOf, type Item, kindsOf } from './items.ts';
import { globalId } from './watching.ts';

let edge: Edge;
let environmentId: string;
beforeAll(async () => {
  edge = await openEdge();
  environmentId = await edge.addEnvironment();
  await edge.addEvents(environmentId, 10);
});
afterAll(() => edge?.close());

const markers =
  '__typename ... on Event { cursor message } ... on CaughtUp { cursor } ... on Gap { cursor from reason }';
const watchAll = `subscription ($id: ID!, $after: Cursor) {
  it: environmentEvents(environmentId: $id, after: $after) { ${markers} } }`;

const watch = (after: string | undefined, lastEventId: string) =>
  byStream(
    edge,
    watchAll,
    { id: globalId('Environment', environmentId), after },
    { 'last-event-id': lastEventId },
  );

/** The place after the event of this number. */
async function placeAfter(number: number, more: object = {}): Promise<string> {
  const { epoch = '', lastSeq = 0 } = (await edge.control.log.state(environmentId)) ?? {};
  return writeCursor({ environmentId, epoch, seq: lastSeq - 9 + number, ...more });
}

const messages = (items: readonly Item[]) => items.flatMap(({ message }) => message ?? []);
const numbered = (from: number) => Array.from({ length: 10 - from }, (_, n) => `event ${from + n}`);

test('goes before `after`, whether it is further on, further back, or `after` is no good', async () => {
  const cases: [after: string | undefined, lastEventId: string, from: number][] = [
    [await placeAfter(2), await placeAfter(6), 7],
    [await placeAfter(6), await placeAfter(2), 3],
    ['no cursor', await placeAfter(8), 9],
    [undefined, await placeAfter(4), 5],
    [await placeAfter(9), await placeAfter(-1), 0],
  ];
  for (const [after, lastEventId, from] of cases) {
    const items = await watch(after, lastEventId);
    expect(messages(items)).toEqual(numbered(from));
    expect(kindsOf(items)).not.toContain('Gap');
  }
});

test('an empty one, as of a client that has received nothing yet, leaves `after` as it is', async () => {
  expect(messages(await watch(await placeAfter(6), ''))).toEqual(numbered(7));
});

test.each(['OTHER_STREAM', 'LOG_RESTARTED'])('of another place it is told by a Gap: %s', async (reason) => {
  const good = await placeAfter(6);
  const wrong = {
    OTHER_STREAM: await placeAfter(6, { environmentId: newId() }),
    LOG_RESTARTED: await placeAfter(6, { epoch: 'another' }),
  }[reason];
  const items = await watch(good, wrong ?? '');
  expect(items[0]).toMatchObject({ __typename: 'Gap', reason, from: wrong });
  expect(messages(items).slice(-10)).toEqual(numbered(0));
});

/** What a stream says before anything else, and whether it completes. */
async function refusal(query: string, variables: object, lastEventId: string) {
  const headers = { 'last-event-id': lastEventId };
  const response = await openStream(edge, query, { token: edge.token.secret, variables, headers });
  const seen = [];
  for await (const event of readEvents(response)) {
    seen.push(event);
    // Not refused: it would go on for ever.
    if (seen.length === 1 && !event.data.includes('"errors"')) break;
  }
  const { data, errors } = JSON.parse(seen[0]?.data ?? '{}');
  expect(seen.map(({ event }) => event)).toEqual(['next', 'complete']);
  return { status: response.status, id: seen[0]?.id, data, error: errors?.[0] };
}

const encoded = (text: string) => Buffer.from(text).toString('base64url');
const junk: readonly string[] = [
  ...['x', '0', '-1', 'null', 'undefined', '%00', 'a b c', '"', '<script>', 'x'.repeat(4_000)],
  ...[encoded('e'), encoded('e a b'), encoded('e a b -1'), encoded('e a b 1.5'), encoded('e a b NaN')],
  ...[encoded('e a b 1e400'), encoded('e  b 1'), encoded('x a b 1'), encoded(`e a b ${'9'.repeat(30)}`)],
  writeLineCursor({ jobId: newId(), timeNanos: 1n, ordinal: 1 }),
];

describe('one that is no place', () => {
  test.each(junk)('is refused, whatever `after` says: %s', async (lastEventId) => {
    const variables = { id: globalId('Environment', environmentId), after: await placeAfter(6) };
    const { status, id, data, error } = await refusal(watchAll, variables, lastEventId);
    expect({ status, id, data: data?.it ?? null }).toEqual({ status: 200, id: undefined, data: null });
    expect(error.extensions).toEqual({ code: 'INVALID', path: ['after'] });
    expect(error.message).toContain('is no cursor of an event stream');
  });

  test('is two at once', async () => {
    const twice = `${await placeAfter(1)}, ${await placeAfter(1)}`;
    const variables = { id: globalId('Environment', environmentId) };
    expect((await refusal(watchAll, variables, twice)).error.extensions.code).toBe('INVALID');
  });
});

describe('of lines of a job', () => {
  const watchLines = `subscription ($id: ID!, $after: Cursor) { it: buildLog(jobId: $id, after: $after) {
    __typename ... on LogLine { cursor message: text } ... on CaughtUp { cursor } } }`;
  let jobId: string;
  beforeAll(async () => {
    const input = { environmentId: await edge.addEnvironment(), type: 'CODE', label: 'web' } as const;
    const { ids } = await createService(edge.control, edge.token.caller, input);
    jobId = newId();
    await edge.control.store.db.transaction(async (tx) => {
      const at = { ...ids, environmentId: input.environmentId, type: 'BUILD' as const, image: '' };
      await insertJobs(tx, [{ ...at, id: jobId, state: 'FINISHED', cleaned: true }]);
      const row = { jobId, stream: 'STDOUT' as const };
      await appendLines(
        tx,
        [1, 2, 3].map((seq) => ({ ...row, seq, timeNanos: BigInt(seq), text: `line ${seq}` })),
      );
    });
  });
  const place = (line: number, of = jobId) =>
    writeLineCursor({ jobId: of, timeNanos: BigInt(line), ordinal: 1 });

  test('it goes before `after` as well', async () => {
    const variables = { id: globalId('Job', jobId), after: place(3) };
    const items = await byStream(edge, watchLines, variables, { 'last-event-id': place(1) });
    expect(messages(items)).toEqual(['line 2', 'line 3']);
  });

  test('one of another job, of events, or of nothing is refused', async () => {
    const variables = { id: globalId('Job', jobId), after: place(1) };
    for (const wrong of [place(1, newId()), await placeAfter(1), 'x']) {
      const { error } = await refusal(watchLines, variables, wrong);
      expect([wrong, error.extensions]).toEqual([wrong, { code: 'INVALID', path: ['after'] }]);
    }
  });
});

test('what is no log stream takes no notice of it', async () => {
  const id = globalId('Environment', environmentId);
  const lastEventId = 'no place';
  const after = await placeAfter(6);
  const page = `query ($id: ID!, $after: Cursor) { it: events(environmentId: $id, after: $after, first: 1) { items { ${markers} } } }`;
  const read = await dataOf(edge, page, { id, after }, { 'last-event-id': lastEventId });
  expect(messages(read.it.items)).toEqual(numbered(7).slice(0, 1));
  const state = 'subscription ($id: ID!) { it: environment(id: $id) { id } }';
  const headers = { 'last-event-id': lastEventId };
  const events = readEvents(
    await openStream(edge, state, { token: edge.token.secret, variables: { id }, headers }),
  );
  const { value } = await events.next();
  expect(JSON.parse(value?.data ?? '{}')).toEqual({ data: { it: { id } } });
  await events.return(undefined);
});
