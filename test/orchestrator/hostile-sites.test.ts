// A bad site can't take another with it: whatever sites an environment is given, and however the jobs behind them behave, a
// good one beside them goes on as before; and a configuration that can't be used changes nothing of what is served.
import { Agent, request } from 'node:http';
import Docker from 'dockerode';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { requestCertificate, uploadCertificate } from '../../src/control/certificates.ts';
import { createSite } from '../../src/control/sites.ts';
import { newId } from '../../src/ids.ts';
import { containerName } from '../../src/model/jobs.ts';
import { mostCorsOrigins, mostSites, siteLimits } from '../../src/model/sites.ts';
import { insertCertificate, listCertificatesById } from '../../src/postgres/certificates.ts';
import { listSitesOf, type SitePatch, updateSite as writeSite } from '../../src/postgres/sites.ts';
import { insertSecret } from '../../src/postgres/variables.ts';
import { ask as askProxy } from '../proxy/asking.ts';
import { globalId, runDocument } from '../support/api.ts';
import { bringCertificate } from '../support/certificate.ts';
import { freePorts } from '../support/free-ports.ts';
import { expectPeace } from '../support/oracle.ts';
import { type FreshDatabase, freshDatabase } from '../support/postgres.ts';
import { ask, greeting, openSite, runningJobs, type Site, sendVisitors } from '../support/site.ts';
import { newService, openWorld, redeployed, until, type World } from '../support/world.ts';

const edgeAddress = '127.0.0.1';
const good = 'good.test';
/** Says what it hears, which is no HTTP. */
const nonsense = 'exec nc -ll -p 8080 -e cat';
const silence = "exec nc -ll -p 8080 -e sh -c 'cat >/dev/null'";

let database: FreshDatabase;
let world: World;
let site: Site;
let badId = '';
let silentId = '';
let port = 0;
let securePort = 0;
/** What the good site is served with. */
let fingerprint = '';

beforeAll(async () => {
  database = await freshDatabase();
  const [httpPort = 0, httpsPort = 0, controlPort = 0] = await freePorts(3);
  [port, securePort] = [httpPort, httpsPort];
  const edge = { host: edgeAddress, httpPort, httpsPort, controlPort };
  world = await openWorld(database.url, { settings: { settleSeconds: 0.3, edge } });
  site = await openSite(world, { scale: 1 });
  const { environmentId, serviceId } = site;
  const [bad, silent] = await Promise.all(
    [nonsense, silence].map(async (web) => {
      const made = await newService(world, { environmentId, commands: { web } });
      await redeployed(world, made.serviceId);
      return made.serviceId;
    }),
  );
  [badId, silentId] = [bad ?? '', silent ?? ''];
  const input = { environmentId, name: 'Good', source: 'SELF_SIGNED' as const, hosts: [good] };
  const { certificateId } = (await requestCertificate(world.control, world.caller, input)).ids;
  fingerprint = await fingerprintOf(certificateId);
  await newSite(good, serviceId, { certificateId });
  expect(await redeployProxy()).toEqual(['SUCCEEDED', null]);
}, 120_000);
afterAll(async () => {
  await world?.close();
  await database?.drop();
});

const longestHost = (n: number) => {
  const labels = `${'a'.repeat(63)}.${'b'.repeat(63)}.${'c'.repeat(63)}`;
  return `${labels}.${String(n).padStart(56, 'd')}.test`;
};
const odd = ['1.a', 'a--b.c', 'xn--nxasmq6b.test', '0.0x', 'com.com', '127.0.0.1.test', 'localhost.test'];
const least = Object.fromEntries(Object.entries(siteLimits).map(([name, { minimum }]) => [name, minimum]));
const most = Object.fromEntries(Object.entries(siteLimits).map(([name, { maximum }]) => [name, maximum]));
const longestOrigins = Array.from(
  { length: mostCorsOrigins },
  (_, n) => `https://${longestHost(n)}:${65_535 - n}`,
);

test('beside as many sites as there may be, as long, odd and greedy as they may be, a good one serves as before', async () => {
  const visitors = sendVisitors(edgeAddress, site.host, port);
  for (const host of odd) await newSite(host, badId, { limits: most, corsOrigins: longestOrigins });
  for (const host of ['.deep.good.test', 'x.good.test']) await newSite(host, badId, { limits: least });
  const { environmentId } = site;
  // It would do for the good site as well.
  const brought = await bringCertificate([good, `*.${good}`]);
  const input = { environmentId, name: 'Greedy', ...brought };
  const { certificateId } = (await uploadCertificate(world.control, world.caller, input)).ids;
  await newSite(`.${good}`, badId, { certificateId });
  await newSite('silent.test', silentId, { limits: most });
  const present = (await listSitesOf(world.control.store.db, environmentId)).length;
  for (let n = present; n < mostSites; n++)
    await newSite(longestHost(n), badId, { limits: n % 2 === 0 ? least : most });
  expect(await redeployProxy()).toEqual(['SUCCEEDED', null]);
  for (const host of [...odd, 'y.deep.good.test', 'x.good.test', longestHost(mostSites - 1)])
    expect([host, await throughEdge(host)]).toEqual([host, '502']);
  expect(await secure('z.good.test')).toEqual([502, await fingerprintOf(certificateId)]);
  expect(await secure(good)).toEqual([200, fingerprint]);
  expect(await throughEdge(good)).toBe('308');
  const { seen, failures } = await visitors.end();
  expect(Object.keys(seen), failures.slice(0, 5).join('; ')).toEqual(['200']);
  await expectPeace(world);
}, 90_000);

