// A database keeps its data over redeploys, and its volume never has two running containers.
import Docker from 'dockerode';
import postgres from 'postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createService } from '../../src/control/create-service.ts';
import { updateService } from '../../src/control/update-service.ts';
import { readVariable } from '../../src/control/variables.ts';
import { containerName, volumeName } from '../../src/model/jobs.ts';
import type { JobRow } from '../../src/postgres/jobs.ts';
import { labels, type Runtime } from '../../src/runtime/runtime.ts';
import { expectPeace } from '../support/oracle.ts';
import { type FreshDatabase, freshDatabase } from '../support/postgres.ts';
import {
  askRedeploy,
  endOfRedeploy,
  newEnvironment,
  newService,
  openWorld,
  redeployed,
  until,
  type World,
} from '../support/world.ts';
import { watchWriters } from '../support/writers.ts';
import { livingJobs } from './looks.ts';

let database: FreshDatabase;
let world: World;
let databaseId: string;
let appId: string;

beforeAll(async () => {
  database = await freshDatabase();
  world = await openWorld(database.url, { settings: { healthySeconds: 30 }, runtime: noteOthers });
  const environmentId = await newEnvironment(world);
  appId = (await newService(world, { environmentId })).serviceId;
  const input = { type: 'DATABASE', runtime: 'POSTGRESQL', version: '15', label: 'db' } as const;
  const made = await createService(world.control, world.caller, { ...input, environmentId });
  databaseId = made.ids.serviceId;
  const row = await endOfRedeploy(world, 'redeployId' in made.ids ? made.ids.redeployId : '', 60_000);
  expect(row).toMatchObject({ state: 'SUCCEEDED', reason: 'CREATION' });
}, 90_000);
afterAll(async () => {
  await world?.close();
  await database?.drop();
});

/** Containers of the service that were on the engine beside the one that was about to get the volume. */
const others: string[] = [];
function noteOthers(runtime: Runtime): Runtime {
  return {
    ...runtime,
    startContainer: async (spec, beforeStart) => {
      const { [labels.installation]: installation = '', [labels.service]: service } = spec.labels;
      const { containers } = await runtime.inventory(installation);
      const siblings = containers.filter(
        ({ name, labels: own }) => own[labels.service] === service && name !== spec.name,
      );
      if (spec.volume !== undefined) others.push(...siblings.map(({ name }) => name));
      return runtime.startContainer(spec, beforeStart);
    },
  };
}

/** By the address that its environment's code services are given, from the host by the container's own address. */
async function inDatabase<T>(work: (client: postgres.Sql) => Promise<T>): Promise<T> {
  const given = await readVariable(world.control, world.caller, appId, 'DATABASE_URL');
  expect(new URL(given).hostname).toBe('db');
  const [job] = await livingJobs(world, databaseId);
  const client = postgres(given.replace('@db:', `@${job?.address}:`), { max: 1 });
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

test('its data is there after a redeploy, and never were there two writers on the volume', async () => {
  await inDatabase(async (client) => {
    await client`create table if not exists kept (word text)`;
    await client`insert into kept values ('over a redeploy')`;
  });
  const writers = watchWriters(volumeName(databaseId));
  expect((await redeployed(world, databaseId)).state).toBe('SUCCEEDED');
  const { most, samples } = await writers.stop();
  expect(await inDatabase((client) => client`select word from kept`)).toEqual([{ word: 'over a redeploy' }]);
  expect(most).toBe(1);
  expect(samples).toBeGreaterThan(10);
  await expectPeace(world);
}, 60_000);

test('what had the volume is gone from the engine before another gets it, for its start may still be on its way', async () => {
  expect((await redeployed(world, databaseId)).state).toBe('SUCCEEDED');
  const [job] = await livingJobs(world, databaseId);
  await new Docker().getContainer(containerName(job?.id ?? '')).kill();
  const isAnother = (rows: readonly JobRow[]) =>
    rows.some(({ id, health }) => id !== job?.id && health === 'HEALTHY');
  await until('it is replaced', () => livingJobs(world, databaseId), isAnother, 30_000);
  expect(others).toEqual([]);
  await expectPeace(world);
}, 60_000);

test('redeploys that supersede each other in a hurry never make two writers, and lose nothing', async () => {
  await inDatabase((client) => client`create table if not exists hurried (word text)`);
  const writers = watchWriters(volumeName(databaseId));
  const states: string[] = [];
  let last = '';
  for (let round = 0; round < 6; round++) {
    const earlier = last;
    last = await askRedeploy(world, databaseId);
    if (earlier !== '') states.push((await endOfRedeploy(world, earlier)).state);
    // A little further into the redeploy each time.
    await new Promise((resolve) => setTimeout(resolve, round * 130));
  }
  expect((await endOfRedeploy(world, last, 60_000)).state).toBe('SUCCEEDED');
  expect((await writers.stop()).most).toBe(1);
  expect(states).toContain('SUPERSEDED');
  expect(await inDatabase((client) => client`select count(*)::int as rows from hurried`)).toEqual([
    { rows: 0 },
  ]);
  await expectPeace(world);
}, 120_000);

test('a database has one job at most', async () => {
  const two = updateService(world.control, world.caller, { serviceId: databaseId, scale: 2 });
  await expect(two).rejects.toMatchObject({ code: 'INVALID', inputPath: ['input', 'scale'] });
});
