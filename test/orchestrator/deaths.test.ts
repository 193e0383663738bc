// What dies after a good redeploy is made again, slower each time, until that is given up and said; and what is not ours is
// left alone, whatever it calls itself.
import { randomBytes } from 'node:crypto';
import Docker from 'dockerode';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { deleteService } from '../../src/control/delete-service.ts';
import { startJob, stopJob } from '../../src/control/jobs.ts';
import { containerName, hasEnded, networkName } from '../../src/model/jobs.ts';
import { labels } from '../../src/runtime/runtime.ts';
import { expectPeace } from '../support/oracle.ts';
import { type FreshDatabase, freshDatabase } from '../support/postgres.ts';
import { newService, openWorld, redeployed, until, type World } from '../support/world.ts';
import { jobsOf, livingJobs, serviceOf } from './looks.ts';

const engine = new Docker();
let database: FreshDatabase;
let world: World;

beforeAll(async () => {
  database = await freshDatabase();
  // Comparing comes late, so that it is the events that are quick.
  world = await openWorld(database.url, { settings: { compareSeconds: 20, healthySeconds: 4 } });
});
afterAll(async () => {
  await world?.close();
  await database?.drop();
});

/** Milliseconds until as many jobs as before run, none of them the given one. */
async function untilReplaced(serviceId: string, lost: string, count: number): Promise<number> {
  const began = performance.now();
  await until(
    'it is replaced',
    () => livingJobs(world, serviceId),
    (jobs) => jobs.every((job) => job.id !== lost && job.state === 'RUNNING') && jobs.length === count,
  );
  return performance.now() - began;
}

describe('a container that is', () => {
  test.each([
    [
      'removed by hand',
      ['LOST', 'FAILED'],
      (name: string) => engine.getContainer(name).remove({ force: true }),
    ],
    ['killed', ['FAILED'], (name: string) => engine.getContainer(name).kill()],
    ['stopped by hand', ['FAILED'], (name: string) => engine.getContainer(name).stop({ t: 1 })],
  ])('%s is replaced within 2 s of its end', async (_what, states, end) => {
    const { serviceId } = await newService(world, { scale: 2 });
    await redeployed(world, serviceId);
    const [job] = await livingJobs(world, serviceId);
    const id = job?.id ?? '';
    await end(containerName(id));
    expect(await untilReplaced(serviceId, id, 2)).toBeLessThan(2_000);
    expect(states).toContain((await jobsOf(world, serviceId)).find((each) => each.id === id)?.state);
    await expectPeace(world);
  });

  test('removed by hand while nobody looks is replaced by the next comparison', async () => {
    const fresh = await freshDatabase();
    const away = await openWorld(fresh.url, {
      settings: { compareSeconds: 1 },
      runtime: (runtime) => ({
        ...runtime,
        // No event is ever told.
        events: async function* (_installation, signal) {
          await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
        },
      }),
    });
    try {
      const { serviceId } = await newService(away);
      await redeployed(away, serviceId);
      const [job] = await livingJobs(away, serviceId);
      await engine.getContainer(containerName(job?.id ?? '')).remove({ force: true });
      await until(
        'it is replaced',
        () => livingJobs(away, serviceId),
        (jobs) => jobs[0]?.id !== job?.id && jobs[0]?.state === 'RUNNING',
      );
      await expectPeace(away);
    } finally {
      await away.close();
      await fresh.drop();
    }
  });
});

test('a network that was pruned away while nothing used it is made again', async () => {
  const fresh = await freshDatabase();
  let prune: (() => Promise<unknown>) | undefined;
  const pruned = await openWorld(fresh.url, {
    runtime: (runtime) => ({
      ...runtime,
      startContainer: async (spec) => {
        const once = prune;
        prune = undefined;
        await once?.();
        return runtime.startContainer(spec);
      },
    }),
  });
  try {
    const { serviceId, environmentId } = await newService(pruned);
    await redeployed(pruned, serviceId);
    const [job] = await livingJobs(pruned, serviceId);
    const name = containerName(job?.id ?? '');
    prune = async () => {
      await engine
        .getContainer(name)
        .remove({ force: true })
        .catch(() => {});
      await engine.getNetwork(networkName(environmentId)).remove();
    };
    await engine.getContainer(name).kill();
    await until(
      'it is replaced',
      () => livingJobs(pruned, serviceId),
      (jobs) => jobs[0]?.id !== job?.id && jobs[0]?.state === 'RUNNING',
    );
    expect(prune).toBeUndefined();
    await expectPeace(pruned);
  } finally {
    await pruned.close();
    await fresh.drop();
  }
});

test('a job stopped on request is replaced by another', async () => {
  const { serviceId } = await newService(world, { scale: 2 });
  await redeployed(world, serviceId);
  const [job] = await livingJobs(world, serviceId);
  const jobId = job?.id ?? '';
  await stopJob(world.control, world.caller, { jobId });
  await untilReplaced(serviceId, jobId, 2);
  await expectPeace(world);
});

