// Which environment a host name leads to: one alone, with all that a leading dot covers, at every moment of its moving; and
// with which certificate.
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createSite, deleteSite, updateSite } from '../../src/control/sites.ts';
import { readEdgeRotation } from '../../src/postgres/edges.ts';
import { listSitesById } from '../../src/postgres/sites.ts';
import { type Api, openApi } from '../support/api.ts';
import { addCertificate, deployed, makeRouted, type Routed } from './routed.ts';

let api: Api;
let own: Routed;
let made = 0;

beforeAll(async () => {
  api = await openApi({ included: ['SERVICE_PROXY'], domain: 'berth.test' });
});
afterAll(() => api.close());
beforeEach(async () => {
  made += 1;
  own = await makeRouted(api.control, api.admin, `own-${made}`);
});

const site = (host: string, more: object = {}, place: Routed = own) =>
  createSite(api.control, api.admin, {
    ...{ environmentId: place.environmentId, host, serviceId: place.ids.web ?? '', ...more },
  });
const host = (name: string) => `${name}.of-${made}.example.org`;

test.each([
  ['what another environment covers', '.shop.example.com', 'login.shop.example.com'],
  ['the domain itself of what another covers', '.shop.example.com', 'shop.example.com'],
  ['to cover what another has', 'login.shop.example.com', '.shop.example.com'],
  ['to cover what another covers', '.a.shop.example.com', '.shop.example.com'],
  ['what lies below what another covers, and all below it', '.shop.example.com', '.a.b.shop.example.com'],
])('nobody gets %s', async (_what, first, second) => {
  const name = (host: string) => host.replace('shop', `shop-${made}`);
  const other = await makeRouted(api.control, api.admin, `other-${made}`);
  await site(name(first));
  await expect(site(name(second), {}, other)).rejects.toMatchObject({
    code: 'CONFLICT',
    inputPath: ['input', 'host'],
  });
  await site(name(second));
  await site(`other-${made}.example.com`, {}, other);
});

test('of two environments that ask for a name and all below it at once, one gets it', async () => {
  const other = await makeRouted(api.control, api.admin, `other-${made}`);
  const asked = await Promise.allSettled([site(`.${host('both')}`), site(host('x.both'), {}, other)]);
  expect(asked.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
});

test.each(['.co.uk', '.github.io', '.com.au'])(
  "all of %s is nobody's, but a domain of it is",
  async (suffix) => {
    await expect(site(suffix)).rejects.toMatchObject({ code: 'INVALID', inputPath: ['input', 'host'] });
    await site(`.own-${made}${suffix}`);
  },
);

test('a host that has moved leads to one place, before and after the proxy that it has left is redeployed', async () => {
  const other = await makeRouted(api.control, api.admin, `other-${made}`);
  const name = host('moves');
  const { podId } = api.control.installation;
  const holders = async () => {
    const { places } = await readEdgeRotation(api.control.store.db, podId);
    return Object.entries(places).flatMap(([id, { hosts }]) => (hosts.includes(name) ? [id] : []));
  };
  const { ids } = await site(name);
  await deployed(api.control, own);
  expect(await holders()).toEqual([own.proxy]);
  await deleteSite(api.control, api.admin, { siteId: ids.siteId });
  await site(name, {}, other);
  expect(await holders()).toEqual([own.proxy]);
  await deployed(api.control, other);
  expect(await holders()).toEqual([other.proxy]);
});

test('a host that was given up goes to whoever covers it now, once a proxy of theirs does', async () => {
  const other = await makeRouted(api.control, api.admin, `other-${made}`);
  const name = host('left');
  const { podId } = api.control.installation;
  const hostsOf = async ({ proxy }: Routed) =>
    (await readEdgeRotation(api.control.store.db, podId)).places[proxy]?.hosts ?? [];
  const { ids } = await site(name);
  await deployed(api.control, own);
  await deleteSite(api.control, api.admin, { siteId: ids.siteId });
  const covering = host('').replace('.', '');
  await site(`.${covering}`, {}, other);
  expect(await hostsOf(own)).toContain(name);
  await deployed(api.control, other);
  expect(await hostsOf(own)).not.toContain(name);
  expect(await hostsOf(other)).toContain(`.${covering}`);
});

test('a site keeps the certificate that it has until another is ready', async () => {
  const name = host('secure');
  const { certificateId } = await addCertificate(api.control, own, [name]);
  const { ids } = await site(name, { certificateId });
  const pending = await addCertificate(api.control, own, [name]);
  await api.control.store.raw`update certificates set secret_id = null where id = ${pending.certificateId}`;
  const change = updateSite(api.control, api.admin, { siteId: ids.siteId, ...pending });
  await expect(change).rejects.toMatchObject({ code: 'CONFLICT', inputPath: ['input', 'certificateId'] });
  const [row] = await listSitesById(api.control.store.db, [ids.siteId]);
  expect(row?.certificateId).toBe(certificateId);
});
