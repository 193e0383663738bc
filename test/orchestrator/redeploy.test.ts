// A redeploy from the request to what runs in the end: one and three jobs, workers, nothing at all.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { stopService } from '../../src/control/delete-service.ts';
import { redeployPlan } from '../../src/control/redeploy.ts';
import { updateService } from '../../src/control/update-service.ts';
import { setVariables } from '../../src/control/variables.ts';
import { deployWorker, removeWorker, scaleWorker } from '../../src/control/workers.ts';
import { containerName } from '../../src/model/jobs.ts';
import { expectPeace } from '../support/oracle.ts';
import { type FreshDatabase, freshDatabase } from '../support/postgres.ts';
import {
  goodCommands,
  newRelease,
  newService,
  openWorld,
  redeployed,
  until,
  type World,
} from '../support/world.ts';
import { jobsOf, livingJobs, outputOf } from './looks.ts';

let database: FreshDatabase;
let world: World;

beforeAll(async () => {
  database = await freshDatabase();
  world = await openWorld(database.url);
});
afterAll(async () => {
  await world?.close();
  await database?.drop();
});

test.each([1, 3])(
  'a redeploy of scale %i replaces every job by a healthy one of the new spec',
  async (scale) => {
    const { serviceId } = await newService(world, { scale });
    expect((await redeployed(world, serviceId)).state).toBe('SUCCEEDED');
    const before = await livingJobs(world, serviceId);
    expect(before).toHaveLength(scale);
    const row = await redeployed(world, serviceId);
    expect(row.state).toBe('SUCCEEDED');
    expect(row.phases.map(({ phase, state }) => `${phase} ${state}`)).toEqual([
      'PREPARE SUCCEEDED',
      'PULL_IMAGE SUCCEEDED',
      'STOP_OLD SUCCEEDED',
      'START_NEW SUCCEEDED',
      'VERIFY SUCCEEDED',
    ]);
    const after = await livingJobs(world, serviceId);
    expect(after.filter((job) => before.some((old) => old.id === job.id))).toEqual([]);
    await expectPeace(world);
  },
);

test('workers are deployed, scaled, removed within their limit, and come back with a redeploy', async () => {
  const { control, caller } = world;
  const { serviceId } = await newService(world, { workerLimit: 3 });
  await redeployed(world, serviceId);
  await deployWorker(control, caller, { serviceId, target: 'worker', count: 1 });
  await expectPeace(world);
  expect((await livingJobs(world, serviceId)).map((job) => job.target)).toEqual([null, 'worker']);
  await scaleWorker(control, caller, { serviceId, target: 'worker', count: 3 });
  await expectPeace(world);
  const tooMany = scaleWorker(control, caller, { serviceId, target: 'worker', count: 4 });
  await expect(tooMany).rejects.toMatchObject({ code: 'LIMIT', limit: 3, current: 4 });
  await scaleWorker(control, caller, { serviceId, target: 'worker', count: 2 });
  await expectPeace(world);
  await redeployed(world, serviceId);
  expect((await livingJobs(world, serviceId)).filter((job) => job.target === 'worker')).toHaveLength(2);
  await removeWorker(control, caller, { serviceId, target: 'worker' });
  await expectPeace(world);
  expect(await livingJobs(world, serviceId)).toHaveLength(1);
});

test('scale 0 runs nothing, and a stopped service stays stopped until the next redeploy', async () => {
  const { control, caller } = world;
  const { serviceId } = await newService(world);
  await redeployed(world, serviceId);
  await stopService(control, caller, { serviceId });
  await until(
    'it has stopped',
    () => livingJobs(world, serviceId),
    (jobs) => jobs.length === 0,
  );
  await expectPeace(world);
  expect((await redeployed(world, serviceId)).state).toBe('SUCCEEDED');
  expect(await livingJobs(world, serviceId)).toHaveLength(1);
  await updateService(control, caller, { serviceId, scale: 0 });
  expect(await livingJobs(world, serviceId)).toHaveLength(1);
  expect((await redeployed(world, serviceId)).state).toBe('SUCCEEDED');
  expect(await livingJobs(world, serviceId)).toEqual([]);
  await expectPeace(world);
});

test('variables reach the container, from the redeploy on that follows their change', async () => {
  const { control, caller } = world;
  const web = 'echo "WORD is $WORD, port $PORT"; exec httpd -f -p "$PORT" -h /tmp';
  const { serviceId } = await newService(world, { commands: { web } });
  await setVariables(control, caller, { serviceId, variables: [{ name: 'WORD', value: 'first one' }] });
  await redeployed(world, serviceId);
  const [first] = await livingJobs(world, serviceId);
  await setVariables(control, caller, { serviceId, variables: [{ name: 'WORD', value: 'second' }] });
  const plan = await redeployPlan(control, caller, serviceId);
  expect(plan.changes.map(({ field, kind }) => `${field} ${kind}`)).toEqual(['variables.WORD CHANGED']);
  expect(await livingJobs(world, serviceId)).toMatchObject([{ id: first?.id }]);
  const row = await redeployed(world, serviceId, { planHash: plan.planHash });
  expect(row.changes.map((each) => each.field)).toEqual(['variables.WORD']);
  const [second] = await livingJobs(world, serviceId);
  expect(await outputOf(world, second?.id ?? '')).toBe('WORD is second, port 8080');
  expect((await redeployPlan(control, caller, serviceId)).changes).toEqual([]);
});

test('a worker whose target the new release no longer has is stopped, and its saved count stays', async () => {
  const { control, caller } = world;
  const { serviceId } = await newService(world);
  await redeployed(world, serviceId);
  await deployWorker(control, caller, { serviceId, target: 'worker', count: 1 });
  await expectPeace(world);
  await newRelease(world, serviceId, { web: goodCommands.web });
  await redeployed(world, serviceId);
  expect((await livingJobs(world, serviceId)).map((job) => job.type)).toEqual(['DEPLOY']);
  await newRelease(world, serviceId, goodCommands);
  await redeployed(world, serviceId);
  expect((await livingJobs(world, serviceId)).map((job) => job.type)).toEqual(['DEPLOY', 'WORKER']);
  await expectPeace(world);
});

test('what an ended job has said stays readable after its container is gone', async () => {
  const web = 'echo "I was here"; exec httpd -f -p 8080 -h /tmp';
  const { serviceId } = await newService(world, { commands: { web } });
  await redeployed(world, serviceId);
  const [old] = await livingJobs(world, serviceId);
  await redeployed(world, serviceId);
  await expectPeace(world);
  const id = old?.id ?? '';
  expect(await world.runtime.inspectContainer(containerName(id), world.engine.id)).toBeUndefined();
  expect((await jobsOf(world, serviceId)).find((job) => job.id === id)?.state).toBe('STOPPED');
  expect(await outputOf(world, id)).toBe('I was here');
});