test('a crash loop is mended slower and slower, then the service is failing until a job is asked for', async () => {
  const { control, caller } = world;
  // Healthy for a moment, long enough for the redeploy; every later job dies at once.
  const from = Math.floor(Date.now() / 1000) + 4;
  const web = `[ $(date +%s) -gt ${from} ] && exit 7; httpd -p 8080 -h /tmp; while [ $(date +%s) -le ${from} ]; do sleep 0.1; done; exit 7`;
  const { serviceId, label } = await newService(world, { commands: { web } });
  expect((await redeployed(world, serviceId)).state).toBe('SUCCEEDED');
  await until(
    'the service is failing',
    () => serviceOf(world, serviceId),
    (service) => service.failingSince !== null,
    40_000,
  );
  const dead = await jobsOf(world, serviceId);
  expect(dead.map((job) => [job.state, job.exitCode])).toEqual(dead.map(() => ['FAILED', 7]));
  expect(dead).toHaveLength(6);
  const delays = dead.slice(1).map((job, index) => {
    const before = dead[index]?.stoppedAt?.getTime() ?? 0;
    return (job.createdAt.getTime() - before) / 1000;
  });
  const least = [0, 1, 2, 4, 8];
  for (const [index, delay] of delays.entries()) {
    expect(delay, `delay ${index}`).toBeGreaterThanOrEqual((least[index] ?? 0) - 0.05);
    expect(delay, `delay ${index}`).toBeLessThan((least[index] ?? 0) + 2);
  }
  await expectPeace(world);
  await startJob(control, caller, { jobId: dead.at(-1)?.id ?? '' });
  await until(
    'a new job is made at once',
    () => jobsOf(world, serviceId),
    (jobs) => jobs.length > 6,
    3_000,
  );
  expect(await serviceOf(world, serviceId)).toMatchObject({ failingSince: null });
  await deleteService(control, caller, { serviceId, confirm: label });
  await expectPeace(world);
}, 60_000);

describe('a stranger on the engine', () => {
  async function newStranger(own: Record<string, string>, name: string, network: string): Promise<string> {
    const container = await engine.createContainer({
      name,
      Image: world.imageId,
      Cmd: ['sh', '-c', 'exec httpd -f -p 8080 -h /tmp'],
      Labels: own,
      HostConfig: { NetworkMode: network },
    });
    await container.start();
    return container.id;
  }

  test('with copied labels is neither touched nor counted', async () => {
    const { serviceId, environmentId } = await newService(world, { scale: 2 });
    await redeployed(world, serviceId);
    const [job] = await livingJobs(world, serviceId);
    const copied = {
      [labels.installation]: world.engine.id,
      [labels.environment]: environmentId,
      [labels.service]: serviceId,
      [labels.job]: job?.id ?? '',
    };
    const name = `stranger-${randomBytes(5).toString('hex')}`;
    const id = await newStranger(copied, name, networkName(environmentId));
    await redeployed(world, serviceId);
    const [next] = await livingJobs(world, serviceId);
    await engine.getContainer(containerName(next?.id ?? '')).kill();
    await untilReplaced(serviceId, next?.id ?? '', 2);
    await expectPeace(world);
    expect((await engine.getContainer(id).inspect()).State.Running).toBe(true);
    // Its end makes nobody do anything either.
    const before = await livingJobs(world, serviceId);
    await engine.getContainer(id).remove({ force: true });
    await expectPeace(world);
    expect((await livingJobs(world, serviceId)).map((each) => each.id)).toEqual(
      before.map((each) => each.id),
    );
  });

  test('that takes the name of a lost container with all its labels stays when the job is cleared away', async () => {
    const { serviceId, environmentId } = await newService(world);
    await redeployed(world, serviceId);
    const [job] = await livingJobs(world, serviceId);
    const id = job?.id ?? '';
    const own = (await engine.getContainer(containerName(id)).inspect()).Config.Labels;
    await engine.getContainer(containerName(id)).remove({ force: true });
    const stranger = await newStranger(own, containerName(id), networkName(environmentId));
    await until(
      'the lost job is cleared away',
      () => jobsOf(world, serviceId),
      (jobs) => jobs.some((each) => each.id === id && hasEnded(each.state) && each.cleaned),
    );
    await untilReplaced(serviceId, id, 1);
    expect((await engine.getContainer(stranger).inspect()).State.Running).toBe(true);
    await engine.getContainer(stranger).remove({ force: true });
    await expectPeace(world);
  });

  test('of another installation under the name of a job stays, and the job is not taken for it', async () => {
    const { serviceId, environmentId } = await newService(world);
    await redeployed(world, serviceId);
    const [job] = await livingJobs(world, serviceId);
    const id = job?.id ?? '';
    await engine.getContainer(containerName(id)).remove({ force: true });
    const own = { [labels.installation]: 'another' };
    const stranger = await newStranger(own, containerName(id), networkName(environmentId));
    await untilReplaced(serviceId, id, 1);
    await redeployed(world, serviceId);
    expect((await engine.getContainer(stranger).inspect()).State.Running).toBe(true);
    await engine.getContainer(stranger).remove({ force: true });
    await expectPeace(world);
  });
});
