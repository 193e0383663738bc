// Services that wait for health, however many and however long, keep nobody else waiting.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { updateService } from '../../src/control/update-service.ts';
import { type FreshDatabase, freshDatabase } from '../support/postgres.ts';
import {
  askRedeploy,
  newEnvironment,
  newService,
  openWorld,
  redeployed,
  until,
  type World,
} from '../support/world.ts';
import { livingJobs } from './looks.ts';

let database: FreshDatabase;
let world: World;

beforeAll(async () => {
  database = await freshDatabase();
  world = await openWorld(database.url);
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
