// A connection cut in the middle of a transaction is an error of that transaction and of nothing else: not of the process,
// not of the connection's next user.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
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
  store = openStore(world.control.store.url, { connections: 1 });
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
