// What the simulation has found once, each as a world of its own.
import { expect, test } from 'vitest';
import { dueNow } from '../../src/postgres/replicas.ts';
import { services } from '../../src/postgres/tables/services.ts';
import { goodRelease, type Scenario } from './scenario.ts';
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

test.each([
  [1034, 'a stranger under the name of the check of a configuration keeps no service from being deleted'],
  [1791, 'a proxy whose start nobody heard of is none that visitors are led to'],
  [1863, 'a redeploy to no jobs at all waits for proxies and verifies nothing'],
])('seed %i: %s', async (seed) => {
  await expectSound(ground(), seed);
});
