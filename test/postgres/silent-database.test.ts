// A database that falls silent, or is cut off, without a word: whoever asks is answered within the deadline, nothing waits for
// ever, and what comes after is served as before.
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'drizzle-orm';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { Unavailable } from '../../src/errors.ts';
import { unavailablePart } from '../../src/graphql/unavailable.ts';
import { newId } from '../../src/ids.ts';
import { holdBuild } from '../../src/postgres/build-hold.ts';
import { change } from '../../src/postgres/change.ts';
import { connect, openStore, readClock, type Store } from '../../src/postgres/open.ts';
import { joinReplicas } from '../../src/postgres/replicas.ts';
import { findTokenByHash } from '../../src/postgres/tokens.ts';
import { type ControlWorld, openControl } from '../support/control.ts';
import { allowAnonymousTls, type FaultyDatabase, openFaultyDatabase } from '../support/faulty-database.ts';

const deadlineMs = 1_000;
/** For a machine that is busy. */
const slackMs = 2_000;
let world: ControlWorld;
let database: FaultyDatabase;
let store: Store;
const closers: (() => Promise<unknown> | unknown)[] = [];

beforeAll(async () => {
  world = await openControl();
});

beforeEach(() => use({}));

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

afterAll(() => world.close());

async function use(options: { tls?: boolean; connections?: number }): Promise<void> {
  const faulty = await openFaultyDatabase(world.control.store.url, options);
  const { connections = 4 } = options;
  const opened = openStore(faulty.url, { connections, readConnections: connections, deadlineMs });
  closers.push(faulty.close, opened.close);
  [database, store] = [faulty, opened];
}

/** At once with others, each with a way to the database of its own. */
async function useAlone<T>(work: (faulty: FaultyDatabase) => Promise<T>): Promise<T> {
  const faulty = await openFaultyDatabase(world.control.store.url);
  try {
    return await work(faulty);
  } finally {
    await faulty.close();
  }
}

/** How long it took to be refused, and that the edge tells it as the database's. */
async function refusedAfter(work: Promise<unknown>): Promise<number> {
  const from = performance.now();
  const told = (error: unknown) =>
    error instanceof Unavailable || unavailablePart(error) === 'DATABASE' ? 'refused' : error;
  const outcome = await Promise.race([
    work.then(() => 'answered', told),
    sleep(deadlineMs + slackMs, 'still waiting'),
  ]);
  expect(outcome).toBe('refused');
  return performance.now() - from;
}

const questions: Readonly<Record<string, (store: Store) => Promise<unknown>>> = {
  'a plain read': (store) => readClock(store.db),
  'a read with parameters': (store) => findTokenByHash(store.db, 'none'),
  'a write': (store) => store.db.execute(sql`update tokens set name = name`),
  'a transaction': (store) => store.db.transaction(async (tx) => readClock(tx)),
  'a change': (store) => change({ ...world.control, store }, async ({ tx }) => readClock(tx)),
  'a raw query': async (store) => store.raw`select 1`,
};

test('every kind of question is refused within the deadline and served again after', async () => {
  const endure = ([kind, ask]: [string, (store: Store) => Promise<unknown>]) =>
    useAlone(async (faulty) => {
      const own = openStore(faulty.url, { connections: 4, readConnections: 4, deadlineMs });
      try {
        await ask(own);
        faulty.silence();
        expect(await refusedAfter(ask(own)), kind).toBeGreaterThan(deadlineMs / 2);
        faulty.heal();
        const healed = performance.now();
        await ask(own);
        expect(performance.now() - healed, kind).toBeLessThan(slackMs);
      } finally {
        await own.close();
      }
    });
  await Promise.all(Object.entries(questions).map(endure));
});

test('silence in the midst of a transaction, a long answer or many queries sent at once ends all of them', async () => {
  const begun = Promise.withResolvers<void>();
  const silenced = Promise.withResolvers<void>();
  const transaction = store.db.transaction(async (tx) => {
    await readClock(tx);
    begun.resolve();
    await silenced.promise;
    await readClock(tx);
  });
  const long = store.db.execute(sql`select repeat('x', 1000000), pg_sleep(0.2) from generate_series(1, 20)`);
  await begun.promise;
  const many = Array.from({ length: 100 }, () => store.db.execute(sql`select pg_sleep(0.1)`));
  await sleep(50);
  database.silence();
  silenced.resolve();
  await Promise.all([transaction, long, ...many].map(refusedAfter));
  database.heal();
  await readClock(store.db);
});

