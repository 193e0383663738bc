// A service proxy deployed with its environment, and who gets its requests through redeploys of both strategies.
import { Agent } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createEnvironment, deleteEnvironment } from '../../src/control/environments.ts';
import { disableMaintenance, enableMaintenance } from '../../src/control/maintenance.ts';
import { updateService } from '../../src/control/update-service.ts';
import { newId } from '../../src/ids.ts';
import { insertCertificate } from '../../src/postgres/certificates.ts';
import { change } from '../../src/postgres/change.ts';
import { listEnvironmentsById } from '../../src/postgres/environments.ts';
import { listJobsById, listJobsToCompare } from '../../src/postgres/jobs.ts';
import { findOpenRedeploys } from '../../src/postgres/redeploys.ts';
import { setRotation } from '../../src/postgres/rotation.ts';
import { listServicesOf, markDue } from '../../src/postgres/services.ts';
import { listSitesOf, updateSite } from '../../src/postgres/sites.ts';
import { insertSecret } from '../../src/postgres/variables.ts';
import { freshDatabase } from '../support/postgres.ts';
import { visit } from '../support/visit.ts';
import { newRelease, openWorld, redeployed, until, type World } from '../support/world.ts';

const host = 'shop.test.local';
const web = 'mkdir -p /tmp/www && echo hello > /tmp/www/index.html && exec httpd -f -p 8080 -h /tmp/www';

let world: World;
let serviceId: string;
let environmentId: string;
let proxyId: string;
let address: string;

beforeAll(async () => {
  const { url } = await freshDatabase();
  world = await openWorld(url, { settings: { included: ['SERVICE_PROXY'], domain: 'test.local' } });
  const { ids } = await createEnvironment(world.control, world.caller, {
    name: 'Shop',
    namespace: 'shop',
    kind: 'SANDBOX',
    services: [{ type: 'CODE', label: 'web', scale: 2, size: { memoryMiB: 64 } }],
  });
  environmentId = ids.environmentId;
  const { db } = world.control.store;
  const services = await listServicesOf(db, ids.environmentId);
  const idOf = (type: string) => services.find((row) => row.type === type)?.id ?? '';
  proxyId = idOf('SERVICE_PROXY');
  serviceId = idOf('CODE');
  await until(
    'the proxy is deployed',
    () => findOpenRedeploys(db, [proxyId]),
    (open) => open.size === 0,
  );
  const running = (await listJobsToCompare(db)).filter((job) => job.serviceId === proxyId);
  const [job] = await listJobsById(
    db,
    running.map((each) => each.id),
  );
  address = job?.address ?? '';
}, 120_000);
afterAll(() => world.close());

test('no healthy job: 503; unknown host: 404', async () => {
  expect([await ask(host), await ask('other.test.local')]).toEqual(['503', '404']);
});

test('RECREATE has succeeded when requests reach the new jobs', async () => {
  await newRelease(world, serviceId, { web });
  const { state, phases } = await redeployed(world, serviceId);
  expect([state, phases.at(-1)?.phase, await ask(host)]).toEqual(['SUCCEEDED', 'SWITCH', '200']);
});

test('OVERLAP under load loses no request', async () => {
  await updateService(world.control, world.caller, { serviceId, overlapSeconds: 1 });
  const load = startLoad();
  for (let round = 0; round < 3; round++) {
    const { state, phases } = await redeployed(world, serviceId);
    expect([state, phases.map(({ phase }) => phase)]).toEqual([
      'SUCCEEDED',
      ['PREPARE', 'PULL_IMAGE', 'START_NEW', 'VERIFY', 'SWITCH', 'OVERLAP', 'DRAIN'],
    ]);
  }
  const seen = await load.end();
  expect(Object.keys(seen)).toEqual(['200']);
  expect(seen['200']).toBeGreaterThan(100);
}, 60_000);

test('healthy jobs that a called-off drain left without requests get them again', async () => {
  const { store } = world.control;
  const alive = (await listJobsToCompare(store.db)).filter((job) => job.serviceId === serviceId);
  const ids = alive.map(({ id }) => id);
  await change(world.control, async (current) => {
    await setRotation(current.tx, ids.slice(0, 1), 'OUT');
    await setRotation(current.tx, ids.slice(1), 'DRAINING');
    await markDue(current.tx, [serviceId]);
    current.nudge('due');
  });
  await until(
    'they are in rotation',
    () => listJobsById(store.db, ids),
    (jobs) => jobs.length === 2 && jobs.every(({ rotation }) => rotation === 'IN'),
  );
  await until(
    'requests are answered',
    () => ask(host),
    (status) => status === '200',
  );
});

test('maintenance acts at once, both ways', async () => {
  const answers = (status: string) =>
    until(
      `answers ${status}`,
      () => ask(host),
      (got) => got === status,
    );
  await enableMaintenance(world.control, world.caller, { serviceId });
  await answers('503');
  await disableMaintenance(world.control, world.caller, { serviceId });
  await answers('200');
});

test('a configuration that HAProxy refuses fails the redeploy, and the proxy that runs serves on', async () => {
  const { db } = world.control.store;
  const [site] = await listSitesOf(db, environmentId);
  const pem = '-----BEGIN CERTIFICATE-----\nno certificate\n-----END CERTIFICATE-----\n';
  await db.transaction(async (tx) => {
    const organizationId = world.control.installation.organizationId;
    const home = { organizationId, environmentId, serviceId: proxyId };
    const [id, secretId] = [newId(), newId()];
    await insertSecret(tx, world.control.vault, home, { name: 'broken', value: pem, secretId });
    await insertCertificate(tx, {
      ...{ id, environmentId, name: 'Broken', source: 'UPLOADED', state: 'READY', hosts: [host], secretId },
      fingerprint: 'none',
    });
    await updateSite(tx, site?.id ?? '', { certificateId: id });
  });
  const running = async () => (await listJobsToCompare(db)).map(({ id, state }) => `${id} ${state}`).sort();
  const before = await running();
  const { state, cause } = await redeployed(world, proxyId);
  expect([state, cause?.kind]).toEqual(['FAILED', 'CONFIGURATION_REFUSED']);
  expect(cause).toMatchObject({ lastLines: expect.arrayContaining([expect.stringContaining('.pem')]) });
  expect(await running()).toEqual(before);
  expect(await ask(host)).toBe('200');
});

test('an environment with certificates goes wholly', async () => {
  await deleteEnvironment(world.control, world.caller, { environmentId, confirm: 'shop' });
  await until(
    'it is gone',
    () => listEnvironmentsById(world.control.store.db, [environmentId]),
    ([row]) => row?.deletedAt != null,
  );
  const left = await world.runtime.inventory(world.control.installation.id);
  expect([left.containers, left.networks]).toEqual([[], []]);
}, 60_000);

/** Eight visitors on connections kept alive, until it is ended; answers with how often each status was seen. */
function startLoad() {
  const seen: Record<string, number> = {};
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  let running = true;
  const visitors = Array.from({ length: 8 }, async () => {
    while (running) {
      const status = await ask(host, agent);
      seen[status] = (seen[status] ?? 0) + 1;
      await sleep(20);
    }
  });
  return {
    end: async () => {
      running = false;
      await Promise.all(visitors);
      agent.destroy();
      return seen;
    },
  };
}

/** The status, or the code of the error. */
async function ask(name: string, agent: Agent | false = false): Promise<string> {
  return (await visit({ address, port: 8080 }, name, agent)).status;
}
