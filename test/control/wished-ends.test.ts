// Redeploys that somebody ends, and what only the support side may end or remove.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createService } from '../../src/control/create-service.ts';
import { deleteService, stopService } from '../../src/control/delete-service.ts';
import { deleteEnvironment } from '../../src/control/environments.ts';
import { cancelRedeploy } from '../../src/control/redeploy.ts';
import { createToken, revokeToken } from '../../src/control/tokens.ts';
import { updateService } from '../../src/control/update-service.ts';
import { newId } from '../../src/ids.ts';
import type { Caller } from '../../src/model/callers.ts';
import type { FailureCause } from '../../src/model/failures.ts';
import { insertJobs } from '../../src/postgres/jobs.ts';
import { listRedeploysById, updateRedeploy } from '../../src/postgres/redeploys.ts';
import { type Api, openApi } from '../support/api.ts';
import { makeRouted, openRedeploys, toldBy } from './routed.ts';

let api: Api;
let customer: Caller;

beforeAll(async () => {
  api = await openApi({ included: ['SERVICE_PROXY'], domain: 'berth.test' });
  customer = { ...(await api.world.addToken()).caller, operator: false };
});
afterAll(() => api.close());

const startedAt = '2026-03-01T12:00:00.000Z';
const running = {
  phase: 'PREPARE',
  state: 'RUNNING',
  startedAt,
  endedAt: null,
  message: 'Preparing',
} as const;

/** A cache whose first redeploy is in its first phase. */
async function newCache(namespace: string) {
  const { environmentId } = await makeRouted(api.control, api.admin, namespace, []);
  const input = { environmentId, type: 'CACHE' as const, runtime: 'REDIS', label: 'cache' };
  const { ids } = await createService(api.control, api.admin, input);
  const [redeployId = ''] = await openRedeploys(api.control, ids.serviceId);
  await api.control.store.db.transaction((tx) =>
    updateRedeploy(tx, redeployId, { state: 'RUNNING', phases: [running] }),
  );
  return { environmentId, serviceId: ids.serviceId, redeployId };
}

test('one that is ended in a phase leaves none running, and tells of both ends', async () => {
  const { environmentId, serviceId, redeployId } = await newCache('ended');
  const told = await toldBy(api.control, environmentId, () =>
    stopService(api.control, api.admin, { serviceId }),
  );
  expect(told.map(({ type }) => type)).toEqual(['PHASE_ENDED', 'REDEPLOY_ENDED', 'SERVICE_STOPPED']);
  const [row] = await listRedeploysById(api.control.store.db, [redeployId]);
  expect(row).toMatchObject({
    state: 'CANCELED',
    phases: [{ state: 'FAILED', endedAt: expect.any(String) }],
  });
});

test('one that has failed and is being undone is not canceled any more', async () => {
  const { redeployId } = await newCache('failing');
  const cause: FailureCause = { kind: 'DEADLINE_EXCEEDED', phase: 'PREPARE', message: 'Too late.' };
  await api.control.store.db.transaction((tx) => updateRedeploy(tx, redeployId, { cause }));
  await expect(cancelRedeploy(api.control, api.admin, { redeployId })).rejects.toMatchObject({
    code: 'CONFLICT',
  });
});

test('one that has switched is canceled only while something of before is healthy', async () => {
  const { environmentId, serviceId, redeployId } = await newCache('switched');
  const { store } = api.control;
  const phases = JSON.stringify([{ ...running, phase: 'SWITCH' }]);
  await store.raw`update redeploys set strategy = 'OVERLAP', phases = ${phases}::text::jsonb where id = ${redeployId}`;
  const old = { id: newId(), environmentId, serviceId, image: 'sha256:0', type: 'DEPLOY' as const };
  await store.db.transaction((tx) =>
    insertJobs(tx, [{ ...old, state: 'RUNNING', health: 'UNHEALTHY', startedAt: new Date() }]),
  );
  await expect(cancelRedeploy(api.control, api.admin, { redeployId })).rejects.toMatchObject({
    code: 'CONFLICT',
    message: expect.stringContaining('nothing to go back to'),
  });
  expect((await listRedeploysById(store.db, [redeployId]))[0]?.cancelRequested).toBe(false);
  await store.raw`update jobs set health = 'HEALTHY' where id = ${old.id}`;
  await cancelRedeploy(api.control, api.admin, { redeployId });
});

test('a service that carries a customization is deleted by operators alone', async () => {
  const { serviceId } = await newCache('customized');
  await updateService(api.control, api.admin, { serviceId, redeployable: false });
  const input = { serviceId, confirm: 'cache' };
  await expect(deleteService(api.control, customer, input)).rejects.toMatchObject({
    code: 'NOT_REDEPLOYABLE',
  });
  await deleteService(api.control, api.admin, input);
});

test('an environment is not deleted by a customer together with a service that carries a customization', async () => {
  const { environmentId, serviceId } = await newCache('around');
  await updateService(api.control, api.admin, { serviceId, redeployable: false });
  const input = { environmentId, confirm: 'around' };
  const before = await api.dump();
  await expect(
    deleteEnvironment(api.control, { ...api.admin, operator: false }, input),
  ).rejects.toMatchObject({ code: 'NOT_REDEPLOYABLE' });
  expect(await api.dump()).toBe(before);
  await deleteEnvironment(api.control, api.admin, input);
});

test("a customer's first service redeploys no proxy that carries a customization", async () => {
  const { environmentId, proxy } = await makeRouted(api.control, api.admin, 'kept', []);
  await updateService(api.control, api.admin, { serviceId: proxy, redeployable: false });
  const before = await openRedeploys(api.control, proxy);
  await createService(api.control, customer, { environmentId, type: 'CODE', label: 'web' });
  expect(await openRedeploys(api.control, proxy)).toEqual(before);
});

test("operators' tokens are revoked by operators alone", async () => {
  const { tokenId } = await createToken(api.control, api.admin, {
    name: 'support',
    scopes: ['read'],
    operator: true,
  });
  await expect(revokeToken(api.control, customer, { tokenId })).rejects.toMatchObject({ code: 'FORBIDDEN' });
  await revokeToken(api.control, api.admin, { tokenId });
});
