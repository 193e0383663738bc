// Plans as callers use them: decided on by their hash, stale after any change that a redeploy would bring, and good again
// once it was taken back.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { stopService } from '../../src/control/delete-service.ts';
import { redeployPlan, redeployService } from '../../src/control/redeploy.ts';
import { updateService } from '../../src/control/update-service.ts';
import { setVariables, unsetVariables } from '../../src/control/variables.ts';
import { scaleWorker } from '../../src/control/workers.ts';
import { wantedSpec } from '../../src/postgres/request-redeploy.ts';
import { listServicesById, updateService as writeService } from '../../src/postgres/services.ts';
import { type Api, openApi } from '../support/api.ts';
import { furnish } from '../support/furnish.ts';

let api: Api;
let serviceId: string;

beforeAll(async () => {
  api = await openApi();
  const own = await furnish(api.control, api.admin, 'own');
  serviceId = Buffer.from(own.Service, 'base64url').toString().split(':')[1] ?? '';
});

afterAll(() => api.close());

const hash = async () => (await redeployPlan(api.control, api.admin, serviceId)).planHash;
const set = (value: string) => ({ serviceId, variables: [{ name: 'GREETING', value }] });
const wish = (input: object) => updateService(api.control, api.admin, { serviceId, ...input });

/** A change, and what takes it back. */
const changes: Record<string, [() => Promise<unknown>, () => Promise<unknown>]> = {
  'the scale': [() => wish({ scale: 3 }), () => wish({ scale: 1 })],
  'the size': [() => wish({ size: { memoryMiB: 777 } }), () => wish({ size: { memoryMiB: 512 } })],
  'rolling back': [() => wish({ rollBack: false }), () => wish({ rollBack: true })],
  'the value of a variable': [
    () => setVariables(api.control, api.admin, set('Good night')),
    () => setVariables(api.control, api.admin, set('Hello there')),
  ],
  'one variable more': [
    () => setVariables(api.control, api.admin, { serviceId, variables: [{ name: 'MORE', value: '' }] }),
    () => unsetVariables(api.control, api.admin, { serviceId, names: ['MORE'] }),
  ],
  'the count of workers': [
    () => scaleWorker(api.control, api.admin, { serviceId, target: 'mailer', count: 2 }),
    () => scaleWorker(api.control, api.admin, { serviceId, target: 'mailer', count: 1 }),
  ],
};

test.each(Object.entries(changes))(
  '%s makes a plan stale until it is taken back',
  async (what, [change, back]) => {
    // So that there is a size to come back to.
    if (what === 'the size') await back();
    const planHash = await hash();
    expect(await hash()).toBe(planHash);
    await change();
    expect(await hash()).not.toBe(planHash);
    const before = await api.dump();
    await expect(redeployService(api.control, api.admin, { serviceId, planHash })).rejects.toMatchObject({
      code: 'STALE',
      inputPath: ['input', 'planHash'],
    });
    expect(await api.dump()).toBe(before);
    await back();
    expect(await hash()).toBe(planHash);
  },
);

test('another label and worker limit bring nothing, and leave a plan good', async () => {
  const planHash = await hash();
  await wish({ label: 'shop', workerLimit: 4 });
  await wish({ label: 'web' });
  expect(await hash()).toBe(planHash);
});

test('a redeploy by the plan is taken once: the open one, and a stop, are part of the next decision', async () => {
  const planHash = await hash();
  const { ids } = await redeployService(api.control, api.admin, { serviceId, planHash });
  const again = redeployService(api.control, api.admin, { serviceId, planHash });
  await expect(again).rejects.toMatchObject({ code: 'STALE' });
  const withOpen = await hash();
  await stopService(api.control, api.admin, { serviceId });
  const stopped = await hash();
  expect(new Set([planHash, withOpen, stopped]).size).toBe(3);
  expect(ids.redeployId).toBeTruthy();
});

test('a plan says whether visitors will notice: RECREATE does, OVERLAP does not', async () => {
  const { db } = api.control.store;
  await updateService(api.control, api.admin, { serviceId, scale: 2 });
  const [service] = await listServicesById(db, [serviceId]);
  if (service === undefined) throw new Error('the service is missing');
  const runningSpec = (await wantedSpec(db, service)) ?? null;
  await db.transaction(
    async (tx) => void (await writeService(tx, serviceId, { runningSpec, stopped: false })),
  );
  const recreate = await redeployPlan(api.control, api.admin, serviceId);
  expect([recreate.causesDowntime, recreate.steps.join(' ')]).toEqual([
    true,
    expect.stringContaining('service is down'),
  ]);
  await updateService(api.control, api.admin, { serviceId, overlapSeconds: 30 });
  const overlap = await redeployPlan(api.control, api.admin, serviceId);
  expect([overlap.causesDowntime, overlap.steps.join(' ')]).toEqual([
    false,
    expect.not.stringContaining('service is down'),
  ]);
});
