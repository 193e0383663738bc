// Who builds: one at a time, seen by everybody else, and never for longer than the holder lives.
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { createService } from '../../src/control/create-service.ts';
import { newId } from '../../src/ids.ts';
import { type BuildDeps, nextBuild } from '../../src/orchestrator/build.ts';
import { holdBuild, listHeldBuilds } from '../../src/postgres/build-hold.ts';
import { type ControlWorld, openControl } from '../support/control.ts';

let world: ControlWorld;

beforeAll(async () => {
  world = await openControl();
});

afterAll(() => world.close());

test('a build is held by one; all others see it held, and see it free once it is', async () => {
  const { store } = world.control;
  const ids = Array.from({ length: 40 }, () => newId());
  const taken = ids.slice(0, 20);
  const holds = await Promise.all(taken.map((id) => holdBuild(store, id, () => {})));
  expect(holds).not.toContain(undefined);
  expect(await listHeldBuilds(store.db, ids)).toEqual(new Set(taken));
  expect(await holdBuild(store, taken[0] ?? '', () => {})).toBeUndefined();
  await Promise.all(holds.map((hold) => hold?.release()));
  await vi.waitFor(async () => expect(await listHeldBuilds(store.db, ids)).toEqual(new Set()));
  expect(await listHeldBuilds(store.db, [])).toEqual(new Set());
});

test('builds that others hold take no place of this replica: the next one that is free is begun', async () => {
  const { control, token } = world;
  const environmentId = await world.addEnvironment();
  const ids: string[] = [];
  for (const label of ['one', 'two', 'three']) {
    const made = await createService(control, token.caller, { environmentId, type: 'CODE', label });
    for (let times = 0; times < 2; times++) {
      const id = newId();
      ids.push(id);
      await control.store.raw`insert into jobs (id, environment_id, service_id, type, state, image)
        values (${id}, ${environmentId}, ${made.ids.serviceId}, 'BUILD', 'RUNNING', '')`;
    }
  }
  const [first = '', , second = '', , third = ''] = ids;
  const next = async (...busy: string[]) =>
    (await nextBuild({ store: control.store } as BuildDeps, new Set(busy)))?.id;
  expect(await next()).toBe(first);
  const holds = [first, second].map((id) => holdBuild(control.store, id, () => {}));
  const [one, two] = await Promise.all(holds);
  expect(await next()).toBe(third);
  expect(await next(third)).toBeUndefined();
  await one?.release();
  await vi.waitFor(async () => expect(await next(third)).toBe(first));
  await two?.release();
});