test('however many wait for a connection, each is refused within the deadline', async () => {
  await use({ connections: 1 });
  await readClock(store.db);
  database.silence();
  const reads = Array.from({ length: 30 }, () => readClock(store.db));
  const changes = Array.from({ length: 10 }, () => change({ ...world.control, store }, async () => {}));
  await Promise.all([...reads, ...changes].map(refusedAfter));
  database.heal();
  await vi.waitFor(() => readClock(store.db), { timeout: 10_000 });
});

test('what takes long but within its time is not cut off, nor is a connection that has nothing to say', async () => {
  const opened = database.opened();
  await readClock(store.db);
  const lock = connect(database.url, { maximum: 1, answerWithinMs: 500 });
  closers.push(() => lock.end({ timeout: 0 }));
  const [before] = await lock`select pg_backend_pid() as pid`;
  await world.control.store.raw`select pg_sleep(1.5)`;
  await lock`select pg_sleep(0.3)`;
  expect((await lock`select pg_backend_pid() as pid`)[0]).toEqual(before);
  await store.db.execute(sql`select pg_sleep(0.5)`);
  expect(database.opened()).toBe(opened + 2);
});

test('over TLS it is the same', async () => {
  closers.push(allowAnonymousTls());
  await use({ tls: true });
  await readClock(store.db);
  await store.db.execute(sql`select repeat('x', 5000000)`);
  database.silence();
  await refusedAfter(readClock(store.db));
  database.heal();
  await readClock(store.db);
});

test('a sign of life that is lost in silence is told of, and taken anew', async () => {
  const lost = vi.fn();
  const replica = await joinReplicas(store, lost);
  closers.push(() => replica.close());
  database.silence();
  await vi.waitFor(() => expect(lost).toHaveBeenCalled(), { timeout: 10_000 });
  database.heal();
  const held = () => world.control.store.raw`
    select 1 from pg_locks where locktype = 'advisory' and objid = ${replica.number} and classid = 7226002`;
  await vi.waitFor(async () => expect((await held()).length).toBe(1), { timeout: 10_000 });
  await vi.waitFor(() => readClock(store.db), { timeout: 10_000 });
});

test('a build that can not be held in silence is given up, and held after', async () => {
  database.silence();
  await expect(holdBuild(store, newId(), () => {})).rejects.toThrow();
  database.heal();
  const hold = await holdBuild(store, newId(), () => {});
  expect(hold).toBeDefined();
  await hold?.release();
});

test('cut while it opens, a connection fails its query and nothing else', async () => {
  const uncaught = vi.fn();
  process.on('unhandledRejection', uncaught);
  closers.push(() => process.off('unhandledRejection', uncaught));
  const served: Promise<void>[] = [];
  for (let times = 0; times < 15; times++) {
    const faulty = await openFaultyDatabase(world.control.store.url);
    closers.push(faulty.close);
    const fresh = openStore(faulty.url, { connections: 2, deadlineMs });
    const reading = Promise.allSettled([readClock(fresh.db), readClock(fresh.db)]);
    await sleep(2 * times);
    faulty.cut();
    // What comes after takes its time, and none of the others'.
    const after = reading.then(async () => void (await readClock(fresh.db)));
    served.push(after.finally(fresh.close));
  }
  await Promise.all(served);
  expect(uncaught).not.toHaveBeenCalled();
});

test('all connections cut at once, again and again: reads go on, and no connection stays dumb', async () => {
  const patient = openStore(database.url, { connections: 8 });
  closers.push(() => patient.close());
  let over = false;
  let [served, slowest] = [0, 0];
  const readers = Array.from({ length: 30 }, async () => {
    while (!over) {
      const from = performance.now();
      await patient.db.execute(sql`select pg_sleep(0.001), ${'x'}::text`).then(
        () => served++,
        () => sleep(1),
      );
      slowest = Math.max(slowest, performance.now() - from);
    }
  });
  for (let times = 0; times < 30; times++) {
    await sleep(50);
    await world.control.store.raw`select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid()`;
  }
  over = true;
  await Promise.all(readers);
  expect(served).toBeGreaterThan(30);
  // Connecting is given up after 5 s.
  expect(slowest).toBeLessThan(4_000);
});
