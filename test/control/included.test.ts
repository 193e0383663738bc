// The service proxy that every environment is made with: deployed by its creation, redeployed by itself for the first code
// service, and neither made, removed nor replaced by anybody.
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createService } from '../../src/control/create-service.ts';
import { deleteService, stopService } from '../../src/control/delete-service.ts';
import { createEnvironment, deleteEnvironment } from '../../src/control/environments.ts';
import { redeployService } from '../../src/control/redeploy.ts';
import { updateService } from '../../src/control/update-service.ts';
import type { Caller } from '../../src/model/callers.ts';
import { listRedeploysById } from '../../src/postgres/redeploys.ts';
import { type Api, openApi } from '../support/api.ts';
import { deployed, makeRouted, openRedeploys, type Routed, routes, serviceRow, toldBy } from './routed.ts';

let api: Api;
let customer: Caller;
let own: Routed;
let made = 0;

beforeAll(async () => {
  api = await openApi({ included: ['SERVICE_PROXY'], domain: 'berth.test' });
  customer = { ...(await api.world.addToken()).caller, operator: false };
});
afterAll(() => api.close());
beforeEach(async () => {
  made += 1;
  own = await makeRouted(api.control, api.admin, `own-${made}`, []);
});

test('an environment comes with its proxy and the site of its host name, deployed and told of', async () => {
  const { control } = api;
  const { environmentId } = own;
  expect(await serviceRow(control, own)).toMatchObject({
    ...{ type: 'SERVICE_PROXY', runtime: 'HAPROXY', label: 'proxy', dnsName: 'proxy', scale: 1 },
  });
  const [open = ''] = await openRedeploys(control, own.proxy);
  const [redeploy] = await listRedeploysById(control.store.db, [open]);
  expect(redeploy).toMatchObject({ reason: 'CREATION', spec: { proxy: { sites: [], certificates: [] } } });
  const events = await control.log.read(environmentId, 0, 100, { fromTable: true });
  expect(events.map(({ type }) => type)).toEqual([
    'ENVIRONMENT_CREATED',
    'SERVICE_CREATED',
    'REDEPLOY_REQUESTED',
  ]);
  const rows = await control.store.raw`
    select action, subject_id from audit where environment_id = ${environmentId} order by seq`;
  expect([...rows]).toEqual([{ action: 'createEnvironment', subject_id: environmentId }]);
});

test('code services that are made with it are routed by the first spec', async () => {
  const { control, admin } = api;
  const both = await makeRouted(control, admin, `both-${made}`, ['web', 'api']);
  const [open = ''] = await openRedeploys(control, both.proxy);
  const [redeploy] = await listRedeploysById(control.store.db, [open]);
  const sites = redeploy?.spec.proxy?.sites.map(({ host, serviceId }) => [host, serviceId]);
  expect(sites).toEqual([[`both-${made}.berth.test`, both.ids.web]]);
});

test('the first code service redeploys the proxy, others and other types do not', async () => {
  const { control, admin } = api;
  const { environmentId } = own;
  await deployed(control, own);
  const cache = { environmentId, type: 'CACHE' as const, label: 'cache', runtime: 'REDIS' };
  await createService(control, customer, cache);
  expect(await openRedeploys(control, own.proxy)).toEqual([]);
  let web = '';
  const told = await toldBy(control, environmentId, async () => {
    const { ids } = await createService(control, customer, { environmentId, type: 'CODE', label: 'web' });
    web = ids.serviceId;
  });
  const [open = ''] = await openRedeploys(control, own.proxy);
  expect(told.map(({ type, serviceId }) => [type, serviceId])).toEqual([
    ['SERVICE_CREATED', web],
    ['REDEPLOY_REQUESTED', own.proxy],
  ]);
  const [redeploy] = await listRedeploysById(control.store.db, [open]);
  expect(redeploy?.spec.proxy?.sites).toMatchObject([{ host: `own-${made}.berth.test`, serviceId: web }]);
  await deployed(control, own);
  await createService(control, admin, { environmentId, type: 'CODE', label: 'second' });
  expect(await openRedeploys(control, own.proxy)).toEqual([]);
});

test('a proxy that was stopped stays so; its next redeploy routes what there is', async () => {
  const { control } = api;
  const { environmentId } = own;
  await stopService(control, customer, { serviceId: own.proxy });
  const web = await createService(control, customer, { environmentId, type: 'CODE', label: 'web' });
  expect((await serviceRow(control, own)).stopped).toBe(true);
  expect(await openRedeploys(control, own.proxy)).toEqual([]);
  await redeployService(control, customer, { serviceId: own.proxy });
  expect(await routes(control, own)).toEqual({ [`own-${made}.berth.test`]: web.ids.serviceId });
});

test.each([
  ['created', ['type'], 'INVALID', () => creating({ type: 'SERVICE_PROXY', label: 'second' })],
  ['replaced', ['label'], 'CONFLICT', () => creating({ type: 'CODE', label: 'proxy' })],
  [
    'made with the environment',
    ['services', '0', 'type'],
    'INVALID',
    () => environmentOf({ type: 'SERVICE_PROXY' as const, label: 'mine' }),
  ],
  [
    'displaced by one made with the environment',
    ['services', '0', 'label'],
    'CONFLICT',
    () => environmentOf({ type: 'CODE' as const, label: 'proxy' }),
  ],
  [
    'deleted',
    ['serviceId'],
    'CONFLICT',
    () => deleteService(api.control, api.admin, { serviceId: own.proxy, confirm: 'proxy' }),
  ],
] as const)('it cannot be %s', async (_what, path, code, act) => {
  const before = await api.dump();
  await expect(act()).rejects.toMatchObject({ code, inputPath: ['input', ...path] });
  expect(await api.dump()).toBe(before);
});

function creating(input: { type: 'CODE' | 'SERVICE_PROXY'; label: string }) {
  return createService(api.control, api.admin, { environmentId: own.environmentId, ...input });
}

function environmentOf(service: { type: 'CODE' | 'SERVICE_PROXY'; label: string }) {
  return createEnvironment(api.control, api.admin, { name: 'N', kind: 'SANDBOX', services: [service] });
}

test.each([
  ['workerLimit', { workerLimit: 1 }],
  ['healthCheck', { healthCheck: { kind: 'TCP' as const } }],
  ['overlapSeconds', { overlapSeconds: 5 }],
  ['size.storageGiB', { size: { storageGiB: 5 } }],
  ['scale', { scale: 51 }],
])('what it has not is refused: %s', async (path, input) => {
  const before = await api.dump();
  await expect(
    updateService(api.control, api.admin, { serviceId: own.proxy, ...input }),
  ).rejects.toMatchObject({ code: 'INVALID', inputPath: ['input', ...path.split('.')] });
  expect(await api.dump()).toBe(before);
});

test('a customer gives it another scale and redeploys it, and it goes with its environment', async () => {
  const { control, admin } = api;
  await updateService(control, customer, { serviceId: own.proxy, scale: 2 });
  const { ids } = await redeployService(control, customer, { serviceId: own.proxy });
  const [redeploy] = await listRedeploysById(control.store.db, [ids.redeployId]);
  expect(redeploy).toMatchObject({ reason: 'MANUAL', spec: { scale: 2 } });
  await deleteEnvironment(control, admin, { environmentId: own.environmentId, confirm: own.namespace });
  const row = await serviceRow(control, own);
  expect(row.deletionRequestedAt).not.toBeNull();
  expect(await openRedeploys(control, own.proxy)).toEqual([]);
});
