// Faults of the real thing, seen by the monitor and by the engine's eye: the right state with the right text, one incident for
// one fault, over by itself when the fault is.
import Docker from 'dockerode';
import { eq } from 'drizzle-orm';
import postgres, { type Sql } from 'postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createCheck } from '../../src/control/checks.ts';
import { createService } from '../../src/control/create-service.ts';
import { containerName } from '../../src/model/jobs.ts';
import type { Credentials } from '../../src/model/service-types/engine-kind.ts';
import { listChecksOf } from '../../src/postgres/checks.ts';
import { listServicesById, listServicesOf } from '../../src/postgres/services.ts';
import { checkResults, checks } from '../../src/postgres/tables/checks.ts';
import { openSecrets } from '../../src/postgres/variables.ts';
import { openDocker } from '../../src/runtime/docker.ts';
import { checkOf, incidentsOf } from '../support/monitored.ts';
import { type FreshDatabase, freshDatabase } from '../support/postgres.ts';
import { newEnvironment, newService, openWorld, redeployed, until, type World } from '../support/world.ts';
import { livingJobs } from './looks.ts';

let database: FreshDatabase;
let world: World;
let environmentId: string;
const runtime = openDocker({ host: undefined, subnetRange: '10.212.0.0/16' });

beforeAll(async () => {
  database = await freshDatabase();
  const included = ['SERVICE_PROXY', 'MONITORING'] as const;
  world = await openWorld(database.url, { settings: { included: [...included] } });
  environmentId = await newEnvironment(world, 'PRODUCTION');
  for (const service of await listServicesOf(db(), environmentId))
    await until(
      `the ${service.label} runs`,
      () => livingJobs(world, service.id),
      (jobs) => jobs[0]?.health === 'HEALTHY',
      120_000,
    );
}, 240_000);
afterAll(async () => {
  runtime.close();
  await world?.close();
  await database?.drop();
});

const db = () => world.control.store.db;

const checkNamed = (serviceId: string, name: string) => checkOf(world, environmentId, serviceId, name);

/** All checks of a service as often as can be. */
async function quick(serviceId: string): Promise<void> {
  for (const { id, serviceId: of, dueAt } of await listChecksOf(db(), environmentId))
    if (of === serviceId)
      await db()
        .update(checks)
        .set(
          dueAt === null
            ? { intervalSeconds: 1, timeoutSeconds: 2, attempts: 2 }
            : { intervalSeconds: 5, dueAt: new Date(0) },
        )
        .where(eq(checks.id, id));
}

const settled = (serviceId: string, name: string) =>
  until(
    `${name} is OK`,
    () => checkNamed(serviceId, name),
    ({ state, hard }) => state === 'OK' && hard,
    60_000,
  );

/** What the fault does: one incident with these words, which ends by itself once the fault is over. */
async function oneIncident(serviceId: string, name: string, output: RegExp, mend: () => Promise<unknown>) {
  const before = (await incidentsOf(world, { serviceId })).length;
  const { id } = await checkNamed(serviceId, name);
  const open = await until(
    `${name} has an incident`,
    () => incidentsOf(world, { serviceId }),
    (rows) => rows.length > before,
    60_000,
  );
  expect(open.at(-1)).toMatchObject({ checkId: id, state: 'OPEN', output: expect.stringMatching(output) });
  await mend();
  const after = await until(
    'it is over',
    () => incidentsOf(world, { serviceId }),
    (rows) => rows.every(({ state }) => state === 'RESOLVED'),
    60_000,
  );
  expect(after).toHaveLength(before + 1);
  expect(after.at(-1)).toMatchObject({ resolution: 'RECOVERED' });
}

async function inside(serviceId: string, line: string): Promise<void> {
  const [job] = await livingJobs(world, serviceId);
  const run = await runtime.runInside(job?.containerId ?? '', ['/bin/sh', '-c', line], 10_000);
  expect(run).toMatchObject({ end: 'EXITED', exitCode: 0 });
}

const answer = (text: string) => `echo '${text}' > /tmp/answer`;
const well = answer('printf "HTTP/1.0 200 OK\\r\\n\\r\\nfine"');
const web = `mkdir -p /tmp/www/cgi-bin; printf '#!/bin/sh\\n. /tmp/answer\\n' > /tmp/www/cgi-bin/state;
  chmod +x /tmp/www/cgi-bin/state; ${well}; exec httpd -f -p 8080 -h /tmp/www`;

