// Certificates from asking for them to what a visitor is shown: obtained of a real authority, whose questions come through
// the edge and the environment's own proxy, renewed while visitors are there, refused, brought, and signed by themselves.
import type { Agent } from 'node:https';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { deleteCertificate, uploadCertificate } from '../../src/control/certificates.ts';
import { disableMaintenance, enableMaintenance } from '../../src/control/maintenance.ts';
import { createSite, deleteSite, updateSite } from '../../src/control/sites.ts';
import { certificateLimits } from '../../src/model/certificates.ts';
import { containerName } from '../../src/model/jobs.ts';
import {
  type CertificatePatch,
  listCertificatesById,
  updateCertificate,
} from '../../src/postgres/certificates.ts';
import { type AcmeBench, openAcmeBench } from '../certificates/acme-bench.ts';
import { ask } from '../proxy/asking.ts';
import { type Answer, globalId, localIdOf, runDocument } from '../support/api.ts';
import { bringCertificate } from '../support/certificate.ts';
import { freePorts } from '../support/free-ports.ts';
import { sendKeepingVisitors } from '../support/keeping-visitors.ts';
import { expectPeace } from '../support/oracle.ts';
import { type FreshDatabase, freshDatabase } from '../support/postgres.ts';
import { greeting, openSite, runningJobs, type Site } from '../support/site.ts';
import { openWorld, redeployed, until, type World } from '../support/world.ts';

const host = 'shop.test';
let bench: AcmeBench;
let database: FreshDatabase;
let world: World;
let site: Site;
let httpPort = 0;
let httpsPort = 0;
/** Of the site of `host`, and of what it is served with. */
let siteId = '';
let certificateId = '';
/** What somebody has brought, and the site that it serves. */
let boughtId = '';
let boughtSiteId = '';

beforeAll(async () => {
  bench = await openAcmeBench([host]);
  database = await freshDatabase();
  const [http = 0, https = 0, controlPort = 0] = await freePorts(3);
  [httpPort, httpsPort] = [http, https];
  const { directoryUrl: acmeDirectory, trust: acmeTrust } = bench;
  const edge = { host: '127.0.0.1', httpPort, httpsPort, controlPort };
  world = await openWorld(database.url, { settings: { settleSeconds: 0.3, edge, acmeDirectory, acmeTrust } });
  site = await openSite(world, { scale: 1 });
  bench.lead(httpPort);
}, 180_000);
afterAll(async () => {
  await world?.close();
  await database?.drop();
  await bench?.close();
});

test('an authority finds its answer through edge and proxy, and after the redeploy of the proxy visitors are shown its chain', async () => {
  siteId = await newSite(host);
  await redeployProxy();
  certificateId = await request('ACME', [host]);
  expect(await shown(certificateId)).toMatchObject({ state: 'PENDING', fingerprint: null, notAfter: null });
  const { fingerprint, notAfter, issuer } = await reaches(certificateId, ({ state }) => state === 'READY');
  expect(bench.asked).toContain(host);
  await serveWith(siteId, certificateId);
  expect(await pendingChanges()).not.toEqual([]);
  await expect(visit(host, bench.trust)).rejects.toThrow();
  await redeployProxy();
  expect(await pendingChanges()).toEqual([]);
  // The root alone is trusted: what lies between it and the leaf came with the leaf.
  const seen = await visit(host, bench.trust);
  expect([seen.status, seen.body.trim()]).toEqual([200, greeting]);
  expect(plain(seen.fingerprint)).toBe(fingerprint);
  expect(issuer).toContain('CN=');
  expect(Date.parse(notAfter)).toBeGreaterThan(Date.now());
  expect(await challenges()).toEqual([]);
});

test('a renewed one is shown to whoever connects, by the same process, and those who are there notice nothing', async () => {
  const before = await visit(host, bench.trust);
  const process = await processOf();
  const visitors = sendKeepingVisitors((agent) => visit(host, bench.trust, agent));
  await visitors.some();
  await makeDue(certificateId);
  const look = () => visit(host, bench.trust);
  const after = await until('another one is shown', look, ({ serial }) => serial !== before.serial);
  await visitors.some();
  const { outcomes, kept } = await visitors.end();
  expect([...outcomes]).toEqual([`200 ${greeting}`]);
  // Connections that were there are what they were.
  expect([...kept]).toEqual([before.serial]);
  expect(await processOf()).toEqual(process);
  expect(await shown(certificateId)).toMatchObject({ state: 'READY', fingerprint: plain(after.fingerprint) });
  expect(await pendingChanges()).toEqual([]);
  await expectPeace(world);
});

