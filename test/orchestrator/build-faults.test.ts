// A build that meets a fault which passes: it is begun again by itself, for pushing the same commit again would push nothing.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { EngineFault } from '../../src/runtime/runtime.ts';
import { type FreshDatabase, freshDatabase } from '../support/postgres.ts';
import { newService, openWorld, type World } from '../support/world.ts';
import { buildLogOf, endOfBuild, push } from './pushed.ts';

let database: FreshDatabase;
let world: World;
let faults: EngineFault[] = [];

beforeAll(async () => {
  database = await freshDatabase();
  world = await openWorld(database.url, {
    runtime: (runtime) => ({
      ...runtime,
      buildImage: (...args) => {
        const fault = faults.shift();
        return fault === undefined ? runtime.buildImage(...args) : Promise.reject(fault);
      },
    }),
  });
});
afterAll(async () => {
  await world?.close();
  await database?.drop();
});

const source = { Dockerfile: 'FROM busybox:1\nCMD ["httpd", "-f", "-p", "8080", "-h", "/tmp"]\n' };

test('an engine that was away for a moment only delays it', async () => {
  const { serviceId } = await newService(world);
  faults = [new EngineFault('build image', 'build image: the engine can not be reached.', undefined)];
  const { id } = await push(world, serviceId, source);
  expect(await endOfBuild(world, id)).toMatchObject({ state: 'FINISHED', attempt: 2 });
  expect((await buildLogOf(world, id)).join(' ')).toContain('another attempt comes in 10 s');
}, 120_000);

test('what the engine holds to be wrong ends it at once', async () => {
  const { serviceId } = await newService(world);
  faults = [new EngineFault('build image', 'build image: no such option.', 400)];
  const { id } = await push(world, serviceId, source);
  expect(await endOfBuild(world, id)).toMatchObject({ state: 'FAILED', attempt: 1 });
}, 120_000);
