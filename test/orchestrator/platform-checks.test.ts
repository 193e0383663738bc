// Checks by the engine's eye and commands inside jobs, on a real engine: the right state with the right text, one incident
// for one fault, and an end of it by itself.
import { randomBytes } from 'node:crypto';
import { eq } from 'drizzle-orm';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createCheck, runCheck } from '../../src/control/checks.ts';
import { createService } from '../../src/control/create-service.ts';
import { stopService } from '../../src/control/delete-service.ts';
import { setVariables } from '../../src/control/variables.ts';
import type { ObservedState } from '../../src/model/monitoring/observations.ts';
import { listChecksOf } from '../../src/postgres/checks.ts';
import { checks } from '../../src/postgres/tables/checks.ts';
import { openDocker } from '../../src/runtime/docker.ts';
import { checkOf, incidentsOf, resultsOf } from '../support/monitored.ts';
import { type FreshDatabase, freshDatabase } from '../support/postgres.ts';
import {
  newEnvironment,
  newRelease,
  newService,
  openWorld,
  redeployed,
  until,
  type World,
} from '../support/world.ts';
import { livingJobs } from './looks.ts';

let database: FreshDatabase;
let world: World;
let environmentId: string;

beforeAll(async () => {
  database = await freshDatabase();
  world = await openWorld(database.url);
  environmentId = await newEnvironment(world, 'PRODUCTION');
}, 120_000);
afterAll(async () => {
  await world?.close();
  await database?.drop();
});

const db = () => world.control.store.db;
const rowOf = (checkId: string) => db().select().from(checks).where(eq(checks.id, checkId));
const incidentsOfService = (serviceId: string) => incidentsOf(world, { serviceId });
const idOf = async (serviceId: string, name: string, within = environmentId) =>
  (await checkOf(world, within, serviceId, name)).id;

/** Made as often as can be, from now on. */
async function quick(serviceId: string): Promise<void> {
  const soon = { intervalSeconds: 5, dueAt: new Date(0) };
  const all = (await listChecksOf(db(), environmentId)).filter((each) => each.serviceId === serviceId);
  for (const { id, dueAt } of all)
    if (dueAt !== null) await db().update(checks).set(soon).where(eq(checks.id, id));
}

async function seen(checkId: string, state: ObservedState, output: RegExp) {
  const rows = await until(
    `a result is ${state}: ${output}`,
    () => resultsOf(world, checkId),
    (found) => found.some((row) => row.state === state && output.test(row.output)),
    60_000,
  );
  expect(rows.every(({ source }) => source === 'CONTROL_PLANE')).toBe(true);
  return rows;
}

/** What a check says now that somebody asks. */
async function asked(checkId: string) {
  const before = (await resultsOf(world, checkId)).length;
  await runCheck(world.control, world.caller, { checkId });
  const rows = await until(
    'it was run',
    () => resultsOf(world, checkId),
    (found) => found.length > before,
    45_000,
  );
  return rows[before];
}

test('a crash loop is one incident with its reason, and ends by itself with the redeploy that mends it', {
  timeout: 180_000,
}, async () => {
  const { serviceId } = await newService(world, { environmentId });
  await redeployed(world, serviceId);
  await quick(serviceId);
  await seen(await idOf(serviceId, 'jobs'), 'OK', /^web: 1 of 1 job runs\.$/);
  await seen(await idOf(serviceId, 'memory'), 'OK', /of 64 MiB/);
  expect(await incidentsOfService(serviceId)).toEqual([]);
  // Healthy for a moment, and dead: what a redeploy takes for good and time shows to be bad.
  await newRelease(world, serviceId, {
    web: 'mkdir -p /tmp/www; httpd -p 8080 -h /tmp/www; sleep 2; exit 7',
  });
  expect((await redeployed(world, serviceId)).state).toBe('SUCCEEDED');
  await seen(await idOf(serviceId, 'restarts'), 'CRITICAL', /Crash loop of web\..*code 7/);
  await seen(await idOf(serviceId, 'jobs'), 'CRITICAL', /0 of 1/);
  await until(
    'the incident is open',
    () => incidentsOfService(serviceId),
    (rows) => rows.length === 1 && rows[0]?.state === 'OPEN',
    30_000,
  );
  await newRelease(world, serviceId, {
    web: 'mkdir -p /tmp/www; exec httpd -f -p 8080 -h /tmp/www',
  });
  expect((await redeployed(world, serviceId)).state).toBe('SUCCEEDED');
  const all = await until(
    'it is over',
    () => incidentsOfService(serviceId),
    (rows) => rows.every(({ state }) => state === 'RESOLVED'),
    60_000,
  );
  expect(all).toMatchObject([{ checkId: await idOf(serviceId, 'restarts'), resolution: 'RECOVERED' }]);
});

