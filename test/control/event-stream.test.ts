// Events that are removed while somebody reads them: a reader that is slow, and one that reads at the very moment, are told
// of what they miss as well as those that come too late.
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Control } from '../../src/control/control.ts';
import { createService } from '../../src/control/create-service.ts';
import { readCursor } from '../../src/control/cursors.ts';
import {
  type EventItem,
  readEvents,
  redeploySelection,
  streamEvents,
} from '../../src/control/event-stream.ts';
import { pruneEvents } from '../../src/postgres/event-log.ts';
import { type ControlWorld, openControl } from '../support/control.ts';

let world: ControlWorld;
beforeAll(async () => {
  world = await openControl();
});
afterAll(() => world.close());

const forget = (keep: number) => pruneEvents(world.control.store, keep, 0);
const seqOf = ({ cursor }: Pick<EventItem, 'cursor'>) => readCursor(cursor).seq;
const ended = async () => false;

/** Whose log loses events right after somebody has looked at its state. */
function losing(keep: number): Control {
  const { log } = world.control;
  const state: typeof log.state = async (id) => {
    const seen = await log.state(id);
    await forget(keep);
    return seen;
  };
  return { ...world.control, log: { ...log, state } };
}

/** Each event is one past what was given or told to be missing before it. */
function expectNoSilentHole(items: readonly EventItem[], after: number): void {
  let place = after;
  for (const item of items) {
    if (item.kind === 'GAP') expect(item.from === null ? after : readCursor(item.from).seq).toBe(place);
    if (item.kind === 'ITEM') expect(seqOf(item)).toBe(place + 1);
    place = seqOf(item);
  }
}

async function untilCaughtUp(
  stream: AsyncGenerator<EventItem>,
  items: EventItem[] = [],
): Promise<EventItem[]> {
  for await (const item of stream) {
    items.push(item);
    if (item.kind === 'CAUGHT_UP') break;
  }
  return items;
}

test('a stream whose reader is slower than the retention goes on behind a Gap', async () => {
  const environmentId = await world.addEnvironment();
  // More than a window holds, so that what is behind is read from the table.
  await world.addEvents(environmentId, 1_500);
  const { signal } = new AbortController();
  const selection = { environmentId, begin: 'FIRST' as const, ended };
  const stream = streamEvents(world.control, selection, signal);
  const first = await stream.next();
  await forget(50);
  const items = await untilCaughtUp(stream, first.value ? [first.value] : []);
  expectNoSilentHole(items, 0);
  const gaps = items.flatMap((item) => (item.kind === 'GAP' ? [item.reason] : []));
  expect(gaps).toEqual(['RETENTION']);
  expect(items.filter(({ kind }) => kind === 'ITEM').length).toBeLessThan(1_500);
});

test('a page read in the moment of the removal tells of it', async () => {
  const environmentId = await world.addEnvironment();
  await world.addEvents(environmentId, 100);
  const selection = { environmentId, begin: 'FIRST' as const, ended };
  const { items, endCursor } = await readEvents(losing(40), selection, 100);
  expect(items[0]).toMatchObject({ kind: 'GAP', reason: 'RETENTION' });
  expectNoSilentHole(items, 0);
  expect(items.filter(({ kind }) => kind === 'ITEM').length).toBe(40);
  expect(endCursor).toBe(items.at(-1)?.cursor);
});

test('the progress of a redeploy that loses its beginning in the moment it is read begins with a Gap', async () => {
  const environmentId = await world.addEnvironment();
  const { caller } = world.token;
  const input = { environmentId, type: 'CACHE', label: 'cache', runtime: 'REDIS' } as const;
  const { ids } = await createService(world.control, caller, input);
  await world.addEvents(environmentId, 10);
  const subject = await redeploySelection(world.control, caller, 'redeployId' in ids ? ids.redeployId : '');
  const { signal } = new AbortController();
  const items = await untilCaughtUp(streamEvents(losing(5), { ...subject, begin: 'FIRST' }, signal));
  expect(items.map(({ kind }) => kind)).toEqual(['GAP', 'CAUGHT_UP']);
});
