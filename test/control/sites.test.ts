// Sites: whose host names are whose, what a certificate must cover, and what a redeploy of the service proxy would change.
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createService } from '../../src/control/create-service.ts';
import { deleteService } from '../../src/control/delete-service.ts';
import { deleteEnvironment } from '../../src/control/environments.ts';
import { createSite, deleteSite, updateSite } from '../../src/control/sites.ts';
import { standardLimits } from '../../src/model/sites.ts';
import { listSitesById, listSitesOf } from '../../src/postgres/sites.ts';
import { type Api, openApi } from '../support/api.ts';
import {
  addCertificate,
  deployed,
  makeRouted,
  pendingChanges,
  type Routed,
  routes,
  toldBy,
} from './routed.ts';

let api: Api;
let own: Routed;
let made = 0;

beforeAll(async () => {
  api = await openApi({ included: ['SERVICE_PROXY'], domain: 'berth.test' });
});
afterAll(() => api.close());
beforeEach(async () => {
  made += 1;
  own = await makeRouted(api.control, api.admin, `own-${made}`, ['web', 'api']);
});

const site = (host: string, more: object = {}, place: Routed = own) =>
  createSite(api.control, api.admin, {
    ...{ environmentId: place.environmentId, host, serviceId: place.ids.web ?? '', ...more },
  });
const host = (name: string) => `${name}.of-${made}.example.org`;

async function rowOf(siteId: string) {
  const [row] = await listSitesById(api.control.store.db, [siteId]);
  if (row === undefined) throw new Error('no such site');
  return row;
}

test.each([
  ["the public name of the environment's own", () => `x.own-${made}.berth.test`],
  ['everything below it', () => `.own-${made}.berth.test`],
  ['a domain and everything below it', () => `.of-${made}.example.org`],
  ['a name that only ends alike', () => `otherberth-${made}.test`],
  ['an international name in ASCII', () => `xn--bcher-kva-${made}.example.org`],
])('%s may be a host', async (_what, name) => {
  const { ids } = await site(name());
  expect((await rowOf(ids.siteId)).host).toBe(name());
});

test('a host is kept in lower case', async () => {
  const { ids } = await site(host('shop').toUpperCase());
  expect((await rowOf(ids.siteId)).host).toBe(host('shop'));
});

test.each(['.berth.test', '.test.', '.a.b'])(
  'one that covers the domain, or is no name, is refused: %s',
  async (name) => {
    const domain = name === '.a.b' ? 'x.a.b' : 'berth.test';
    const control = { ...api.control, settings: { ...api.control.settings, domain } };
    const input = { environmentId: own.environmentId, host: name, serviceId: own.ids.web ?? '' };
    await expect(createSite(control, api.admin, input)).rejects.toMatchObject({
      code: 'INVALID',
      inputPath: ['input', 'host'],
    });
  },
);

test("a host is one environment's at a time: of twenty that ask at once one gets it, and a removed one is free", async () => {
  const other = await makeRouted(api.control, api.admin, `other-${made}`);
  const asked = await Promise.allSettled(
    Array.from({ length: 20 }, (_, n) => site(host('wanted'), {}, n % 2 === 0 ? own : other)),
  );
  const won = asked.flatMap((each) => (each.status === 'fulfilled' ? [each.value.ids] : []));
  expect(won.length).toBe(1);
  for (const each of asked)
    if (each.status === 'rejected')
      expect(each.reason).toMatchObject({ code: 'CONFLICT', inputPath: ['input', 'host'] });
  await deleteSite(api.control, api.admin, { siteId: won[0]?.siteId ?? '' });
  await site(host('wanted'), {}, won[0]?.environmentId === own.environmentId ? other : own);
});

test('deleting an environment frees its hosts at once, and its namespace once it is gone', async () => {
  await site(host('shop'));
  const other = await makeRouted(api.control, api.admin, `other-${made}`);
  await deleteEnvironment(api.control, api.admin, {
    environmentId: own.environmentId,
    confirm: own.namespace,
  });
  expect(await listSitesOf(api.control.store.db, own.environmentId)).toEqual([]);
  await site(host('shop'), {}, other);
  await expect(makeRouted(api.control, api.admin, own.namespace)).rejects.toMatchObject({ code: 'CONFLICT' });
  const sql = api.control.store.raw;
  await sql`update environments set deleted_at = now() where id = ${own.environmentId}`;
  const again = await makeRouted(api.control, api.admin, own.namespace);
  expect(await routes(api.control, again)).toEqual({ [`${own.namespace}.berth.test`]: again.ids.web });
});

