// Hints between replicas: a listener that was cut off or has gone deaf hears again, and there is never a second one beside it.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type Nudges, openNudges } from '../../src/postgres/nudges.ts';
import { openStore, type Store } from '../../src/postgres/open.ts';
import { type ControlWorld, openControl } from '../support/control.ts';
import { type FaultyDatabase, openFaultyDatabase } from '../support/faulty-database.ts';

let world: ControlWorld;
let database: FaultyDatabase;
let store: Store;
let nudges: Nudges;
let heard: (string | undefined)[] = [];

beforeEach(async () => {
  world = await openControl();
  database = await openFaultyDatabase(world.control.store.url);
  store = openStore(database.url, { connections: 2, deadlineMs: 1_000 });
  nudges = await openNudges(store, { echoEveryMs: 400 });
  heard = [];
  nudges.listen((topic) => heard.push(topic));
});

afterEach(async () => {
  await nudges.close();
  await store.close();
  await database.close();
  await world.close();
});

/** Of this world's own nudges there is one, too. */
async function listeners(): Promise<number> {
  const rows = await world.control.store.raw`
    select pid from pg_stat_activity where datname = current_database() and query ilike 'listen%'`;
  return rows.length - 1;
}

async function hearsOnce(topic: 'due' | 'tokens'): Promise<void> {
  await vi.waitFor(
    async () => {
      heard.length = 0;
      world.control.nudges.send([topic]);
      await vi.waitFor(() => expect(heard).toContain(topic), { timeout: 500 });
    },
    { timeout: 15_000 },
  );
  await vi.waitFor(async () => expect(await listeners()).toBe(1), { timeout: 5_000 });
  heard.length = 0;
  world.control.nudges.send([topic]);
  await vi.waitFor(() => expect(heard).toContain(topic), { timeout: 5_000 });
  expect(heard.filter((each) => each === topic)).toEqual([topic]);
}

test('a listener whose network falls silent hears again, once, and everybody is told to look', async () => {
  await hearsOnce('due');
  database.silence();
  await world.control.store.raw`select pg_sleep(4)`;
  heard.length = 0;
  database.heal();
  await vi.waitFor(() => expect(heard).toContain(undefined), { timeout: 10_000 });
  await hearsOnce('tokens');
});

test('cut off again and again, also while it connects, there is one listener at the end', async () => {
  for (let times = 0; times < 20; times++) {
    database.cut();
    await world.control.store.raw`select pg_sleep(${times / 100})`;
  }
  await hearsOnce('due');
});

/** What is asked of the database outside of drizzle, with how much of it waits at most. */
function counting() {
  const counts = { asked: 0, answered: 0, most: 0 };
  const raw = new Proxy(store.raw, {
    apply: (target, self, question) => {
      counts.asked += 1;
      counts.most = Math.max(counts.most, counts.asked - counts.answered);
      const query = Reflect.apply(target, self, question);
      query.finally(() => (counts.answered += 1)).catch(() => {});
      return query;
    },
  });
  return { counts, raw };
}

test('hints that can not be sent do not queue up: they go together when the database answers again', async () => {
  const { counts, raw } = counting();
  const sender = await openNudges({ ...store, raw });
  const ids = Array.from({ length: 40 }, (_, number) => `lines:${number}` as const);
  const told = new Set<string | undefined>();
  world.control.nudges.listen((topic) => told.add(topic));
  database.silence();
  for (const id of ids) {
    sender.send([id]);
    await world.control.store.raw`select 1`;
  }
  database.heal();
  expect(counts.asked).toBe(1);
  sender.send(['due']);
  await vi.waitFor(() => expect(told).toContain('due'), { timeout: 10_000 });
  expect(ids.slice(-10).every((id) => told.has(id))).toBe(true);
  expect(counts.most).toBe(1);
  await sender.close();
});

test('nor do echoes, however long the database is silent', async () => {
  const { counts, raw } = counting();
  const quick = await openNudges({ ...store, raw }, { echoEveryMs: 20 });
  await vi.waitFor(() => expect(counts.answered).toBeGreaterThan(3), { timeout: 5_000 });
  database.silence();
  await world.control.store.raw`select pg_sleep(0.5)`;
  database.heal();
  await quick.close();
  expect(counts.most).toBe(1);
});

test('closed while the database is silent, it is closed at once', async () => {
  database.silence();
  const from = performance.now();
  await nudges.close();
  expect(performance.now() - from).toBeLessThan(3_000);
});
