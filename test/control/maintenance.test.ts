// Maintenance: a wish that the service proxies are told of at once, without a redeploy and without touching any job.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { disableMaintenance, enableMaintenance } from '../../src/control/maintenance.ts';
import { type Api, globalId, openApi } from '../support/api.ts';
import {
  deployed,
  makeRouted,
  openRedeploys,
  pendingChanges,
  type Routed,
  serviceRow,
  toldBy,
} from './routed.ts';

let api: Api;
let own: Routed;

beforeAll(async () => {
  api = await openApi({ included: ['SERVICE_PROXY'] });
  own = await makeRouted(api.control, api.admin, 'own');
  await deployed(api.control, own);
});
afterAll(() => api.close());

const due = async (id: string) => {
  const [row] = await api.control.store.raw`select due_at, attention from services where id = ${id}`;
  return { due: row?.due_at !== null, attention: Number(row?.attention) };
};
const quiet = () => api.control.store.raw`update services set due_at = null`;

test.each([
  [true, enableMaintenance, 'enableMaintenance', /^tester put web into maintenance\.$/],
  [false, disableMaintenance, 'disableMaintenance', /^tester took web out of maintenance\.$/],
  // What is so already is told all the same.
  [false, disableMaintenance, 'disableMaintenance', /./],
])('%s: kept, told, audited, and the proxy asked to look', async (enabled, act, action, sentence) => {
  const { control, admin } = api;
  const serviceId = own.ids.web ?? '';
  await quiet();
  const before = await due(own.proxy);
  const told = await toldBy(control, own.environmentId, () => act(control, admin, { serviceId }));
  expect(told).toEqual([
    {
      ...{ type: 'MAINTENANCE_CHANGED', data: { enabled }, serviceId, redeployId: null },
      message: expect.stringMatching(sentence),
    },
  ]);
  expect((await serviceRow(control, own, serviceId)).maintenance).toBe(enabled);
  const after = await due(own.proxy);
  expect(after.due).toBe(true);
  expect(after.attention).toBeGreaterThan(before.attention);
  const [row] = await control.store.raw`select action, subject_id from audit order by seq desc limit 1`;
  expect(row).toEqual({ action, subject_id: serviceId });
  expect(await openRedeploys(control, own.proxy)).toEqual([]);
  expect(await pendingChanges(control, own)).toEqual([]);
});

test('the answer shows it, and so does the service', async () => {
  const id = globalId('Service', own.ids.web ?? '');
  const answer = await api.mutate(
    `mutation ($id: ID!) { enableMaintenance(input: { serviceId: $id }) {
      __typename ... on EnableMaintenancePayload { service { maintenance hasPendingChanges } cursor } } }`,
    { id },
  );
  expect(answer).toMatchObject({ service: { maintenance: true }, cursor: expect.any(String) });
});
