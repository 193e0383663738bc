// The times of a redeploy: what it is given to make its new jobs serve, and until when it may be canceled.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createService } from '../../src/control/create-service.ts';
import { cancelRedeploy, redeployService } from '../../src/control/redeploy.ts';
import { updateService } from '../../src/control/update-service.ts';
import { newId } from '../../src/ids.ts';
import {
  insertRelease,
  listRedeploysById,
  type RedeployRow,
  updateRedeploy,
} from '../../src/postgres/redeploys.ts';
import { updateService as updateRow } from '../../src/postgres/services.ts';
import { type ControlWorld, openControl } from '../support/control.ts';

let world: ControlWorld;
beforeAll(async () => {
  world = await openControl();
});
afterAll(() => world.close());

test('overlap period and drain come on top of it, and nothing where neither is', async () => {
  const serviceId = await addReleased();
  expect(await secondsGiven(serviceId)).toBe(20);
  for (const overlapSeconds of [0, 60]) {
    await updateService(world.control, world.token.caller, { serviceId, overlapSeconds });
    expect(await secondsGiven(serviceId)).toBe(20 + overlapSeconds + 10);
  }
});

test('from DRAIN on a cancel is refused and leaves nothing, until then it is heard', async () => {
  const { control, token } = world;
  const { id: redeployId } = await redeploy(await addReleased());
  const phases = (['OVERLAP', 'DRAIN'] as const).map((phase) => {
    return { phase, state: 'RUNNING' as const, startedAt: '', endedAt: null, message: '' };
  });
  await control.store.db.transaction((tx) => updateRedeploy(tx, redeployId, { phases }));
  await expect(cancelRedeploy(control, token.caller, { redeployId })).rejects.toThrow(/beyond return/);
  expect((await getRedeploy(redeployId)).cancelRequested).toBe(false);
  await control.store.db.transaction((tx) => updateRedeploy(tx, redeployId, { phases: phases.slice(0, 1) }));
  await cancelRedeploy(control, token.caller, { redeployId });
  expect((await getRedeploy(redeployId)).cancelRequested).toBe(true);
});

async function addReleased(): Promise<string> {
  const { control, token } = world;
  const environmentId = await world.addEnvironment();
  const wanted = { environmentId, type: 'CODE', label: 'web', scale: 2, size: { memoryMiB: 64 } } as const;
  const { serviceId } = (await createService(control, token.caller, wanted)).ids;
  const id = newId();
  const release = { id, serviceId, commit: 'a'.repeat(40), subject: 'Begin', language: 'Test', commands: {} };
  await control.store.db.transaction(async (tx) => {
    await insertRelease(tx, { ...release, imageId: `sha256:${'0'.repeat(64)}`, buildJobId: newId() });
    await updateRow(tx, serviceId, { releaseId: id });
  });
  return serviceId;
}

async function secondsGiven(serviceId: string): Promise<number> {
  const { deadlineAt, requestedAt } = await redeploy(serviceId);
  return (deadlineAt.getTime() - requestedAt.getTime()) / 1000;
}

async function redeploy(serviceId: string): Promise<RedeployRow> {
  const { control, token } = world;
  const { ids } = await redeployService(control, token.caller, { serviceId, deadlineSeconds: 20 });
  return getRedeploy(ids.redeployId);
}

async function getRedeploy(id: string): Promise<RedeployRow> {
  const [row] = await listRedeploysById(world.control.store.db, [id]);
  if (row === undefined) throw new Error('the redeploy is not there');
  return row;
}
