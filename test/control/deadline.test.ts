// The deadline that a redeploy is given: what was asked for is the time until its new jobs serve.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createService } from '../../src/control/create-service.ts';
import { redeployService } from '../../src/control/redeploy.ts';
import { updateService } from '../../src/control/update-service.ts';
import { newId } from '../../src/ids.ts';
import { insertRelease, listRedeploysById } from '../../src/postgres/redeploys.ts';
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
  const { control, token } = world;
  const { ids } = await redeployService(control, token.caller, { serviceId, deadlineSeconds: 20 });
  const [row] = await listRedeploysById(control.store.db, [ids.redeployId]);
  if (row === undefined) throw new Error('the redeploy is not there');
  return (row.deadlineAt.getTime() - row.requestedAt.getTime()) / 1000;
}
