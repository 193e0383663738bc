// A service proxy that can't be told anything for a while, because the engine takes no files for it: no job is stopped that it
// still sends requests to, however long its time to drain is over, and visitors notice nothing of that.
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { stopService } from '../../src/control/delete-service.ts';
import { EngineFault } from '../../src/runtime/runtime.ts';
import { expectPeace } from '../support/oracle.ts';
import { type FreshDatabase, freshDatabase } from '../support/postgres.ts';
import { addressOf, openSite, runningJobs, type Site, sendVisitors } from '../support/site.ts';
import { askRedeploy, endOfRedeploy, openWorld, until, type World } from '../support/world.ts';

let database: FreshDatabase;
let world: World;
let site: Site;
/** Files that the engine refused to take. */
let refused = 0;
let isUntold = false;

beforeAll(async () => {
  database = await freshDatabase();
  world = await openWorld(database.url, {
    settings: { settleSeconds: 0.3 },
    runtime: (runtime) => ({
      ...runtime,
      putFiles: async (...args) => {
        if (!isUntold) return runtime.putFiles(...args);
        refused += 1;
        throw new EngineFault('write files', 'The engine takes none.', 500);
      },
    }),
  });
  site = await openSite(world);
}, 90_000);
beforeEach(() => {
  refused = 0;
});
afterAll(async () => {
  isUntold = false;
  await world?.close();
  await database?.drop();
});

/** Drained since so long before now that its time was over so many seconds ago. */
async function makeLate(seconds: number): Promise<void> {
  const { raw } = world.control.store;
  const late = () => raw`update jobs set drain_until = now() - make_interval(secs => ${seconds})
    where service_id = ${site.serviceId} and state = 'RUNNING' and rotation = 'DRAINING' returning id`;
  await until('a job is drained', late, (rows) => rows.length > 0);
}

async function isStillTried(): Promise<void> {
  const target = refused + 2;
  const tries = async () => refused;
  await until('it is told in vain', tries, (count) => count >= target);
}

test('a RECREATE waits with its stops until the proxy is told, and goes on then', async () => {
  const before = await runningJobs(world, site.serviceId);
  const load = sendVisitors(await addressOf(world, site), site.host);
  isUntold = true;
  const redeployId = await askRedeploy(world, site.serviceId);
  await makeLate(30);
  await isStillTried();
  expect((await runningJobs(world, site.serviceId)).map(({ id }) => id)).toEqual(before.map(({ id }) => id));
  expect(Object.keys(load.visits.seen)).toEqual(['200']);
  isUntold = false;
  expect((await endOfRedeploy(world, redeployId)).state).toBe('SUCCEEDED');
  const { seen } = await load.end();
  expect(Object.keys(seen).filter((status) => !['200', '503'].includes(status))).toEqual([]);
  await expectPeace(world);
}, 60_000);

test('one that can not be told by its deadline fails, and what ran before serves on', async () => {
  const before = await runningJobs(world, site.serviceId);
  const load = sendVisitors(await addressOf(world, site), site.host);
  isUntold = true;
  const redeployId = await askRedeploy(world, site.serviceId, { deadlineSeconds: 10 });
  await makeLate(0);
  await until(
    'it is being undone',
    async () =>
      (await world.control.store.raw`select cause from redeploys where id = ${redeployId}`)[0]?.cause,
    (cause) => cause?.kind === 'DEADLINE_EXCEEDED',
  );
  isUntold = false;
  expect((await endOfRedeploy(world, redeployId)).state).toBe('ROLLED_BACK');
  expect((await runningJobs(world, site.serviceId)).map(({ id }) => id)).toEqual(before.map(({ id }) => id));
  const { seen } = await load.end();
  expect(Object.keys(seen)).toEqual(['200']);
  await expectPeace(world);
}, 60_000);

test('jobs of a service that is stopped go after a minute whatever the proxies know', async () => {
  const { serviceId } = site;
  isUntold = true;
  await stopService(world.control, world.caller, { serviceId });
  await makeLate(30);
  await isStillTried();
  expect(await runningJobs(world, serviceId)).toHaveLength(2);
  await makeLate(60);
  await until(
    'they are stopped',
    () => runningJobs(world, serviceId),
    (jobs) => jobs.length === 0,
  );
  isUntold = false;
  await expectPeace(world);
}, 60_000);
