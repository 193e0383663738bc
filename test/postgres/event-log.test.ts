// The event log under many writers: no hole, no repeat, and a reader that follows gets everything in order, also when
// nobody tells it that there is something.
import { afterEach, expect, test, vi } from 'vitest';
import type { Control } from '../../src/control/control.ts';
import { writeCursor } from '../../src/control/cursors.ts';
import { type EventItem, readEvents, streamEvents } from '../../src/control/event-stream.ts';
import { newId } from '../../src/ids.ts';
import { change } from '../../src/postgres/change.ts';
import { openEventLog, pruneEvents } from '../../src/postgres/event-log.ts';
import type { Nudges } from '../../src/postgres/nudges.ts';
import { openStore } from '../../src/postgres/open.ts';
import { type ControlWorld, openControl } from '../support/control.ts';

const closers: (() => Promise<unknown> | unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function open(): Promise<ControlWorld> {
  const world = await openControl();
  closers.push(world.close);
  return world;
}

function event(environmentId: string, message: string) {
  return { environmentId, type: 'ENVIRONMENT_RENAMED' as const, data: { name: message }, message };
}

/** Twenty at once, each some transactions of one to three events, over one or several environments, some given up. */
async function writeAtOnce(control: Control, environmentIds: readonly string[], each: number): Promise<void> {
  const writer = async (number: number) => {
    for (let turn = 0; turn < each; turn++) {
      const work = change(control, async ({ emit, tx }) => {
        for (let count = 0; count <= turn % 3; count++)
          for (const id of turn % 2 === 0
            ? environmentIds
            : environmentIds.slice(number % environmentIds.length, (number % environmentIds.length) + 1))
            emit(event(id, `${number} ${turn} ${count}`));
        if ((number + turn) % 7 === 0) {
          await tx.execute('select 1');
          throw new Error('given up');
        }
      });
      await work.catch((error: Error) => expect(error.message).toBe('given up'));
    }
  };
  await Promise.all(Array.from({ length: 20 }, (_, number) => writer(number)));
}

async function sequence({ store }: Control, environmentId: string): Promise<number[]> {
  const rows = await store.raw`select seq from events where environment_id = ${environmentId} order by seq`;
  return rows.map((row) => Number(row.seq));
}

const upTo = (last: number) => Array.from({ length: last }, (_, index) => index + 1);

/** Collects by following, until the log has been quiet at `last`. */
async function follow(control: Control, environmentId: string, until: () => number | undefined) {
  const seen: number[] = [];
  const following = control.log.follow(environmentId);
  const over = new AbortController();
  try {
    for (;;) {
      const events = await control.log.read(environmentId, seen.at(-1) ?? 0, 7);
      seen.push(...events.map(({ seq }) => seq));
      const last = until();
      if (last !== undefined && (seen.at(-1) ?? 0) >= last) return seen;
      if (events.length === 0) await following.wait(seen.at(-1) ?? 0, 100, over.signal);
    }
  } finally {
    following.release();
  }
}

test('twenty writers over one and several environments leave no hole, and readers get all in order meanwhile', async () => {
  const { control, addEnvironment, openReplica } = await open();
  const ids = [await addEnvironment('One'), await addEnvironment('Two'), await addEnvironment('Three')];
  const other = await openReplica();
  closers.push(other.close);
  const lasts = new Map<string, number>();
  const readers = [control, other.control].flatMap((from) =>
    ids.map((id) => follow(from, id, () => lasts.get(id))),
  );
  await Promise.all([writeAtOnce(control, ids, 12), writeAtOnce(other.control, ids.toReversed(), 12)]);
  for (const id of ids) lasts.set(id, (await control.log.state(id))?.lastSeq ?? 0);
  const read = await Promise.all(readers);
  for (const [index, id] of [...ids, ...ids].entries()) {
    expect(lasts.get(id)).toBeGreaterThan(300);
    expect(read[index]).toEqual(upTo(lasts.get(id) ?? 0));
    expect(await sequence(control, id)).toEqual(read[index]);
  }
});

/** When an event that another replica writes is seen here, in milliseconds from its commit. */
async function delayOf(control: Control, writer: Control, environmentId: string): Promise<number> {
  const seq = (await control.log.state(environmentId))?.lastSeq ?? 0;
  const following = control.log.follow(environmentId);
  const over = new AbortController();
  try {
    const waiting = following.wait(seq, 10_000, over.signal);
    await change(writer, async ({ emit }) => emit(event(environmentId, 'late')));
    const written = performance.now();
    expect(await waiting).toBe(true);
    expect((await control.log.read(environmentId, seq, 10)).length).toBe(1);
    return performance.now() - written;
  } finally {
    following.release();
  }
}

test('with nudges an event is seen at once; with a listener cut off, and with none at all, within 2.5 s', async () => {
  const { control, addEnvironment, openReplica } = await open();
  const environmentId = await addEnvironment();
  const writer = await openReplica();
  closers.push(writer.close);
  expect(await delayOf(control, writer.control, environmentId)).toBeLessThan(1_000);

  const cut = await control.store.raw`
    select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and query ilike 'listen%'`;
  expect(cut.length).toBeGreaterThan(0);
  expect(await delayOf(control, writer.control, environmentId)).toBeLessThan(2_500);

  const silent: Nudges = { send: () => {}, listen: () => () => {}, close: async () => {} };
  const log = openEventLog(control.store, silent);
  closers.push(() => log.close());
  const deaf = { ...control, nudges: silent, log };
  for (let times = 0; times < 2; times++)
    expect(await delayOf(deaf, { ...writer.control, nudges: silent }, environmentId)).toBeLessThan(2_500);
});

test('a listener that was cut off hears again', async () => {
  const { control, openReplica } = await open();
  const writer = await openReplica();
  closers.push(writer.close);
  const heard: (string | undefined)[] = [];
  closers.push(control.nudges.listen((topic) => heard.push(topic)));
  await control.store.raw`
    select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and query ilike 'listen%'`;
  await vi.waitFor(() => expect(heard).toContain(undefined), { timeout: 20_000 });
  await vi.waitFor(
    () => {
      writer.control.nudges.send(['due']);
      expect(heard).toContain('due');
    },
    { timeout: 20_000, interval: 200 },
  );
});

async function first(
  control: Control,
  environmentId: string,
  after: string,
  count: number,
): Promise<EventItem[]> {
  const over = new AbortController();
  const items: EventItem[] = [];
  const selection = { environmentId, after, begin: 'FIRST' as const, ended: async () => false };
  for await (const item of streamEvents(control, selection, over.signal)) {
    items.push(item);
    if (items.length === count) break;
  }
  over.abort();
  const page = await readEvents(control, selection, 100);
  expect(page.items.slice(0, count)).toEqual(items);
  return items;
}

test('a cursor that the log can not serve any more is answered with a Gap and why, never a silent hole', async () => {
  const { control, addEnvironment, addEvents } = await open();
  const [environmentId, otherId] = [await addEnvironment(), await addEnvironment('Other')];
  await addEvents(environmentId, 30);
  const state = await control.log.state(environmentId);
  const at = (seq: number, epoch = state?.epoch ?? '') => writeCursor({ environmentId, epoch, seq });
  await control.store.raw`update events set occurred_at = now() - interval '8 days'`;
  await pruneEvents(control.store, 10, 7);
  expect(await sequence(control, environmentId)).toEqual(upTo(31).slice(21));

  const gap = (reason: string, from: string) => ({ kind: 'GAP', reason, from, to: at(21), cursor: at(21) });
  const item = (seq: number) => ({ kind: 'ITEM', cursor: at(seq), item: expect.objectContaining({ seq }) });
  expect(await first(control, environmentId, at(5), 2)).toEqual([gap('RETENTION', at(5)), item(22)]);
  expect(await first(control, environmentId, at(21), 1)).toEqual([item(22)]);
  expect(await first(control, environmentId, at(30), 2)).toEqual([
    item(31),
    { kind: 'CAUGHT_UP', cursor: at(31) },
  ]);
  const restored = at(25, 'another');
  expect(await first(control, environmentId, restored, 2)).toEqual([
    gap('LOG_RESTARTED', restored),
    item(22),
  ]);
  expect(await first(control, environmentId, at(99), 1)).toEqual([gap('LOG_RESTARTED', at(99))]);
  const other = writeCursor({ environmentId: otherId, epoch: state?.epoch ?? '', seq: 1 });
  expect(await first(control, environmentId, other, 2)).toEqual([gap('OTHER_STREAM', other), item(22)]);
  const nowhere = writeCursor({ environmentId: newId(), epoch: 'x', seq: 0 });
  expect(await first(control, environmentId, nowhere, 1)).toEqual([gap('OTHER_STREAM', nowhere)]);
});

test('retention keeps what is young whatever its number, and the newest whatever their age', async () => {
  const { control, addEnvironment, addEvents } = await open();
  const environmentId = await addEnvironment();
  await addEvents(environmentId, 30);
  await pruneEvents(control.store, 10, 7);
  expect((await sequence(control, environmentId)).length).toBe(31);
  await control.store.raw`update events set occurred_at = now() - interval '8 days' where seq <= 5`;
  await pruneEvents(control.store, 10, 7);
  expect(await sequence(control, environmentId)).toEqual(upTo(31).slice(5));
  expect(await control.log.state(environmentId)).toMatchObject({ firstSeq: 6, lastSeq: 31 });
});

test('however much is past its retention, no transaction removes more than a batch, and writers go on', async () => {
  const { control, addEnvironment, addEvents } = await open();
  const environmentId = await addEnvironment();
  await addEvents(environmentId, 500);
  const { raw } = control.store;
  await raw`update events set occurred_at = now() - interval '8 days' where seq <= 480`;
  await raw`create table removals (events int)`;
  await raw`create function count_removed() returns trigger language plpgsql as
    'begin insert into removals select count(*) from gone; return null; end'`;
  await raw`create trigger removed after delete on events referencing old table as gone
    for each statement execute function count_removed()`;
  const writing = addEvents(environmentId, 100);
  await Promise.all([pruneEvents(control.store, 10, 7, 50), pruneEvents(control.store, 10, 7, 50)]);
  await writing;
  const removals = (await raw`select events from removals`).map((row) => Number(row.events));
  expect(Math.max(...removals)).toBe(50);
  expect(removals.reduce((sum, each) => sum + each, 0)).toBe(480);
  expect(await sequence(control, environmentId)).toEqual(upTo(601).slice(480));
  expect(await control.log.state(environmentId)).toMatchObject({ firstSeq: 481, lastSeq: 601 });
});

test('polls of a database that does not answer never overlap', async () => {
  const { control, addEnvironment } = await open();
  const environmentId = await addEnvironment();
  let polls = 0;
  const onQuery = (query: string) => {
    if (query.includes('"event_streams"')) polls += 1;
  };
  const store = openStore(control.store.url, { connections: 4, onQuery });
  const silent: Nudges = { send: () => {}, listen: () => () => {}, close: async () => {} };
  const log = openEventLog(store, silent);
  closers.push(store.close, () => log.close());
  const following = log.follow(environmentId);
  closers.push(() => following.release());
  const begun = Promise.withResolvers<void>();
  const over = Promise.withResolvers<void>();
  const locked = control.store.db.transaction(async (tx) => {
    await tx.execute('lock table event_streams in access exclusive mode');
    begun.resolve();
    await over.promise;
  });
  await begun.promise;
  await vi.waitFor(() => expect(polls).toBe(1), { timeout: 10_000 });
  // A lock is waited for 5 s at most: within 4 s there would be another poll, and yet another.
  await control.store.raw`select pg_sleep(4)`;
  expect(polls).toBe(1);
  over.resolve();
  await locked;
});

test('a wait on a quiet log ends at its time, also when its timer fires a little early', async () => {
  const { control, addEnvironment } = await open();
  const environmentId = await addEnvironment();
  const { lastSeq = 0 } = (await control.log.state(environmentId)) ?? {};
  const following = control.log.follow(environmentId);
  // As when the process was held up right after it had set its timer.
  const now = performance.now.bind(performance);
  const clock = vi.spyOn(performance, 'now').mockImplementationOnce(() => now() + 200);
  const waited = following.wait(lastSeq, 100, new AbortController().signal);
  clock.mockRestore();
  const stuck = new Promise<string>((resolve) => setTimeout(() => resolve('stuck'), 5_000));
  expect(await Promise.race([waited, stuck])).toBe(false);
  following.release();
});
