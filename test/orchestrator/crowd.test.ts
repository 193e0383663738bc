// Services that wait for health, however many and however long, keep nobody else waiting.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { updateService } from '../../src/control/update-service.ts';
import { EngineFault } from '../../src/runtime/runtime.ts';
import { type FreshDatabase, freshDatabase } from '../support/postgres.ts';
import {
  askRedeploy,
  endOfRedeploy,
  newEnvironment,
  newService,
  openWorld,
  redeployed,
  type Service,
  until,
  type World,
} from '../support/world.ts';
import { livingJobs } from './looks.ts';

let database: FreshDatabase;
let world: World;
/** Whether the engine says nothing of containers. */
let isAway = false;

beforeAll(async () => {
  database = await freshDatabase();
  world = await openWorld(database.url, {
    runtime: (runtime) => ({
      ...runtime,
      inspectContainer: (...args) => {
        if (!isAway) return runtime.inspectContainer(...args);
        return Promise.reject(new EngineFault('inspect container', 'The engine does not answer.', undefined));
      },
    }),
  });
});
afterAll(async () => {
  await world?.close();
  await database?.drop();
});

const neverReady = { kind: 'HTTP', path: '/never', deadlineSeconds: 3_600 } as const;

test('twenty services whose jobs never get healthy hold up no redeploy of another', async () => {
  const { control, caller } = world;
  const environmentId = await newEnvironment(world);
  const slow = await Promise.all(
    Array.from({ length: 20 }, async () => {
      const { serviceId } = await newService(world, { environmentId, size: { memoryMiB: 32 } });
      await updateService(control, caller, { serviceId, healthCheck: neverReady });
      await askRedeploy(world, serviceId);
      return serviceId;
    }),
  );
  const running = async () => (await Promise.all(slow.map((id) => livingJobs(world, id)))).flat();
  await until(
    'all of them wait',
    running,
    (jobs) => jobs.filter(({ state }) => state === 'RUNNING').length === 20,
    60_000,
  );
  const { serviceId } = await newService(world);
  expect((await redeployed(world, serviceId)).state).toBe('SUCCEEDED');
}, 120_000);

test('with an engine that says nothing each redeploy still ends by its deadline, however many services want a look', async () => {
  const environmentId = await newEnvironment(world);
  const services: Service[] = [];
  for (let made = 0; made < 20; made++) {
    const service = await newService(world, { environmentId, size: { memoryMiB: 32 } });
    services.push(service);
    await askRedeploy(world, service.serviceId);
  }
  const running = async () =>
    (await Promise.all(services.map(({ serviceId }) => livingJobs(world, serviceId)))).flat();
  await until(
    'all of them run',
    running,
    (jobs) => jobs.filter(({ health }) => health === 'HEALTHY').length === 20,
    60_000,
  );
  const another = await newService(world);
  isAway = true;
  try {
    // As when something of theirs was asked for.
    await world.control.store.raw`update services set due_at = now(), attention = attention + 1
      where environment_id = ${environmentId}`;
    const held = async () =>
      world.control.store
        .raw`select id from services where environment_id = ${environmentId} and lease_holder is not null`;
    await until('they are looked at in vain', held, (rows) => rows.length >= 16);
    const redeployId = await askRedeploy(world, another.serviceId, { deadlineSeconds: 10 });
    expect((await endOfRedeploy(world, redeployId, 25_000)).endedAt).not.toBeNull();
  } finally {
    isAway = false;
  }
}, 120_000);
