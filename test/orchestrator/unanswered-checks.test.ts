// An engine that doesn't answer what a check asks it holds up none of those that need no answer of it.
import { and, eq, isNotNull } from 'drizzle-orm';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { checkResults, checks } from '../../src/postgres/tables/checks.ts';
import { freshDatabase } from '../support/postgres.ts';
import { newEnvironment, newService, openWorld, redeployed, until, type World } from '../support/world.ts';

let world: World;
let environmentId: string;

beforeAll(async () => {
  const { url } = await freshDatabase();
  const unanswered = () => new Promise<never>(() => {});
  world = await openWorld(url, { runtime: (runtime) => ({ ...runtime, memoryUse: unanswered }) });
  environmentId = await newEnvironment(world, 'PRODUCTION');
}, 60_000);
afterAll(() => world?.close());

test('jobs and restarts go on being checked', async () => {
  const { serviceId } = await newService(world, { environmentId });
  await redeployed(world, serviceId);
  const { db } = world.control.store;
  await db
    .update(checks)
    .set({ intervalSeconds: 5, dueAt: new Date() })
    .where(and(eq(checks.environmentId, environmentId), isNotNull(checks.dueAt)));
  const made = () =>
    db
      .select({ name: checks.name })
      .from(checkResults)
      .innerJoin(checks, eq(checks.id, checkResults.checkId));
  const rows = await until(
    'they were made again and again',
    made,
    (seen) => ['jobs', 'restarts'].every((name) => seen.filter((row) => row.name === name).length >= 3),
    45_000,
  );
  expect(rows.map(({ name }) => name)).not.toContain('memory');
}, 90_000);