test('a volume that fills up is CRITICAL, and well again when there is room', {
  timeout: 240_000,
}, async () => {
  const input = { type: 'CACHE' as const, runtime: 'REDIS' as const, label: 'store', environmentId };
  const postgres = {
    type: 'DATABASE' as const,
    runtime: 'POSTGRESQL' as const,
    label: 'rows',
    environmentId,
  };
  const cache = await createService(world.control, world.caller, input);
  const made = await createService(world.control, world.caller, {
    ...postgres,
    size: { memoryMiB: 256, storageGiB: 1 },
  });
  const { serviceId } = made.ids;
  expect((await redeployed(world, serviceId)).state).toBe('SUCCEEDED');
  const disk = await idOf(serviceId, 'disk');
  expect(await asked(disk)).toMatchObject({ state: 'OK', output: expect.stringMatching(/of 1 GiB/) });
  const [job] = await livingJobs(world, serviceId);
  const runtime = openDocker({ host: undefined, subnetRange: '10.212.0.0/16' });
  const inside = (...command: string[]) => runtime.runInside(job?.containerId ?? '', command, 60_000);
  try {
    const path = '/var/lib/postgresql/data/filler';
    const filled = await inside('dd', 'if=/dev/zero', `of=${path}`, 'bs=1M', 'count=990');
    expect(filled.exitCode).toBe(0);
    expect(await asked(disk)).toMatchObject({
      state: 'CRITICAL',
      output: expect.stringMatching(/disk_used/),
    });
    const open = await incidentsOfService(serviceId);
    expect(open).toMatchObject([{ checkId: disk, state: 'OPEN' }]);
    await inside('rm', path);
    expect(await asked(disk)).toMatchObject({ state: 'OK' });
    expect(await incidentsOfService(serviceId)).toMatchObject([{ state: 'RESOLVED' }]);
  } finally {
    runtime.close();
  }
  const names = (await listChecksOf(db(), environmentId)).filter(
    (each) => each.serviceId === cache.ids.serviceId,
  );
  expect(names.map(({ name }) => name)).not.toContain('disk');
});

test('commands inside a job: exit codes, numbers, secrets, too long, and nothing to run in', {
  timeout: 180_000,
}, async () => {
  const { serviceId } = await newService(world, { environmentId });
  const secret = randomBytes(12).toString('hex');
  await setVariables(world.control, world.caller, {
    serviceId,
    variables: [{ name: 'TOKEN', value: secret }],
  });
  await redeployed(world, serviceId);
  const shell = async (name: string, line: string, more: object = {}, timeoutSeconds = 2) => {
    const command = ['/bin/sh', '-c', line];
    const settings = { COMMAND: { command, ...more } };
    const made = await createCheck(world.control, world.caller, {
      ...{ serviceId, name, settings, intervalSeconds: 86_400, timeoutSeconds },
    });
    const { checkId } = made.ids;
    await db()
      .update(checks)
      .set({ dueAt: new Date(Date.now() + 3_600_000) })
      .where(eq(checks.id, checkId));
    return asked(checkId);
  };
  expect(await shell('well', 'echo "fine | left=7;3;1"')).toMatchObject({
    ...{ state: 'OK', output: 'fine', metrics: [{ name: 'left', value: 7, warning: 3, critical: 1 }] },
  });
  expect(await shell('low', 'echo low; exit 1')).toMatchObject({ state: 'WARNING', output: 'low' });
  expect(await shell('bad', 'echo bad >&2; exit 2')).toMatchObject({ state: 'CRITICAL', output: 'bad' });
  expect(await shell('odd', 'exit 77')).toMatchObject({ state: 'UNKNOWN' });
  const told = await shell('secret', 'echo "the token is $TOKEN"');
  expect(told?.output).toBe('the token is [redacted]');
  expect(await shell('raw', `printf 'a\\377b\\000c'`)).toMatchObject({ state: 'OK' });
  const much = await shell('much', 'yes | head -c 3000000');
  expect(much?.output.length).toBeLessThan(10_000);
  expect(await shell('long', 'sleep 20')).toMatchObject({
    ...{ state: 'UNKNOWN', output: expect.stringMatching(/did not end within 2 s/) },
  });
  const again = await asked(await idOf(serviceId, 'long'));
  expect(again?.output).toMatch(/the one before it still runs/);
  // Due and asked for at one time: both are answered, neither is in the other's way, and the next time stays what it was.
  const slow = await shell('slow', 'sleep 6; echo done', {}, 20);
  expect(slow).toMatchObject({ state: 'OK', output: 'done' });
  const slowId = await idOf(serviceId, 'slow');
  const [{ dueAt: planned } = { dueAt: null }] = await rowOf(slowId);
  await asked(slowId);
  expect(await rowOf(slowId)).toMatchObject([{ dueAt: planned }]);
  await runCheck(world.control, world.caller, { checkId: slowId });
  await db()
    .update(checks)
    .set({ dueAt: new Date(0) })
    .where(eq(checks.id, slowId));
  await until(
    'all is made',
    () => rowOf(slowId),
    ([row]) => row?.runRequestedAt === null && (row.dueAt?.getTime() ?? 0) > Date.now(),
    60_000,
  );
  expect((await resultsOf(world, slowId)).map(({ output }) => output)).not.toContainEqual(
    expect.stringMatching(/still runs/),
  );
  expect(await shell('nowhere', 'true', { worker: 'none' })).toMatchObject({
    ...{ state: 'UNKNOWN', output: 'No none worker job runs to run the command in.' },
  });
  expect(await shell('worker', 'echo "$PROCFILE_TARGET"', { worker: 'worker' })).toBeDefined();
});