test('the two hundred and first site is refused with the limit', async () => {
  const spare = (n: number) =>
    `('${crypto.randomUUID()}', '${own.environmentId}', '${host(`n${n}`)}', '{}', '[]')`;
  await api.control.store.raw.unsafe(
    `insert into sites (id, environment_id, host, limits, cors_origins) values ${Array.from({ length: 198 }, (_, n) => spare(n)).join()}`,
  );
  await site(host('last'));
  await expect(site(host('over'))).rejects.toMatchObject({ code: 'LIMIT', limit: 200, current: 200 });
});

test('fields that are not given are the standard ones, and stay; revision and event tell of a change', async () => {
  const { ids } = await site(host('shop'));
  const { siteId } = ids;
  expect(await rowOf(siteId)).toMatchObject({ limits: standardLimits, corsOrigins: [], certificateId: null });
  const origins = ['https://a.example.org', 'https://b.example.org:8443', 'https://a.example.org'];
  const change = (input: object) => updateSite(api.control, api.admin, { siteId, ...input });
  await change({ corsOrigins: origins });
  const told = await toldBy(api.control, own.environmentId, () =>
    change({ limits: { bodyBytes: 2 ** 20, readSeconds: null }, expectedRevision: 2 }),
  );
  expect(told).toMatchObject([
    { type: 'SITE_UPDATED', data: { host: host('shop') }, serviceId: own.ids.web },
  ]);
  expect(await rowOf(siteId)).toMatchObject({
    limits: { ...standardLimits, bodyBytes: 2 ** 20 },
    corsOrigins: origins.slice(0, 2),
    revision: 3,
  });
  await expect(change({ corsOrigins: [], expectedRevision: 2 })).rejects.toMatchObject({ code: 'STALE' });
  await change({ corsOrigins: [] });
  expect((await rowOf(siteId)).corsOrigins).toEqual([]);
});

test('a certificate must cover the host; null takes it away, and what is absent leaves it', async () => {
  const { certificateId } = await addCertificate(api.control, own, [
    host('shop'),
    `*.of-${made}.example.org`,
  ]);
  const narrow = await addCertificate(api.control, own, [host('shop')]);
  const covered = await site(host('shop'), { certificateId });
  await site(host('api'), { certificateId });
  const uncovered = site(host('blog'), narrow);
  await expect(uncovered).rejects.toMatchObject({ inputPath: ['input', 'certificateId'], code: 'INVALID' });
  await expect(uncovered).rejects.toThrow(`must cover ${host('blog')}; it covers ${host('shop')}.`);
  // A wildcard is of one label, and a site of a domain needs the domain itself as well.
  await expect(site(`a.${host('b')}`, { certificateId })).rejects.toMatchObject({ code: 'INVALID' });
  await expect(site(`.of-${made}.example.org`, { certificateId })).rejects.toMatchObject({ code: 'INVALID' });
  const { siteId } = covered.ids;
  await updateSite(api.control, api.admin, { siteId, corsOrigins: [] });
  expect((await rowOf(siteId)).certificateId).toBe(certificateId);
  await updateSite(api.control, api.admin, { siteId, certificateId: null });
  expect((await rowOf(siteId)).certificateId).toBeNull();
  await updateSite(api.control, api.admin, { siteId, ...narrow });
  expect((await rowOf(siteId)).certificateId).toBe(narrow.certificateId);
});

