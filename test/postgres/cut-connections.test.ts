// A connection cut in the middle of a transaction is an error of that transaction and of nothing else: not of the process,
// not of the connection's next user.
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'drizzle-orm';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { change } from '../../src/postgres/change.ts';
import { openStore, type Store } from '../../src/postgres/open.ts';
import { type ControlWorld, openControl } from '../support/control.ts';

let world: ControlWorld;
let store: Store;
let environmentId: string;
const uncaught: unknown[] = [];
const note = (error: unknown) => void uncaught.push(error);

beforeEach(async () => {
  world = await openControl();
  environmentId = await world.addEnvironment();
  store = openStore(world.control.store.url, { connections: 1, readConnections: 1 });
  uncaught.length = 0;
  process.on('uncaughtException', note);
});

afterEach(async () => {
  process.off('uncaughtException', note);
  await store.close();
  await world.close();
});

const event = (message: string) => ({
  ...{ environmentId, type: 'ENVIRONMENT_RENAMED' as const, data: { name: message }, message },
});

/** A change that is cut off, by `cut` of its backend; answers when its connection has ended here too. */
function cutOff(statement: string, cut: (pid: number) => Promise<unknown>): Promise<unknown> {
  return change({ ...world.control, store }, async ({ tx, emit }) => {
    const [row] = await tx.execute<{ pid: number }>('select pg_backend_pid() as pid');
    emit(event('cut off'));
    await Promise.all([tx.execute(statement), cut(row?.pid ?? 0)]);
    await sleep(20);
    await tx.execute('select 1');
  });
}

const terminate = (pid: number) => world.control.store.raw`select pg_terminate_backend(${pid})`.execute();

test.each<[string, string, (pid: number) => Promise<unknown>]>([
  ['between two statements', 'select 1', async (pid) => sleep(5).then(() => terminate(pid))],
  ['during a statement', 'select pg_sleep(5)', async (pid) => sleep(20).then(() => terminate(pid))],
  ['for having been idle', 'set local idle_in_transaction_session_timeout = 10', () => sleep(100)],
])(
  'cut off %s, ten times: each is refused, nothing of it is kept, and the connection serves again',
  async (_when, statement, cut) => {
    for (let times = 0; times < 10; times++) {
      await expect(cutOff(statement, cut)).rejects.toThrow();
      await change({ ...world.control, store }, async ({ emit }) => emit(event('kept')));
    }
    expect(uncaught).toEqual([]);
    const rows = await world.control.store.raw`select message from events where seq > 1`;
    expect(rows.map(({ message }) => message)).toEqual(Array.from({ length: 10 }, () => 'kept'));
  },
);

test('statements of a transaction that was cut off never run in the next one on its connection', async () => {
  const { control } = world;
  await control.store.raw`create table written (what text)`;
  const cut = store.db.transaction(async (tx) => {
    await tx.execute('set local idle_in_transaction_session_timeout = 10');
    await sleep(90);
    await tx.execute(`insert into written values ('of the dead')`);
  });
  const next = sleep(30).then(() =>
    store.db.transaction(async (tx) => {
      await tx.execute(`insert into written values ('of the living')`);
      await sleep(90);
    }),
  );
  await expect(cut).rejects.toThrow();
  await next;
  expect([...(await control.store.raw`select what from written`)]).toEqual([{ what: 'of the living' }]);
  expect(uncaught).toEqual([]);
});

/** Cuts off every session of this database but the asking one, once one of them is at this statement. */
async function cutDuring(telling: string): Promise<void> {
  const { raw } = world.control.store;
  await vi.waitFor(async () => {
    const cut = await raw`select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and state = 'active' and pid <> pg_backend_pid()
      and query like ${`%${telling}%`}`;
    expect(cut.length).toBe(1);
  });
}

test('a read that is cut off is asked again; a write is not, and is refused', async () => {
  await world.control.store.raw`create table written (what text)`;
  const reading = store.db.execute<{ at: string }>(sql`select pg_sleep(0.5), 'a read' as at`);
  const [rows] = await Promise.all([reading, cutDuring('a read')]);
  expect(rows[0]?.at).toBe('a read');
  const writing = store.db.execute(sql`insert into written select 'a write' from pg_sleep(0.5)`);
  const [refused] = await Promise.allSettled([writing, cutDuring('a write')]);
  expect(refused.status).toBe('rejected');
  expect((await world.control.store.raw`select what from written`).length).toBe(0);
  expect(uncaught).toEqual([]);
});

test('a query that is cut off leaves no word for the next one on its connection', async () => {
  await world.control.store.raw`create table written (what text)`;
  for (let times = 0; times < 5; times++) {
    const writing = store.db.execute(sql`insert into written select 'cut off' from pg_sleep(0.5)`);
    const [refused] = await Promise.allSettled([writing, cutDuring('cut off')]);
    expect(refused.status).toBe('rejected');
    await store.db.execute(sql`insert into written values ('whole')`);
  }
  const rows = await world.control.store.raw`select what from written`;
  expect(rows.map(({ what }) => what)).toEqual(Array.from({ length: 5 }, () => 'whole'));
});
