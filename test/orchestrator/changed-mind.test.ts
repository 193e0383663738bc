// Another wish in the midst of a redeploy: superseded or canceled at every point of its work, it ends as it must, and what
// runs afterwards is what the newest wish says.
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { stopService } from '../../src/control/delete-service.ts';
import { cancelRedeploy } from '../../src/control/redeploy.ts';
import { deployWorker } from '../../src/control/workers.ts';
import type { Point } from '../../src/orchestrator/points.ts';
import { expectPeace } from '../support/oracle.ts';
import { type FreshDatabase, freshDatabase } from '../support/postgres.ts';
import {
  askRedeploy,
  endOfRedeploy,
  goodCommands,
  lateCommands,
  newRelease,
  newService,
  openWorld,
  redeployed,
  until,
  type World,
} from '../support/world.ts';
import { livingJobs, serviceOf } from './looks.ts';

let database: FreshDatabase;
let world: World;
/** Called at each point of the orchestrator's work, while a test has set it. */
let watch: ((point: Point) => void) | undefined;

beforeAll(async () => {
  database = await freshDatabase();
  const at = (point: Point) => watch?.(point);
  world = await openWorld(database.url, { at, settings: { healthySeconds: 4, settleSeconds: 0.3 } });
});
afterEach(() => {
  watch = undefined;
});
afterAll(async () => {
  await world?.close();
  await database?.drop();
});