test('while an authority refuses, the old one serves on, the reason is told, and it is tried again', async () => {
  const before = await visit(host, bench.trust);
  bench.lead(undefined);
  await makeDue(certificateId);
  const refused = await reaches(certificateId, ({ failure }) => failure !== null);
  expect(refused).toMatchObject({ state: 'READY', fingerprint: plain(before.fingerprint) });
  expect(refused.failure).toContain(host);
  expect((await visit(host, bench.trust)).serial).toBe(before.serial);
  const [told] = await events('CERTIFICATE_FAILED');
  expect(told?.message).toContain(refused.failure);
  const row = await rowOf(certificateId);
  expect(row.tries).toBe(1);
  expect(row.dueAt?.getTime()).toBeGreaterThan(Date.now());
  expect(await challenges()).toEqual([]);
  bench.lead(httpPort);
  await makeDue(certificateId);
  const renewed = await reaches(certificateId, ({ fingerprint }) => fingerprint !== refused.fingerprint);
  expect(renewed).toMatchObject({ state: 'READY', failure: null });
  const look = () => visit(host, bench.trust);
  await until('it is shown', look, (seen) => plain(seen.fingerprint) === renewed.fingerprint);
});

test('one that somebody brings is shown, and one signed by itself, which is renewed as well', async () => {
  const [bought, made] = ['bought.test', 'made.test'];
  // With more in it than a proxy can be told of while it runs.
  const names = Array.from({ length: 100 }, (_, n) => `${`n${n}`.padEnd(60, 'x')}.${'y'.repeat(60)}.test`);
  const brought = await bringCertificate([bought, ...names]);
  expect(brought.chain.length).toBeGreaterThan(certificateLimits.renewableBytes);
  const input = { environmentId: site.environmentId, name: 'Brought', ...brought };
  const uploaded = (await uploadCertificate(world.control, world.caller, input)).ids.certificateId;
  const selfSigned = await request('SELF_SIGNED', [made]);
  boughtId = uploaded;
  boughtSiteId = await newSite(bought);
  await serveWith(boughtSiteId, uploaded);
  await serveWith(await newSite(made), selfSigned);
  await redeployProxy();
  const root = brought.chain.slice(brought.chain.lastIndexOf('-----BEGIN'));
  expect(plain((await visit(bought, root)).fingerprint)).toBe((await shown(uploaded)).fingerprint);
  const before = await shown(selfSigned);
  expect(plain((await visit(made)).fingerprint)).toBe(before.fingerprint);
  await makeDue(selfSigned);
  const look = () => visit(made);
  await until('it is renewed', look, ({ fingerprint }) => plain(fingerprint) !== before.fingerprint);
  // Each under its own name still.
  expect(plain((await visit(host)).fingerprint)).toBe((await shown(certificateId)).fingerprint);
  await expectPeace(world);
});

test('one too long for a proxy to be told of is deleted once no site has it, and holds nothing else up', async () => {
  const { control, caller } = world;
  await deleteSite(control, caller, { siteId: boughtSiteId });
  await deleteCertificate(control, caller, { certificateId: boughtId });
  await enableMaintenance(control, caller, { serviceId: site.serviceId });
  const look = () => visit(host);
  await until('the proxy follows', look, ({ status }) => status === 503);
  await disableMaintenance(control, caller, { serviceId: site.serviceId });
  await until('and back', look, ({ status }) => status === 200);
  await redeployProxy();
  await expectPeace(world);
});

test('one that grows too long to be renewed while a proxy runs is told of, and holds nothing else up', async () => {
  const made = await request('SELF_SIGNED', ['long.test']);
  await serveWith(await newSite('long.test'), made);
  await redeployProxy();
  const before = await shown(made);
  const hosts = Array.from({ length: 100 }, (_, n) => `${'x'.repeat(60)}.${'y'.repeat(60)}.n${n}.test`);
  await makeDue(made, { hosts: ['long.test', ...hosts] });
  const refused = await reaches(made, ({ failure }) => failure !== null);
  expect(refused.failure).toMatch(/ \d+ bytes; .* fewer hosts/);
  expect(refused.fingerprint).toBe(before.fingerprint);
  expect(plain((await visit('long.test')).fingerprint)).toBe(before.fingerprint);
  await enableMaintenance(world.control, world.caller, { serviceId: site.serviceId });
  const look = () => visit(host);
  await until('the proxy follows', look, ({ status }) => status === 503);
  await disableMaintenance(world.control, world.caller, { serviceId: site.serviceId });
  await expectPeace(world);
});