test("what changed waits for the proxy's redeploy, and its pending changes show it host by host", async () => {
  const { control, admin } = api;
  const kept = (await site(host('kept'))).ids.siteId;
  const dropped = (await site(host('dropped'))).ids.siteId;
  await deployed(control, own);
  expect(await pendingChanges(control, own)).toEqual([]);
  const { certificateId } = await addCertificate(control, own, [host('kept')]);
  expect(await pendingChanges(control, own)).toEqual([]);
  await updateSite(control, admin, { siteId: kept, certificateId, serviceId: own.ids.api ?? '' });
  await deleteSite(control, admin, { siteId: dropped });
  await site(host('new'), { corsOrigins: ['https://a.example.org'] });
  const limits = 'bodyBytes 52428800, connectSeconds 5, readSeconds 60, sendSeconds 60';
  const text = (service = '', certificate = 'none') =>
    `service ${service}, certificate ${certificate}, ${limits}`;
  const { web, api: second } = own.ids;
  expect(await pendingChanges(control, own)).toEqual([
    { field: `certificates.${certificateId}`, kind: 'ADDED', before: null, after: 'served' },
    { field: `sites.${host('dropped')}`, kind: 'REMOVED', before: text(web), after: null },
    {
      ...{ field: `sites.${host('kept')}`, kind: 'CHANGED' },
      ...{ before: text(web), after: text(second, certificateId) },
    },
    {
      ...{ field: `sites.${host('new')}`, kind: 'ADDED', before: null },
      after: `${text(web)}, CORS https://a.example.org`,
    },
  ]);
  await deployed(control, own);
  expect(await pendingChanges(control, own)).toEqual([]);
});

test('the public host name leads to the first code service, also when that goes, and to a chosen one', async () => {
  const { control, admin } = api;
  const ownHost = `${own.namespace}.berth.test`;
  const first = async () => (await routes(control, own))[ownHost];
  expect(await first()).toBe(own.ids.web);
  const [row] = await listSitesOf(control.store.db, own.environmentId);
  expect(row).toMatchObject({ host: ownHost, own: true, serviceId: null });
  const siteId = row?.id ?? '';
  await expect(deleteSite(control, admin, { siteId })).rejects.toMatchObject({ code: 'CONFLICT' });
  await updateSite(control, admin, { siteId, serviceId: own.ids.api ?? '' });
  expect(await first()).toBe(own.ids.api);
  await deleteService(control, admin, { serviceId: own.ids.api ?? '', confirm: 'api' });
  expect(await first()).toBe(own.ids.web);
  expect(await rowOf(siteId)).toMatchObject({ serviceId: null, deletedAt: null, revision: 3 });
  await deleteService(control, admin, { serviceId: own.ids.web ?? '', confirm: 'web' });
  expect(await routes(control, own)).toEqual({});
  const { environmentId } = own;
  const next = await createService(control, admin, { environmentId, type: 'CODE', label: 'next' });
  expect(await first()).toBe(next.ids.serviceId);
});

test('deleting a service takes its sites with it, told one by one, and leaves the others', async () => {
  const { control, admin } = api;
  const { environmentId } = own;
  const serviceId = own.ids.api ?? '';
  await site(host('a'), { serviceId });
  await site(host('b'), { serviceId });
  await site(host('c'));
  const told = await toldBy(control, environmentId, () =>
    deleteService(control, admin, { serviceId, confirm: 'api' }),
  );
  const gone = told.filter(({ type }) => type === 'SITE_DELETED');
  expect(gone.map(({ data, ...each }) => [data.host, each.serviceId]).sort()).toEqual([
    [host('a'), serviceId],
    [host('b'), serviceId],
  ]);
  expect(await routes(control, own)).toEqual({
    [`${own.namespace}.berth.test`]: own.ids.web,
    [host('c')]: own.ids.web,
  });
  await site(host('a'));
});

test('a site whose service or certificate is not there takes no other with it', async () => {
  const { control } = api;
  const sql = control.store.raw;
  const { certificateId } = await addCertificate(control, own, [host('b')]);
  const lost = (await site(host('a'), { serviceId: own.ids.api })).ids.siteId;
  await site(host('b'), { certificateId });
  await site(host('c'));
  // As it can't be by any mutation: what they lead to and are served with went without them.
  await sql`update services set deletion_requested_at = now() where id = ${own.ids.api ?? ''}`;
  await sql`update certificates set deleted_at = now() where id = ${certificateId}`;
  expect(await routes(control, own)).toEqual({
    [`${own.namespace}.berth.test`]: own.ids.web,
    [host('b')]: own.ids.web,
    [host('c')]: own.ids.web,
  });
  await deployed(control, own);
  expect(await pendingChanges(control, own)).toEqual([]);
  await deleteSite(control, api.admin, { siteId: lost });
  expect(await pendingChanges(control, own)).toEqual([]);
});
