// What the simulation has found once, each as a world of its own.
import { expect, test } from 'vitest';
import { dueNow } from '../../src/postgres/replicas.ts';
import { events } from '../../src/postgres/tables/events.ts';
import { services } from '../../src/postgres/tables/services.ts';
import { goodFate, goodRelease, type Scenario, scenarioOf } from './scenario.ts';
import { expectSound, useGround } from './seeds.ts';
import { simulate } from './simulate.ts';
import type { World } from './world.ts';

const ground = useGround();

const quiet: Scenario = {
  ...{ seed: 1, gentle: false, proxied: false, replicas: 1, troubleRate: 0, nudgesLost: 0, sessionMs: 0 },
  services: [{ kind: 'CODE', scale: 1, workers: 0, overlapSeconds: null, rollBack: true }],
  ...{ first: goodRelease, deeds: [], deletedAfterwards: true },
};

test('a world in which nothing happens comes to rest', async () => {
  expect(await simulate(ground(), quiet)).toMatchObject({ faults: [] });
});

test('a deleted service that is asked to be looked at is let go, and not taken up again at once and for ever', async () => {
  const ask = async ({ control, clock }: World) => {
    await control.store.db.transaction((tx) => tx.update(services).set(dueNow()));
    await clock.sleep(2_000);
  };
  expect(await simulate(ground(), quiet, ask)).toMatchObject({ faults: [] });
});

test('a job that answers as soon as it runs is recorded as healthy along with its start', async () => {
  const fates = [{ ...goodFate, listensAfterMs: 0 }];
  let told: { readonly type: string; readonly occurredAt: Date }[] = [];
  const { faults } = await simulate(
    ground(),
    { ...quiet, first: { ...goodRelease, fates } },
    async (world) => {
      const { db } = world.control.store;
      const rows = await db.select().from(events).orderBy(events.seq);
      const ended = rows.findIndex(({ type }) => type === 'REDEPLOY_ENDED');
      told = rows.filter(({ occurredAt }) => occurredAt.getTime() === rows[ended]?.occurredAt.getTime());
    },
  );
  expect(faults).toEqual([]);
  expect(told.map(({ type }) => type)).toEqual([
    'JOB_CHANGED',
    'PHASE_ENDED',
    'PHASE_STARTED',
    'JOB_CHANGED',
    'PHASE_ENDED',
    'REDEPLOY_ENDED',
  ]);
});

test.each([
  [1034, 'a stranger under the name of the check of a configuration keeps no service from being deleted'],
  [1791, 'a proxy whose start nobody heard of is none that visitors are led to'],
  [1863, 'a redeploy to no jobs at all waits for proxies and verifies nothing'],
])('seed %i: %s', async (seed) => {
  await expectSound(ground(), seed);
});

test.each([12, 21, 36])('seed %i is the same story each time', async (seed) => {
  expect(await storyOf(seed)).toEqual(await storyOf(seed));
});

/** What happened and when, without the ids and process numbers that are new each time. */
async function storyOf(seed: number): Promise<string[]> {
  const told: string[] = [];
  const { story } = await simulate(ground(), scenarioOf(seed), async ({ control }) => {
    const rows = await control.store.db.select().from(events).orderBy(events.seq);
    told.push(
      ...rows.map(({ occurredAt, type, message }) => `${occurredAt.toISOString()} ${type} ${message}`),
    );
  });
  const ids = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|process \d+/g;
  return [...story, ...told].map((line) => line.replace(ids, '#'));
}
