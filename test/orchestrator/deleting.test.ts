// Deleting leaves nothing of ours on the engine; a deleted database's volume waits out its time first.
import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { createService } from '../../src/control/create-service.ts';
import { deleteService } from '../../src/control/delete-service.ts';
import { deleteEnvironment } from '../../src/control/environments.ts';
import { releaseTag } from '../../src/model/jobs.ts';
import { listEnvironmentsById } from '../../src/postgres/environments.ts';
import { inWorld } from '../support/in-world.ts';
import { expectPeace } from '../support/oracle.ts';
import {
  askRedeploy,
  endOfRedeploy,
  importImage,
  newEnvironment,
  newRelease,
  newService,
  redeployed,
  until,
  type World,
  webCommand,
} from '../support/world.ts';
import { serviceOf } from './looks.ts';

/** As a build leaves it: the image's only tag is the release's. */
async function releaseWithItsTag(world: World, serviceId: string): Promise<string> {
  const commit = randomBytes(20).toString('hex');
  const imageId = await importImage(world.runtime, world.engine.id, releaseTag(serviceId, commit));
  await newRelease(world, serviceId, { web: webCommand }, imageId, commit);
  return imageId;
}

function isDeleted(world: World, serviceId: string): Promise<unknown> {
  return until(
    'the service is deleted',
    () => serviceOf(world, serviceId),
    (service) => service.deletedAt !== null,
  );
}

test('a deleted service takes its jobs, its containers and the images of its releases along', async () => {
  await inWorld({}, async (world) => {
    const { control, caller } = world;
    const { serviceId, label } = await newService(world, { scale: 2 });
    const imageId = await releaseWithItsTag(world, serviceId);
    await redeployed(world, serviceId);
    const wrong = deleteService(control, caller, { serviceId, confirm: 'another' });
    await expect(wrong).rejects.toMatchObject({ code: 'INVALID', inputPath: ['input', 'confirm'] });
    await deleteService(control, caller, { serviceId, confirm: label });
    await isDeleted(world, serviceId);
    await expectPeace(world);
    expect((await world.engine.remains()).containers).toEqual([]);
    expect(await world.runtime.findImage(imageId)).toBeUndefined();
  });
});

test('an image that somebody else has a container of does not keep its service from being deleted', async () => {
  await inWorld({}, async (world) => {
    const { control, caller, runtime } = world;
    const { serviceId, label, environmentId } = await newService(world);
    const imageId = await releaseWithItsTag(world, serviceId);
    await redeployed(world, serviceId);
    const name = `stranger-${world.engine.id}`;
    await runtime.startContainer({
      name,
      labels: { 'berth.installation': world.engine.id },
      imageId,
      command: ['sleep', '1000'],
      environment: {},
      network: `berth-env-${environmentId}`,
      aliases: [],
      memoryBytes: 32 * 1024 * 1024,
      cpuMillis: 100,
      processLimit: 10,
      capabilities: [],
      readOnlyRoot: true,
      tmpfs: {},
    });
    await deleteService(control, caller, { serviceId, confirm: label });
    await isDeleted(world, serviceId);
    expect(await runtime.inspectContainer(name, world.engine.id)).toMatchObject({ state: 'RUNNING' });
  });
});

test('a deletion in the midst of a redeploy cancels it and leaves nothing', async () => {
  await inWorld({}, async (world) => {
    const { control, caller } = world;
    const { serviceId, label } = await newService(world, { scale: 2 });
    await redeployed(world, serviceId);
    const redeployId = await askRedeploy(world, serviceId);
    await deleteService(control, caller, { serviceId, confirm: label });
    expect((await endOfRedeploy(world, redeployId)).state).toBe('CANCELED');
    await isDeleted(world, serviceId);
    await expectPeace(world);
    expect((await world.engine.remains()).containers).toEqual([]);
  });
});

test.each([0, 3])(
  'a deleted environment leaves nothing, its volumes after their %i s',
  async (seconds) => {
    await inWorld({ settings: { volumeRetentionSeconds: seconds } }, async (world) => {
      const { control, caller, engine } = world;
      const environmentId = await newEnvironment(world);
      const service = await newService(world, { environmentId });
      await redeployed(world, service.serviceId);
      const input = { type: 'DATABASE', runtime: 'POSTGRESQL', version: '15', label: 'db' } as const;
      const made = await createService(control, caller, { ...input, environmentId });
      // The time to make the image for the first time is in it.
      await endOfRedeploy(world, 'redeployId' in made.ids ? made.ids.redeployId : '', 60_000);
      const [environment] = await listEnvironmentsById(control.store.db, [environmentId]);
      const asked = Date.now();
      await deleteEnvironment(control, caller, { environmentId, confirm: environment?.namespace ?? '' });
      const gone = await until(
        'nothing is left',
        () => engine.remains(),
        (seen) => seen.containers.length + seen.networks.length + seen.volumes.length === 0,
      );
      expect(gone).toMatchObject({ containers: [], networks: [], volumes: [] });
      if (seconds > 0) expect(Date.now() - asked).toBeGreaterThanOrEqual(seconds * 1000);
      await expectPeace(world);
    });
  },
  90_000,
);
