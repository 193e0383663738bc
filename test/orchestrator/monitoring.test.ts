// The monitoring service on a real engine: deployed with its environment, told what to check, its results taken each once and
// in order, incidents opened and resolved by themselves.
import { randomBytes } from 'node:crypto';
import Docker from 'dockerode';
import { asc, eq } from 'drizzle-orm';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createCheck, runCheck } from '../../src/control/checks.ts';
import { createService } from '../../src/control/create-service.ts';
import { stopService } from '../../src/control/delete-service.ts';
import { createEnvironment } from '../../src/control/environments.ts';
import { redeployService } from '../../src/control/redeploy.ts';
import { containerName } from '../../src/model/jobs.ts';
import { listChecksOf } from '../../src/postgres/checks.ts';
import { listServicesOf } from '../../src/postgres/services.ts';
import { checkResults, checks, resultStreams } from '../../src/postgres/tables/checks.ts';
import * as monitored from '../support/monitored.ts';
import { type FreshDatabase, freshDatabase } from '../support/postgres.ts';
import { newEnvironment, newService, openWorld, redeployed, until, type World } from '../support/world.ts';
import { livingJobs } from './looks.ts';

let database: FreshDatabase;
let world: World;
let environmentId: string;
let monitorId: string;

beforeAll(async () => {
  database = await freshDatabase();
  world = await openWorld(database.url, { settings: { included: ['MONITORING'], monitorSilenceSeconds: 4 } });
  environmentId = await newEnvironment(world, 'PRODUCTION');
  const services = await listServicesOf(world.control.store.db, environmentId);
  monitorId = services.find((each) => each.type === 'MONITORING')?.id ?? '';
  await until(
    'the monitor runs',
    () => livingJobs(world, monitorId),
    (jobs) => jobs[0]?.health === 'HEALTHY',
    90_000,
  );
}, 180_000);
afterAll(async () => {
  await world?.close();
  await database?.drop();
});

const db = () => world.control.store.db;
const resultsOf = (checkId: string) => monitored.resultsOf(world, checkId);
const incidentsOf = (checkId: string) => monitored.incidentsOf(world, { checkId });

async function quick(serviceId: string, name: string): Promise<string> {
  const { id } = await monitored.checkOf(world, environmentId, serviceId, name);
  await db()
    .update(checks)
    .set({ intervalSeconds: 1, timeoutSeconds: 1, attempts: 2 })
    .where(eq(checks.id, id));
  return id;
}

test('a sandbox has no monitor, and every other environment one that customers leave alone', async () => {
  const sandbox = await createEnvironment(world.control, world.caller, {
    name: `Box ${randomBytes(4).toString('hex')}`,
    kind: 'SANDBOX',
  });
  expect(await listServicesOf(db(), sandbox.ids.environmentId)).toEqual([]);
  const customer = { ...world.caller, operator: false };
  const refused = { code: 'NOT_REDEPLOYABLE', message: expect.stringContaining('operated by the platform') };
  await expect(redeployService(world.control, customer, { serviceId: monitorId })).rejects.toMatchObject(
    refused,
  );
  await expect(stopService(world.control, customer, { serviceId: monitorId })).rejects.toMatchObject(refused);
});

test('a check is run on demand: in a sandbox by the control plane, elsewhere by the monitor', {
  timeout: 120_000,
}, async () => {
  const sandboxed = await newService(world);
  await redeployed(world, sandboxed.serviceId);
  const port = (await listChecksOf(db(), sandboxed.environmentId)).find((each) => each.name === 'port');
  const answered = async (checkId: string, state: string, source: string) => {
    const before = (await resultsOf(checkId)).length;
    await runCheck(world.control, world.caller, { checkId });
    await until(
      'the result is there',
      () => resultsOf(checkId),
      (rows) => rows.slice(before).some((row) => row.state === state && row.source === source),
      45_000,
    );
    await until(
      'the request is answered for good',
      () => db().select().from(checks).where(eq(checks.id, checkId)),
      ([row]) => row?.runRequestedAt === null,
      5_000,
    );
  };
  await answered(port?.id ?? '', 'OK', 'CONTROL_PLANE');
  await stopService(world.control, world.caller, { serviceId: sandboxed.serviceId });
  await until(
    'it has stopped',
    () => livingJobs(world, sandboxed.serviceId),
    (jobs) => jobs.length === 0,
    45_000,
  );
  await answered(port?.id ?? '', 'CRITICAL', 'CONTROL_PLANE');
  const monitored = await newService(world, { environmentId });
  await redeployed(world, monitored.serviceId);
  const made = {
    serviceId: monitored.serviceId,
    name: 'front',
    intervalSeconds: 86_400,
    settings: { HTTP: {} },
  };
  const { ids } = await createCheck(world.control, world.caller, made);
  await answered(ids.checkId, 'CRITICAL', 'MONITOR');
});

test('databases and caches are signed in to as their clients do', { timeout: 150_000 }, async () => {
  const wanted = [
    { type: 'CACHE', runtime: 'REDIS', label: 'redis' },
    { type: 'CACHE', runtime: 'MEMCACHED', label: 'memcached' },
    { type: 'DATABASE', runtime: 'POSTGRESQL', label: 'postgresql' },
    { type: 'DATABASE', runtime: 'MARIADB', label: 'mariadb' },
  ] as const;
  const made = wanted.map((input) => createService(world.control, world.caller, { ...input, environmentId }));
  const ids = (await Promise.all(made)).map((each) => each.ids.serviceId);
  const own = async () => {
    const checked = await listChecksOf(db(), environmentId);
    return checked.filter(({ serviceId, name }) => ids.includes(serviceId) && name !== 'port');
  };
  for (const { serviceId, name } of await own()) await quick(serviceId, name);
  await until('all are OK', own, (rows) => rows.every(({ state }) => state === 'OK'), 120_000);
});

