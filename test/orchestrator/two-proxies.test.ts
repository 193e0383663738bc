// An environment whose service proxy has scale 2: both proxies are told everything, both serve visitors who come through the
// edge, either may die, and a redeploy replaces them without a lost request.
import Docker from 'dockerode';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { requestCertificate } from '../../src/control/certificates.ts';
import { disableMaintenance, enableMaintenance } from '../../src/control/maintenance.ts';
import { createSite } from '../../src/control/sites.ts';
import { updateService } from '../../src/control/update-service.ts';
import { containerName } from '../../src/model/jobs.ts';
import { updateCertificate } from '../../src/postgres/certificates.ts';
import type { JobRow } from '../../src/postgres/jobs.ts';
import { ask as askSecurely } from '../proxy/asking.ts';
import { freePorts } from '../support/free-ports.ts';
import { expectPeace } from '../support/oracle.ts';
import { type FreshDatabase, freshDatabase } from '../support/postgres.ts';
import { ask, openSite, runningJobs, type Site, sendVisitors } from '../support/site.ts';
import { shownBy, watchSite } from '../support/site-watch.ts';
import { openWorld, redeployed, until, type World } from '../support/world.ts';

const edgeAddress = '127.0.0.1';
let database: FreshDatabase;
let world: World;
let site: Site;
let port = 0;

beforeAll(async () => {
  database = await freshDatabase();
  const [httpPort = 0, httpsPort = 0, controlPort = 0] = await freePorts(3);
  port = httpPort;
  const edge = { host: edgeAddress, httpPort, httpsPort, controlPort };
  world = await openWorld(database.url, { settings: { settleSeconds: 0.3, edge } });
  site = await openSite(world, { overlapSeconds: 1 });
  await updateService(world.control, world.caller, { serviceId: site.proxyId, scale: 2 });
  expect((await redeployed(world, site.proxyId)).state).toBe('SUCCEEDED');
}, 120_000);
afterAll(async () => {
  await world?.close();
  await database?.drop();
});

const proxies = () => runningJobs(world, site.proxyId);
const throughEdge = (path = '/') => ask(edgeAddress, site.host, path, false, port);
const isSome = (count: number) => count > 0;
const ofEach = async <T>(look: (proxy: JobRow) => Promise<T>): Promise<T[]> =>
  Promise.all((await proxies()).map(look));

test('both serve visitors who come through the edge', async () => {
  // The site has no such page: what counts is who was asked for it.
  for (let n = 0; n < 10; n++) expect(await throughEdge('/who')).toBe('404');
  const asked = () =>
    ofEach(async ({ id }) => (await pathsLogged(id)).filter((path) => path === '/who').length);
  const [one = 0, other = 0] = await until('all are logged', asked, ([a = 0, b = 0]) => a + b === 10);
  expect([one, other]).toEqual([expect.toSatisfy(isSome), expect.toSatisfy(isSome)]);
});

test('both are told of a redeploy of what is behind them, at no moment with too few jobs, and no request is lost', async () => {
  const visitors = sendVisitors(edgeAddress, site.host, port);
  const watch = watchSite(world, site, { least: 2, scale: 2 });
  const redeploy = await redeployed(world, site.serviceId);
  const { breaches } = await watch.end();
  const { seen, failures } = await visitors.end();
  expect([redeploy.state, breaches]).toEqual(['SUCCEEDED', []]);
  expect(Object.keys(seen), failures.slice(0, 5).join('; ')).toEqual(['200']);
  const jobs = (await runningJobs(world, site.serviceId)).map(({ id }) => id);
  const shown = async (proxy: JobRow) => (await shownBy(world.control, proxy)).map(({ name }) => name).sort();
  expect(await ofEach(shown)).toEqual([jobs, jobs]);
  expect(await rotationsTold(redeploy.id)).toEqual(new Set([2]));
}, 60_000);

