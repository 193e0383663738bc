// The configurable health check as a wish: put together of what is given and what was, field by field; null brings back
// the standard one. The overlap period beside it, which operators set, and the strategy that follows from both.
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createService } from '../../src/control/create-service.ts';
import { type Api, globalId, openApi } from '../support/api.ts';

let api: Api;
let serviceId: string;
let made = 0;

beforeAll(async () => {
  api = await openApi();
});
afterAll(() => api.close());
beforeEach(async () => {
  made += 1;
  const environmentId = await api.world.addEnvironment(`Own ${made}`);
  const input = { environmentId, type: 'CODE' as const, label: 'web' };
  serviceId = (await createService(api.control, api.admin, input)).ids.serviceId;
});

const document = `mutation ($input: UpdateServiceInput!) { updateService(input: $input) {
  __typename ... on UserError { code path message }
  ... on UpdateServicePayload { service { strategy overlapSeconds healthCheck {
    kind port path expectedStatus { from to } intervalSeconds timeoutSeconds healthyThreshold unhealthyThreshold
    deadlineSeconds } } } } }`;

async function wish(input: object, caller = api.admin) {
  const answer = await api.mutate(
    document,
    { input: { serviceId: globalId('Service', serviceId), ...input } },
    caller,
  );
  expect(answer).toMatchObject({ __typename: 'UpdateServicePayload' });
  return answer.service as Record<string, unknown>;
}
const check = async (healthCheck: object | null) => (await wish({ healthCheck })).healthCheck;

const standard = {
  ...{ kind: 'HTTP', port: 8080, path: '/', expectedStatus: { from: 200, to: 399 } },
  ...{ intervalSeconds: 5, timeoutSeconds: 2, healthyThreshold: 2, unhealthyThreshold: 3 },
  deadlineSeconds: null,
};

test('what is absent, or null, is the standard at first and stays as it is afterwards', async () => {
  expect(await check({})).toEqual(standard);
  const chosen = {
    port: 3000,
    path: '/up?deep=1',
    expectedStatus: { from: 204, to: 204 },
    deadlineSeconds: 90,
  };
  expect(await check(chosen)).toEqual({ ...standard, ...chosen });
  const later = { ...standard, ...chosen, intervalSeconds: 1 };
  expect(await check({ intervalSeconds: 1 })).toEqual(later);
  expect(await check({ port: null, path: null, expectedStatus: null, kind: null })).toEqual(later);
});

test('null brings the deadline back to the standard, and the check as a whole', async () => {
  await check({ deadlineSeconds: 90, intervalSeconds: 7 });
  expect(await check({ deadlineSeconds: null })).toEqual({ ...standard, intervalSeconds: 7 });
  expect(await check(null)).toBeNull();
  expect(await check({})).toEqual(standard);
});

test('TCP has neither path nor status, and HTTP after it begins anew with both', async () => {
  await check({ path: '/up', port: 3000 });
  const tcp = { ...standard, kind: 'TCP', port: 3000, path: null, expectedStatus: null };
  expect(await check({ kind: 'TCP' })).toEqual(tcp);
  expect(await check({ kind: 'HTTP' })).toEqual({ ...standard, port: 3000 });
});

test.each([
  [{ port: 1, intervalSeconds: 1, timeoutSeconds: 1, healthyThreshold: 1, unhealthyThreshold: 1 }],
  [{ port: 65_535, intervalSeconds: 300, timeoutSeconds: 60, healthyThreshold: 10, unhealthyThreshold: 10 }],
  [{ deadlineSeconds: 1, expectedStatus: { from: 100, to: 599 } }],
  [{ deadlineSeconds: 3_600, path: `/${'x'.repeat(1_023)}` }],
])('the limits themselves are taken: %o', async (limits) => {
  expect(await check(limits)).toEqual({ ...standard, ...limits });
});

test('the event and the audit name the fields that changed', async () => {
  await wish({ healthCheck: { port: 3000 }, overlapSeconds: 5 });
  const sql = api.control.store.raw;
  const [event] =
    await sql`select type, data from events where service_id = ${serviceId} order by seq desc limit 1`;
  expect(event).toEqual({ type: 'SERVICE_UPDATED', data: { fields: ['healthCheck', 'overlapSeconds'] } });
  const [row] = await sql`select action, subject_id from audit order by seq desc limit 1`;
  expect(row).toEqual({ action: 'updateService', subject_id: serviceId });
});

test('OVERLAP is what an operator allows and two jobs make possible', async () => {
  const seen = async (input: object) => (await wish(input)).strategy;
  expect(await seen({ scale: 2 })).toBe('RECREATE');
  expect(await seen({ overlapSeconds: 0 })).toBe('OVERLAP');
  expect(await seen({ scale: 1 })).toBe('RECREATE');
  expect(await seen({ scale: 3, overlapSeconds: 3_600 })).toBe('OVERLAP');
  expect(await seen({ overlapSeconds: null })).toBe('RECREATE');
});

test('RECREATE can be asked for where OVERLAP is allowed, and taken back; OVERLAP without a period is refused', async () => {
  const seen = async (input: object) => (await wish(input)).strategy;
  expect(await seen({ scale: 2, overlapSeconds: 5, strategy: 'RECREATE' })).toBe('RECREATE');
  expect(await seen({ scale: 3 })).toBe('RECREATE');
  expect(await seen({ strategy: 'OVERLAP' })).toBe('OVERLAP');
  await wish({ overlapSeconds: null });
  const input = { serviceId: globalId('Service', serviceId), strategy: 'OVERLAP' };
  expect(await api.mutate(document, { input })).toMatchObject({
    code: 'INVALID',
    path: ['input', 'strategy'],
  });
});

test('a customer changes the check and keeps the period that an operator has set', async () => {
  await wish({ scale: 2, overlapSeconds: 5 });
  const { caller } = await api.world.addToken({ scopes: ['read', 'deploy'] });
  expect(await wish({ healthCheck: { port: 3000 } }, caller)).toMatchObject({ overlapSeconds: 5 });
});
