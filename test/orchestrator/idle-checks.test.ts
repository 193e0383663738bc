// What checks by the engine's eye cost: at most 5 engine calls and 20 queries a second, all loops included, with checks as
// many in a minute as more than 20 services have.
import { and, eq, isNotNull } from 'drizzle-orm';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { checkResults, checks } from '../../src/postgres/tables/checks.ts';
import { counting } from '../support/counting.ts';
import { freshDatabase } from '../support/postgres.ts';
import { newEnvironment, newService, openWorld, redeployed, until, type World } from '../support/world.ts';

/** At 5 s each, six times as often as by standard. */
const services = 4;
const watchedMs = 20_000;
const calls: string[] = [];
const queries: string[] = [];
let world: World;
let environmentId: string;

beforeAll(async () => {
  const { url } = await freshDatabase();
  world = await openWorld(url, { runtime: counting(calls), onQuery: (query) => queries.push(query) });
  environmentId = await newEnvironment(world, 'PRODUCTION');
  for (let number = 0; number < services; number++) {
    const { serviceId } = await newService(world, { environmentId });
    await redeployed(world, serviceId);
  }
}, 120_000);
afterAll(() => world?.close());

test('is little, for many services are asked about together', async () => {
  const { db } = world.control.store;
  await db
    .update(checks)
    .set({ intervalSeconds: 5, dueAt: new Date() })
    .where(and(eq(checks.environmentId, environmentId), isNotNull(checks.dueAt)));
  const results = async () => (await db.select({ seq: checkResults.seq }).from(checkResults)).length;
  await until('they have begun', results, (count) => count >= 3 * services);
  const before = await results();
  calls.length = 0;
  queries.length = 0;
  const since = performance.now();
  const watched = async () => performance.now() - since;
  const milliseconds = await until('enough was seen', watched, (seen) => seen > watchedMs, 2 * watchedMs);
  const each = (seen: readonly unknown[]) => (seen.length * 1_000) / milliseconds;
  const perSecond = { calls: each(calls), queries: each(queries) };
  // They were made at all.
  expect((await results()) - before).toBeGreaterThanOrEqual(3 * 3 * services);
  expect(calls).toContain('memoryUse');
  expect(calls).not.toContain('volumeSizes');
  console.log(
    `${perSecond.calls.toFixed(1)} engine calls and ${perSecond.queries.toFixed(1)} queries a second`,
  );
  expect(perSecond.calls).toBeLessThanOrEqual(5);
  expect(perSecond.queries).toBeLessThanOrEqual(20);
}, 90_000);