/** Does `work` as soon as the orchestrator comes by the point, without making it wait. */
function whenAt<T>(point: Point, work: () => Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${point} was never passed`)), 20_000);
    watch = (passed) => {
      if (passed !== point) return;
      watch = undefined;
      clearTimeout(timer);
      work().then(resolve, reject);
    };
  });
}

/** Turn about, so that either wish meets every step. */
const forSuperseding: readonly Point[] = [
  'BEGIN:WRITTEN',
  'PREPARE:EFFECT',
  'OBTAIN_IMAGE:BEFORE',
  'OBTAIN_IMAGE:WRITTEN',
  'STOP_JOB:EFFECT',
  'ENTER_START_NEW:BEFORE',
  'START_JOB:BEFORE',
  'START_JOB:WRITTEN',
  'ENTER_VERIFY:WRITTEN',
  'VERIFY_JOB:BEFORE',
];
const forCanceling: readonly Point[] = [
  'PREPARE:WRITTEN',
  'OBTAIN_IMAGE:EFFECT',
  'STOP_JOB:BEFORE',
  'STOP_JOB:WRITTEN',
  'ENTER_START_NEW:WRITTEN',
  'START_JOB:EFFECT',
  'ENTER_VERIFY:BEFORE',
  'VERIFY_JOB:EFFECT',
];

/** False when it was refused because the redeploy had ended. */
async function cancel(redeployId: string): Promise<boolean> {
  try {
    await cancelRedeploy(world.control, world.caller, { redeployId });
    return true;
  } catch (error) {
    expect(error).toMatchObject({ code: 'CONFLICT' });
    return false;
  }
}

async function runningService() {
  const service = await newService(world, { scale: 2, commands: lateCommands });
  await redeployed(world, service.serviceId);
  await deployWorker(world.control, world.caller, {
    serviceId: service.serviceId,
    target: 'worker',
    count: 1,
  });
  await expectPeace(world);
  return service;
}

describe('on a service that runs', () => {
  let serviceId: string;

  beforeAll(async () => {
    ({ serviceId } = await runningService());
  });

  test.each(forSuperseding)('a newer redeploy at %s supersedes the older one and wins', async (point) => {
    const newer = whenAt(point, () => askRedeploy(world, serviceId));
    const older = await askRedeploy(world, serviceId);
    const winner = await newer;
    expect((await endOfRedeploy(world, winner)).state).toBe('SUCCEEDED');
    expect((await endOfRedeploy(world, older)).state).toBe('SUPERSEDED');
    expect((await serviceOf(world, serviceId)).runningRedeployId).toBe(winner);
    await expectPeace(world);
  });

  test.each(forCanceling)('a cancel at %s brings back what ran before', async (point) => {
    const first = (await serviceOf(world, serviceId)).runningRedeployId;
    const canceled = whenAt(point, async () => cancel(await asked));
    const asked = askRedeploy(world, serviceId);
    const accepted = await canceled;
    const row = await endOfRedeploy(world, await asked);
    await expectPeace(world);
    // Once the new jobs run it may have been over before the cancel came, and then the cancel was refused.
    if (!accepted && /VERIFY/.test(point)) return expect(row.state).toBe('SUCCEEDED');
    expect(row).toMatchObject({ state: 'CANCELED', cause: { kind: 'CANCELED' } });
    expect((await serviceOf(world, serviceId)).runningRedeployId).toBe(first);
    await expectPeace(world);
    expect(await livingJobs(world, serviceId)).toHaveLength(3);
  });

  test('a cancel that comes as it ends is refused, or it is canceled', async () => {
    for (const point of ['ENTER_VERIFY:WRITTEN', 'VERIFY_JOB:EFFECT', 'END:BEFORE', 'END:EFFECT'] as const) {
      const canceled = whenAt(point, async () => cancel(await asked));
      const asked = askRedeploy(world, serviceId);
      const accepted = await canceled;
      const row = await endOfRedeploy(world, await asked);
      expect([accepted, row.state, row.cause?.kind ?? null]).toEqual(
        accepted ? [true, 'CANCELED', 'CANCELED'] : [false, 'SUCCEEDED', null],
      );
      await expectPeace(world);
    }
  });

  test.each<Point>(['PREPARE:WRITTEN', 'STOP_JOB:EFFECT', 'START_JOB:EFFECT', 'VERIFY_JOB:BEFORE'])(
    'stopping the service at %s cancels the redeploy and leaves nothing running',
    async (point) => {
      const stopped = whenAt(point, () => stopService(world.control, world.caller, { serviceId }));
      const asked = await askRedeploy(world, serviceId);
      await stopped;
      expect((await endOfRedeploy(world, asked)).state).toBe('CANCELED');
      await expectPeace(world);
      expect(await livingJobs(world, serviceId)).toEqual([]);
      expect((await redeployed(world, serviceId)).state).toBe('SUCCEEDED');
    },
  );
});

describe('on a redeploy that fails', () => {
  let serviceId: string;

  beforeAll(async () => {
    ({ serviceId } = await runningService());
  });

  test.each<Point>(['FAIL:BEFORE', 'FAIL:WRITTEN', 'ENTER_RESTORE:BEFORE', 'ENTER_RESTORE:WRITTEN'])(
    'a newer one at %s wins, and nothing of the restoring stays',
    async (point) => {
      await newRelease(world, serviceId, { web: 'exit 1', worker: goodCommands.worker });
      const newer = whenAt(point, async () => {
        await newRelease(world, serviceId, goodCommands);
        return askRedeploy(world, serviceId);
      });
      const older = await askRedeploy(world, serviceId);
      const winner = await newer;
      expect((await endOfRedeploy(world, winner)).state).toBe('SUCCEEDED');
      expect((await endOfRedeploy(world, older)).state).toBe('SUPERSEDED');
      await expectPeace(world);
    },
  );

  // At FAIL:BEFORE both are on their way: what comes first counts.
  test.each<[Point, string]>([
    ['FAIL:BEFORE', 'accepted or CONFLICT'],
    ['START_JOB:WRITTEN', 'accepted'],
    ['ENTER_RESTORE:WRITTEN', 'CONFLICT'],
  ])('a cancel at %s is answered with %s, and what ran before runs in the end', async (point, answer) => {
    const first = (await serviceOf(world, serviceId)).runningRedeployId;
    await newRelease(world, serviceId, { web: 'sleep 1; exit 1', worker: goodCommands.worker });
    const canceled = whenAt(point, async () => {
      const canceling = cancelRedeploy(world.control, world.caller, { redeployId: await asked });
      expect(
        await canceling.then(
          () => 'accepted',
          (refusal) => refusal.code,
        ),
      ).toBeOneOf(answer.split(' or '));
    });
    const asked = askRedeploy(world, serviceId);
    await canceled;
    const row = await endOfRedeploy(world, await asked);
    expect(['CANCELED', 'ROLLED_BACK']).toContain(row.state);
    expect((await serviceOf(world, serviceId)).runningRedeployId).toBe(first);
    await expectPeace(world);
  });
});

test('a service that was stopped stays so when its redeploy is canceled or fails, and runs when it succeeds', async () => {
  const { serviceId } = await runningService();
  await stopService(world.control, world.caller, { serviceId });
  const living = async () => (await livingJobs(world, serviceId)).length;
  const isSo = async () => [await living(), (await serviceOf(world, serviceId)).stopped];
  await until('it is stopped', living, (count) => count === 0);
  const redeployId = await askRedeploy(world, serviceId);
  await cancelRedeploy(world.control, world.caller, { redeployId });
  expect((await endOfRedeploy(world, redeployId)).state).toBe('CANCELED');
  await expectPeace(world);
  expect(await isSo()).toEqual([0, true]);
  await newRelease(world, serviceId, { ...lateCommands, web: 'exit 3' });
  expect((await redeployed(world, serviceId)).state).toBe('FAILED');
  await expectPeace(world);
  expect(await isSo()).toEqual([0, true]);
  await newRelease(world, serviceId, lateCommands);
  expect((await redeployed(world, serviceId)).state).toBe('SUCCEEDED');
  await expectPeace(world);
  expect(await isSo()).toEqual([expect.any(Number), false]);
  expect(await living()).toBeGreaterThan(0);
});

test('a redeploy canceled before anything was begun ends CANCELED, its service untouched', async () => {
  const { serviceId } = await runningService();
  const before = await livingJobs(world, serviceId);
  const redeployId = await askRedeploy(world, serviceId);
  await cancelRedeploy(world.control, world.caller, { redeployId });
  expect((await endOfRedeploy(world, redeployId)).state).toBe('CANCELED');
  const again = cancelRedeploy(world.control, world.caller, { redeployId });
  await expect(again).rejects.toMatchObject({ code: 'CONFLICT' });
  await expectPeace(world);
  expect((await livingJobs(world, serviceId)).length).toBe(before.length);
});