test('both are told of maintenance', async () => {
  const { serviceId } = site;
  const answers = (status: string) =>
    until(
      `both answer ${status}`,
      () => ofEach(({ address }) => ask(address ?? '', site.host)),
      (seen) => seen.every((each) => each === status),
    );
  await enableMaintenance(world.control, world.caller, { serviceId });
  expect(await answers('503')).toHaveLength(2);
  await disableMaintenance(world.control, world.caller, { serviceId });
  await answers('200');
});

test('both are told of a certificate that was renewed', async () => {
  const { environmentId, serviceId, proxyId } = site;
  const { control, caller } = world;
  const host = 'renewed.test';
  const input = { environmentId, name: 'Made', source: 'SELF_SIGNED' as const, hosts: [host] };
  const { certificateId } = (await requestCertificate(control, caller, input)).ids;
  await createSite(control, caller, { environmentId, serviceId, host, certificateId });
  expect((await redeployed(world, proxyId)).state).toBe('SUCCEEDED');
  const serials = () =>
    ofEach(async ({ address }) => (await askSecurely(address ?? '', host, { secure: true })).serial);
  const [before, same] = await serials();
  expect(same).toBe(before);
  await control.store.db.transaction((tx) => updateCertificate(tx, certificateId, { dueAt: new Date(0) }));
  const isRenewed = ([one, other]: (string | undefined)[]) => one !== before && one === other;
  await until('both show another one', serials, isRenewed);
});

test('a redeploy of both loses no request', async () => {
  const before = (await proxies()).map(({ id }) => id);
  const visitors = sendVisitors(edgeAddress, site.host, port);
  expect((await redeployed(world, site.proxyId)).state).toBe('SUCCEEDED');
  const { seen, failures } = await visitors.end();
  expect(Object.keys(seen), failures.slice(0, 5).join('; ')).toEqual(['200']);
  const after = (await proxies()).map(({ id }) => id);
  expect(after).toHaveLength(2);
  expect(after.filter((id) => before.includes(id))).toEqual([]);
  await expectPeace(world);
}, 60_000);

test('when one dies the other serves whoever comes, until there are two again', async () => {
  const [dying] = await proxies();
  const id = dying?.id ?? '';
  await new Docker().getContainer(containerName(id)).remove({ force: true });
  const answers: string[] = [];
  const again = async () => {
    answers.push(await throughEdge());
    return (await ofEach(async (proxy) => (proxy.health === 'HEALTHY' ? proxy.id : ''))).filter(
      (each) => each !== '' && each !== id,
    );
  };
  await until('there are two again', again, (seen) => seen.length === 2);
  for (let n = 0; n < 10; n++) answers.push(await throughEdge());
  expect(answers.filter((each) => each !== '200')).toEqual([]);
  await expectPeace(world);
}, 60_000);

test('and so it does while the control plane is away', async () => {
  const [dying] = await proxies();
  await world.stop();
  await new Docker().getContainer(containerName(dying?.id ?? '')).remove({ force: true });
  // Nobody tells the edge: who is led to the dead one is led on, before a visitor's patience ends.
  const answers = await Promise.all(Array.from({ length: 10 }, () => throughEdge()));
  expect(answers.filter((each) => each !== '200')).toEqual([]);
}, 60_000);

/** Of the requests that it has answered. */
async function pathsLogged(jobId: string): Promise<string[]> {
  const paths: string[] = [];
  const options = { follow: false, signal: AbortSignal.timeout(10_000) };
  for await (const { text } of world.runtime.readLogs(containerName(jobId), options))
    if (text.startsWith('{')) paths.push(JSON.parse(text).path);
  return paths;
}

/** Of how many proxies the events of a redeploy say that they have taken over a place in rotation. */
async function rotationsTold(redeployId: string): Promise<Set<number>> {
  const rows = await world.control.store.raw`
    select (data ->> 'proxies')::int as proxies from events
    where type = 'ROTATION_CHANGED' and redeploy_id = ${redeployId}`;
  return new Set(rows.map((row) => Number(row.proxies)));
}