test('jobs that talk nonsense or never answer hold up nobody but their own visitors', async () => {
  const agent = new Agent();
  const asked = Array.from({ length: 200 }, () => {
    const asking = request({ host: edgeAddress, port, headers: { host: 'silent.test' }, agent });
    return asking.on('error', () => {}).end();
  });
  const visitors = sendVisitors(edgeAddress, site.host, port);
  for (let n = 0; n < 40; n++) expect(await throughEdge('com.com')).toBe('502');
  expect(await secure(good)).toEqual([200, fingerprint]);
  const { seen, failures } = await visitors.end();
  for (const each of asked) each.destroy();
  expect(Object.keys(seen), failures.slice(0, 5).join('; ')).toEqual(['200']);
});

test('a configuration that HAProxy refuses is told with its words, and the last good one serves on, is told what changes, and is started from', async () => {
  const before = await runningProxies();
  const certificateId = await brokenCertificate();
  await changeSite('com.com', { certificateId });
  const [state, cause] = await redeployProxy();
  expect([state, cause]).toMatchObject(['FAILED', { __typename: 'ConfigurationRefused' }]);
  expect(cause?.lastLines.join('\n')).toContain(certificateId);
  expect(await runningProxies()).toEqual(before);
  // Told what changes.
  expect((await redeployed(world, site.serviceId)).state).toBe('SUCCEEDED');
  expect(await secure(good)).toEqual([200, fingerprint]);
  // Started from.
  await killProxy();
  const again = () => secure(good).catch((fault: Error) => [fault.message]);
  await until('it is back', again, (seen) => seen[0] === 200);
  await changeSite('com.com', { certificateId: null });
  expect(await redeployProxy()).toEqual(['SUCCEEDED', null]);
  expect(await secure(good)).toEqual([200, fingerprint]);
  await expectPeace(world);
}, 60_000);

test('one that can not even be written is refused as well', async () => {
  const before = await runningProxies();
  await changeSite('com.com', { corsOrigins: [`https://${'a.'.repeat(200)}test`] });
  const [state, cause] = await redeployProxy();
  expect([state, cause?.__typename]).toEqual(['FAILED', 'ConfigurationRefused']);
  expect(cause?.lastLines).toEqual([expect.stringContaining('The origin "https://a.a.')]);
  expect(await runningProxies()).toEqual(before);
  expect(await secure(good)).toEqual([200, fingerprint]);
});

async function newSite(host: string, serviceId: string, more: object = {}): Promise<void> {
  const { environmentId } = site;
  await createSite(world.control, world.caller, { environmentId, host, serviceId, ...more });
}

/** Behind the back of all checks. */
async function changeSite(host: string, set: SitePatch): Promise<void> {
  const { db } = world.control.store;
  const found = (await listSitesOf(db, site.environmentId)).find((each) => each.host === host);
  await db.transaction((tx) => writeSite(tx, found?.id ?? '', set));
}

async function brokenCertificate(): Promise<string> {
  const { store, vault, installation } = world.control;
  const { environmentId, proxyId } = site;
  const [id, secretId] = [newId(), newId()];
  const home = { ...installation, environmentId, serviceId: proxyId };
  const value = '-----BEGIN CERTIFICATE-----\nno certificate\n-----END CERTIFICATE-----\n';
  const facts = {
    source: 'UPLOADED' as const,
    state: 'READY' as const,
    hosts: ['com.com'],
    fingerprint: 'none',
  };
  await store.db.transaction(async (tx) => {
    await insertSecret(tx, vault, home, { name: 'broken', value, secretId });
    await insertCertificate(tx, { id, environmentId, name: 'Broken', secretId, ...facts });
  });
  return id;
}

async function fingerprintOf(certificateId: string): Promise<string> {
  const [row] = await listCertificatesById(world.control.store.db, [certificateId]);
  return row?.fingerprint ?? '';
}

interface Cause {
  readonly __typename: string;
  readonly lastLines: readonly string[];
}

/** How it ended, as the API has it. */
async function redeployProxy(): Promise<[string, Cause | null]> {
  const { id } = await redeployed(world, site.proxyId);
  const document = `query ($id: ID!) { node(id: $id) { ... on Redeploy {
    state cause { __typename ... on ConfigurationRefused { lastLines } } } } }`;
  const variables = { id: globalId('Redeploy', id) };
  const { data, errors } = await runDocument(world.control, world.caller, document, variables);
  if (errors[0] !== undefined) throw errors[0];
  return [data.node.state, data.node.cause];
}

async function runningProxies(): Promise<unknown[]> {
  const jobs = await runningJobs(world, site.proxyId);
  return jobs.map(({ id, containerId }) => [id, containerId]);
}

/** As by a fault of its own: it is started again. */
async function killProxy(): Promise<void> {
  const pidNow = async (): Promise<number> => {
    const [job] = await runningJobs(world, site.proxyId);
    const { State } = await new Docker().getContainer(containerName(job?.id ?? '')).inspect();
    return State.Pid;
  };
  const pid = await pidNow();
  process.kill(pid, 'SIGKILL');
  const look = () => pidNow().catch(() => 0);
  await until('it is started again', look, (seen) => seen > 0 && seen !== pid);
}

const throughEdge = (host: string) => ask(edgeAddress, host, '/', false, port);

/** Status by HTTPS, and what certificate was shown. A good answer is the site's own. */
async function secure(host: string): Promise<[number, string]> {
  const {
    status,
    body,
    fingerprint: shown,
  } = await askProxy(edgeAddress, host, { secure: true, port: securePort });
  if (status === 200) expect(body.trim()).toBe(greeting);
  return [status, (shown ?? '').replaceAll(':', '').toLowerCase()];
}
