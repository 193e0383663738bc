// When checks that the control plane makes are due next.
import { eq, sql } from 'drizzle-orm';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { updateCheck } from '../../src/control/checks.ts';
import { createService } from '../../src/control/create-service.ts';
import { createEnvironment } from '../../src/control/environments.ts';
import { change } from '../../src/postgres/change.ts';
import { listChecksOf, moveOn } from '../../src/postgres/checks.ts';
import { checks } from '../../src/postgres/tables/checks.ts';
import { type Api, localIdOf, openApi } from '../support/api.ts';
import { type Furnished, furnish } from '../support/furnish.ts';

let api: Api;
let own: Furnished;

beforeAll(async () => {
  api = await openApi();
  own = await furnish(api.control, api.admin, 'own');
});
afterAll(() => api.close());

/** How many seconds after it was due it is due next. */
async function moved(secondsAgo: number): Promise<number> {
  const id = localIdOf(own.builtInCheck);
  const of = eq(checks.id, id);
  const due = sql`now() - make_interval(secs => ${secondsAgo})`;
  const { db } = api.control.store;
  const [before] = await db.update(checks).set({ dueAt: due, intervalSeconds: 30 }).where(of).returning();
  await change(api.control, ({ tx }) => moveOn(tx, [id]));
  const [after] = await db.select().from(checks).where(of);
  return ((after?.dueAt?.getTime() ?? 0) - (before?.dueAt?.getTime() ?? 0)) / 1_000;
}

test('one that was made stays in step, whatever was missed', async () => {
  expect(await moved(1)).toBe(30);
  expect(await moved(95)).toBe(120);
  expect(await moved(1_000_000)).toBe(1_000_020);
});

test('one that was made before its time stays due when it was', async () => {
  expect(await moved(-20)).toBe(0);
});

test('one that is made on demand alone is never due', async () => {
  const id = localIdOf(own.builtInCheck);
  await api.control.store.db.update(checks).set({ dueAt: null }).where(eq(checks.id, id));
  await change(api.control, ({ tx }) => moveOn(tx, [id]));
  const [row] = await api.control.store.db.select().from(checks).where(eq(checks.id, id));
  expect(row?.dueAt).toBeNull();
});

test('a change makes one due that the control plane makes, and no other', async () => {
  const { control, admin } = api;
  const { ids } = await createEnvironment(control, admin, { name: 'Due', kind: 'PRODUCTION' });
  const { environmentId } = ids;
  await createService(control, admin, { environmentId, type: 'CODE', label: 'web' });
  const named = async (name: string) =>
    (await listChecksOf(control.store.db, environmentId)).find((each) => each.name === name);
  for (const name of ['http', 'memory'])
    await updateCheck(control, admin, { checkId: (await named(name))?.id ?? '', attempts: 7 });
  expect((await named('http'))?.dueAt).toBeNull();
  expect((await named('memory'))?.dueAt?.getTime()).toBeLessThanOrEqual(Date.now());
});