test('an app that answers 500, and one that hangs', { timeout: 240_000 }, async () => {
  const { serviceId } = await newService(world, { environmentId, commands: { web } });
  await createCheck(world.control, world.caller, {
    ...{ serviceId, name: 'page', settings: { HTTP: { path: '/cgi-bin/state' } } },
    ...{ intervalSeconds: 1, timeoutSeconds: 2, attempts: 2 },
  });
  await redeployed(world, serviceId);
  await settled(serviceId, 'page');
  await inside(serviceId, answer('printf "HTTP/1.0 500 Oops\\r\\n\\r\\nno"'));
  await oneIncident(serviceId, 'page', /500/, () => inside(serviceId, well));
  await inside(serviceId, answer('sleep 5'));
  await oneIncident(serviceId, 'page', /within|time/i, () => inside(serviceId, well));
});

test('a database whose connections are used up, and one that is killed', { timeout: 240_000 }, async () => {
  const made = await createService(world.control, world.caller, {
    ...{ environmentId, type: 'DATABASE', runtime: 'POSTGRESQL', label: 'rows', size: { memoryMiB: 256 } },
  });
  const { serviceId } = made.ids;
  await until(
    'it runs',
    () => livingJobs(world, serviceId),
    (jobs) => jobs[0]?.health === 'HEALTHY',
    90_000,
  );
  await quick(serviceId);
  await settled(serviceId, 'postgresql');
  const clients = await useUp(serviceId);
  await oneIncident(serviceId, 'postgresql', /connections|clients/i, () =>
    Promise.all(clients.map((each) => each.end())),
  );
  const [job] = await livingJobs(world, serviceId);
  await new Docker().getContainer(containerName(job?.id ?? '')).kill({ signal: 'SIGKILL' });
  await until(
    'its death is told',
    () => db().select().from(checkResults).where(eq(checkResults.serviceId, serviceId)),
    (rows) => rows.some(({ output }) => /^1 job died within the last hour\. .*137/.test(output)),
    60_000,
  );
  await settled(serviceId, 'postgresql');
  await until(
    'all is over',
    () => incidentsOf(world, { serviceId }),
    (rows) => rows.every(({ state }) => state === 'RESOLVED'),
    60_000,
  );
});

async function useUp(serviceId: string): Promise<Sql[]> {
  const [service] = await listServicesById(db(), [serviceId]);
  const id = service?.credentialsId ?? '';
  const secrets = await openSecrets(db(), world.control.vault, [id]);
  const { user, password, database } = JSON.parse(secrets.get(id) ?? '{}') as Credentials;
  const [job] = await livingJobs(world, serviceId);
  const host = job?.address ?? '';
  const clients: Sql[] = [];
  for (;;) {
    const client = postgres({ host, user, password, database, max: 1, idle_timeout: 0, max_lifetime: null });
    try {
      await client`select 1`;
      clients.push(client);
    } catch {
      await client.end({ timeout: 0 });
      return clients;
    }
    if (clients.length > 1_000) throw new Error('its connections have no end');
  }
}

test('a certificate about to expire', { timeout: 120_000 }, async () => {
  const proxy = (await listServicesOf(db(), environmentId)).find(({ type }) => type === 'SERVICE_PROXY');
  const serviceId = proxy?.id ?? '';
  const { raw } = world.control.store;
  const lastFor = (days: number) => raw`
    update certificates set not_before = now() - interval '80 days', not_after = now() + make_interval(days => ${days})`;
  const id = crypto.randomUUID();
  await raw`insert into certificates (id, environment_id, name, source, state, hosts)
    values (${id}, ${environmentId}, 'shop', 'UPLOADED', 'READY', '[]')`;
  await raw`update sites set certificate_id = ${id} where environment_id = ${environmentId}`;
  await lastFor(60);
  await quick(serviceId);
  await settled(serviceId, 'certificates');
  await lastFor(2);
  await oneIncident(serviceId, 'certificates', /^The certificate shop is valid for 2 days\./, () =>
    lastFor(60),
  );
});