interface Shown {
  readonly state: string;
  readonly fingerprint: string | null;
  readonly issuer: string | null;
  readonly notAfter: string;
  readonly failure: string | null;
}

async function query(document: string, variables: object): Promise<Answer['data']> {
  const { data, errors } = await runDocument(world.control, world.caller, document, variables);
  if (errors[0] !== undefined) throw errors[0];
  return data;
}

/** As the API has it. */
async function shown(id: string): Promise<Shown> {
  const document = `query ($id: ID!) { node(id: $id) {
    ... on Certificate { state fingerprint issuer notAfter failure expiresSoon } } }`;
  return (await query(document, { id: globalId('Certificate', id) })).node;
}

function reaches(id: string, isSo: (seen: Shown) => boolean): Promise<Shown> {
  return until('the certificate is so', () => shown(id), isSo, 30_000);
}

async function pendingChanges(): Promise<unknown[]> {
  const document = 'query ($id: ID!) { node(id: $id) { ... on Service { pendingChanges { field } } } }';
  return (await query(document, { id: globalId('Service', site.proxyId) })).node.pendingChanges;
}

async function events(type: string): Promise<{ type?: string; message: string }[]> {
  const document = `query ($id: ID!, $after: Cursor) { events(environmentId: $id, first: 100, after: $after) {
    endCursor hasNextPage items { ... on Event { type message } } } }`;
  const items: { type?: string; message: string }[] = [];
  for (let after: string | null = null; ; ) {
    const id = globalId('Environment', site.environmentId);
    const { events: page }: Answer['data'] = await query(document, { id, after });
    items.push(...page.items);
    if (!page.hasNextPage) return items.filter((item) => item.type === type);
    after = page.endCursor;
  }
}

async function request(source: 'ACME' | 'SELF_SIGNED', hosts: string[]): Promise<string> {
  const document = `mutation ($input: RequestCertificateInput!) { requestCertificate(input: $input) {
    ... on RequestCertificatePayload { certificate { id } } ... on UserError { message } } }`;
  const input = { environmentId: globalId('Environment', site.environmentId), name: source, source, hosts };
  return localIdOf((await query(document, { input })).requestCertificate.certificate.id);
}

async function newSite(name: string): Promise<string> {
  const { environmentId, serviceId } = site;
  const made = await createSite(world.control, world.caller, { environmentId, serviceId, host: name });
  return made.ids.siteId;
}

async function serveWith(id: string, certificate: string): Promise<void> {
  await updateSite(world.control, world.caller, { siteId: id, certificateId: certificate });
}

async function redeployProxy(): Promise<void> {
  const { state, cause } = await redeployed(world, site.proxyId);
  expect([state, cause]).toEqual(['SUCCEEDED', null]);
}

/** By HTTPS through the edge. */
function visit(name: string, ca?: string, agent: Agent | false = false) {
  const trust = ca === undefined ? {} : { ca };
  return ask('127.0.0.1', name, { secure: true, port: httpsPort, agent, ...trust });
}

/** The running proxy's job, and when its container was started. */
async function processOf(): Promise<unknown> {
  const jobs = await runningJobs(world, site.proxyId);
  const name = containerName(jobs[0]?.id ?? '');
  const seen = await world.runtime.inspectContainer(name, world.engine.id);
  return [jobs.map(({ id }) => id), seen?.startedAt];
}

/** As if its time had come. */
async function makeDue(id: string, more: CertificatePatch = {}): Promise<void> {
  const set = { ...more, dueAt: new Date(0) };
  await world.control.store.db.transaction((tx) => updateCertificate(tx, id, set));
}

async function rowOf(id: string) {
  const [row] = await listCertificatesById(world.control.store.db, [id]);
  if (row === undefined) throw new Error('no such certificate');
  return row;
}

async function challenges(): Promise<unknown[]> {
  return [...(await world.control.store.raw`select token from challenges`)];
}

function plain(fingerprint: string | undefined): string {
  return (fingerprint ?? '').replaceAll(':', '').toLowerCase();
}