test('a service that dies raises one incident, which ends by itself; results keep their order over a redeploy of the monitor', {
  timeout: 150_000,
}, async () => {
  const { serviceId } = await newService(world, { environmentId });
  const portId = await quick(serviceId, 'port');
  expect((await redeployed(world, serviceId)).state).toBe('SUCCEEDED');
  await until(
    'the check is OK',
    () => resultsOf(portId),
    (rows) => rows.some((row) => row.state === 'OK' && !row.maintenance),
    30_000,
  );
  const [job] = await livingJobs(world, serviceId);
  const container = new Docker().getContainer(containerName(job?.id ?? ''));
  await container.pause();
  const open = await until(
    'an incident is open',
    () => incidentsOf(portId),
    (rows) => rows.length > 0,
    30_000,
  );
  expect(open).toMatchObject([{ state: 'OPEN', worst: 'CRITICAL' }]);
  await container.unpause();
  await until(
    'it is resolved',
    () => incidentsOf(portId),
    (rows) => rows[0]?.state === 'RESOLVED',
    30_000,
  );
  expect((await redeployed(world, monitorId)).state).toBe('SUCCEEDED');
  const before = (await resultsOf(portId)).length;
  await until(
    'results go on',
    () => resultsOf(portId),
    (rows) => rows.length > before + 3,
    30_000,
  );
  expect(await incidentsOf(portId)).toHaveLength(1);
  const all = await db()
    .select({ seq: checkResults.seq })
    .from(checkResults)
    .where(eq(checkResults.environmentId, environmentId))
    .orderBy(asc(checkResults.seq));
  expect(all.map(({ seq }) => seq)).toEqual(all.map((_row, index) => index + 1));
  const times = (await resultsOf(portId)).map(({ startedAt }) => startedAt.getTime());
  expect(times).toEqual([...times].sort((a, b) => a - b));
  const [stream] = await db()
    .select()
    .from(resultStreams)
    .where(eq(resultStreams.environmentId, environmentId));
  expect(stream?.lastSeq).toBe(all.length);
});

test('a monitor that is frozen is told of as CRITICAL, and its results come once it goes on', {
  timeout: 120_000,
}, async () => {
  const own = (await listChecksOf(db(), environmentId)).find((each) => each.type === 'MONITOR');
  const checkId = own?.id ?? '';
  await until(
    'the monitor is heard',
    () => resultsOf(checkId),
    (rows) => rows.at(-1)?.state === 'OK',
    30_000,
  );
  const [job] = await livingJobs(world, monitorId);
  const container = new Docker().getContainer(containerName(job?.id ?? ''));
  await container.pause();
  try {
    const [incident] = await until(
      'its silence is an incident',
      () => incidentsOf(checkId),
      (rows) => rows.some((row) => row.state === 'OPEN'),
      40_000,
    );
    expect(incident?.output).toMatch(/The monitor has been silent for \d+ s/);
  } finally {
    await container.unpause();
  }
  await until(
    'it is resolved',
    () => incidentsOf(checkId),
    (rows) => rows.every((row) => row.state === 'RESOLVED'),
    60_000,
  );
});

test('a monitor that is killed is replaced, and goes on with its numbers', { timeout: 120_000 }, async () => {
  const [job] = await livingJobs(world, monitorId);
  await new Docker().getContainer(containerName(job?.id ?? '')).kill({ signal: 'SIGKILL' });
  const killedAt = new Date();
  await until(
    'another job makes results',
    () => db().select().from(checkResults).where(eq(checkResults.environmentId, environmentId)),
    (rows) => rows.some(({ source, startedAt }) => source === 'MONITOR' && startedAt > killedAt),
    60_000,
  );
  expect((await livingJobs(world, monitorId))[0]?.id).not.toBe(job?.id);
  await expectAllTaken();
});

test('a monitor whose results can not be kept does not count as well, and none of them is lost', {
  timeout: 120_000,
}, async () => {
  const own = (await listChecksOf(db(), environmentId)).find((each) => each.type === 'MONITOR');
  const { raw } = world.control.store;
  await raw`create function refuse() returns trigger language plpgsql as $$ begin
    if new.source = 'MONITOR' then raise exception 'no room'; end if; return new; end $$`;
  await raw`create trigger refusing before insert on check_results for each row execute function refuse()`;
  try {
    await until(
      'it is an incident',
      () => incidentsOf(own?.id ?? ''),
      (rows) => rows.some((row) => row.state === 'OPEN' && row.output.includes('can not be kept')),
      40_000,
    );
  } finally {
    await raw`drop trigger refusing on check_results`;
  }
  await until(
    'it is resolved',
    () => incidentsOf(own?.id ?? ''),
    (rows) => rows.every((row) => row.state === 'RESOLVED'),
    60_000,
  );
  await expectAllTaken();
});

/** The monitor's store numbers from 1 without a hole: as many are kept as its last number says. */
async function expectAllTaken(): Promise<void> {
  const [row] = await world.control.store.raw`
    select taken_seq::int as taken, (select count(*)::int from check_results kept
      where kept.environment_id = stream.environment_id and kept.source = 'MONITOR') as kept
    from result_streams stream where environment_id = ${environmentId}`;
  expect(row?.kept).toBe(row?.taken);
}