test('checks of a service that depend on each other are due together', async () => {
  const { serviceId } = await newService(world, { environmentId });
  const [jobs] = await rowOf(await idOf(serviceId, 'jobs'));
  const [restarts] = await rowOf(await idOf(serviceId, 'restarts'));
  expect(jobs).toMatchObject({ dueAt: restarts?.dueAt, dependsOn: [restarts?.id] });
});

test('memory that is nearly used up is told of, and so is that it is free again', {
  timeout: 120_000,
}, async () => {
  const { serviceId } = await newService(world, { environmentId });
  await redeployed(world, serviceId);
  const memory = await idOf(serviceId, 'memory');
  const [job] = await livingJobs(world, serviceId);
  const runtime = openDocker({ host: undefined, subnetRange: '10.212.0.0/16' });
  const inside = (...command: string[]) => runtime.runInside(job?.containerId ?? '', command, 30_000);
  try {
    const path = '/dev/shm/filler';
    expect((await inside('dd', 'if=/dev/zero', `of=${path}`, 'bs=1M', 'count=55')).exitCode).toBe(0);
    const full = await asked(memory);
    expect(full).toMatchObject({
      state: 'WARNING',
      output: expect.stringMatching(/^web\.1 uses .* of 64 MiB/),
    });
    await inside('rm', path);
    expect(await asked(memory)).toMatchObject({ state: 'OK' });
  } finally {
    runtime.close();
  }
});

test('in a sandbox they are made when somebody asks, and only then', { timeout: 60_000 }, async () => {
  const sandboxed = await newService(world);
  await redeployed(world, sandboxed.serviceId);
  for (const [name, output] of [
    ['jobs', /1 of 1/],
    ['memory', /of 64 MiB/],
    ['restarts', /No job died/],
  ] as const) {
    const id = await idOf(sandboxed.serviceId, name, sandboxed.environmentId);
    expect(await asked(id)).toMatchObject({ state: 'OK', output: expect.stringMatching(output) });
    expect(await rowOf(id)).toMatchObject([{ dueAt: null, runRequestedAt: null }]);
    expect(await resultsOf(world, id)).toHaveLength(1);
  }
});

test('of a service that is stopped nothing is checked, and what was said of it is over', {
  timeout: 120_000,
}, async () => {
  const { serviceId } = await newService(world, { environmentId });
  await redeployed(world, serviceId);
  await quick(serviceId);
  const jobs = await idOf(serviceId, 'jobs');
  await seen(jobs, 'OK', /1 of 1/);
  await stopService(world.control, world.caller, { serviceId });
  await until(
    'it is forgotten',
    () => db().select().from(checks).where(eq(checks.id, jobs)),
    ([row]) => row?.state === 'PENDING',
    30_000,
  );
  expect(await incidentsOfService(serviceId)).toEqual([]);
});
