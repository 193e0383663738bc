// A redeploy that fails says why in a typed cause, and leaves what ran before it running again, or nothing.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createService } from '../../src/control/create-service.ts';
import { updateService } from '../../src/control/update-service.ts';
import { setVariables } from '../../src/control/variables.ts';
import type { RedeployRow } from '../../src/postgres/redeploys.ts';
import { expectPeace } from '../support/oracle.ts';
import { type FreshDatabase, freshDatabase } from '../support/postgres.ts';
import {
  endOfRedeploy,
  importEmptyImage,
  newEnvironment,
  newRelease,
  newService,
  openWorld,
  redeployed,
  type World,
  webCommand,
} from '../support/world.ts';
import { livingJobs, serviceOf } from './looks.ts';

let database: FreshDatabase;
let world: World;

beforeAll(async () => {
  database = await freshDatabase();
  world = await openWorld(database.url, { settings: { healthySeconds: 3 } });
});
afterAll(async () => {
  await world?.close();
  await database?.drop();
});

const exits = 'echo one; echo two >&2; exit 3';
const silent = 'echo here I sleep; sleep 1000';
const answers404 = 'exec httpd -f -p 8080 -h /tmp';
const eats = 'httpd -p 8081 -h /tmp; tail /dev/zero';

describe('a first deploy that fails ends FAILED with its cause and leaves nothing', () => {
  test.each([
    ['exits at once', exits, { kind: 'CONTAINER_EXITED', exitCode: 3, outOfMemory: false }],
    ['is killed for its memory', eats, { kind: 'CONTAINER_EXITED', exitCode: 137, outOfMemory: true }],
    ['never listens', silent, { kind: 'HEALTH_CHECK_FAILED', check: 'TCP', lastLines: ['here I sleep'] }],
  ])('when the app %s', async (_what, web, cause) => {
    const { serviceId } = await newService(world, { commands: { web } });
    const row = await redeployed(world, serviceId);
    expect(row.state).toBe('FAILED');
    expect(row.cause).toMatchObject(cause);
    expect(await livingJobs(world, serviceId)).toEqual([]);
    expect(await serviceOf(world, serviceId)).toMatchObject({ runningRedeployId: null });
    await expectPeace(world);
  });

  test('when its own health check is not passed within its own time', async () => {
    const { serviceId } = await newService(world, { commands: { web: answers404 } });
    const healthCheck = { kind: 'HTTP', path: '/ready', deadlineSeconds: 1 } as const;
    await updateService(world.control, world.caller, { serviceId, healthCheck });
    const row = await redeployed(world, serviceId);
    expect(row).toMatchObject({ state: 'FAILED', cause: { kind: 'HEALTH_CHECK_FAILED', check: 'HTTP' } });
    expect(row.cause?.message).toMatch(/within 1 s: GET \/ready on port 8080 was answered with 404/);
    await expectPeace(world);
  });

  test('when the image can not start at all', async () => {
    const { serviceId } = await newService(world);
    const empty = await importEmptyImage(world.runtime, world.engine.id);
    await newRelease(world, serviceId, { web: webCommand }, empty);
    const row = await redeployed(world, serviceId);
    expect(row).toMatchObject({ state: 'FAILED', cause: { kind: 'CONTAINER_EXITED', exitCode: 127 } });
    await expectPeace(world);
  });

  test('when the engine refuses to start it, in the words of the engine', async () => {
    const { serviceId } = await newService(world);
    const empty = await importEmptyImage(world.runtime, world.engine.id);
    await newRelease(world, serviceId, {}, empty);
    const row = await redeployed(world, serviceId);
    expect(row).toMatchObject({ state: 'FAILED', cause: { kind: 'CONTAINER_EXITED', exitCode: null } });
    expect(row.cause?.message).toMatch(/refuses to start it: no command specified\.$/i);
    await expectPeace(world);
  });

  test('when no image can be had', async () => {
    const { control, caller } = world;
    const environmentId = await newEnvironment(world);
    const input = { type: 'DATABASE', runtime: 'MONGODB', version: '8.0', label: 'mongo' } as const;
    const made = await createService(control, caller, { ...input, environmentId });
    const row = await endOfRedeploy(world, 'redeployId' in made.ids ? made.ids.redeployId : '');
    expect(row).toMatchObject({ state: 'FAILED', cause: { kind: 'IMAGE_UNAVAILABLE' } });
    expect(row.cause?.kind === 'IMAGE_UNAVAILABLE' && row.cause.reference).toContain('mongo');
    expect(row.cause?.message).toContain('docker load');
    expect(row.phases.map(({ phase, state }) => `${phase} ${state}`)).toEqual([
      'PREPARE SUCCEEDED',
      'PULL_IMAGE FAILED',
    ]);
    await expectPeace(world);
  });

  test('when the image of its release is gone from the engine', async () => {
    const { serviceId } = await newService(world);
    await newRelease(world, serviceId, { web: webCommand }, `sha256:${'0'.repeat(64)}`);
    const row = await redeployed(world, serviceId);
    expect(row).toMatchObject({ state: 'FAILED', cause: { kind: 'IMAGE_UNAVAILABLE' } });
    await expectPeace(world);
  });
});

/** A service that runs well and whose next release will not. */
async function failingSecond(web: string, options: { rollBack?: boolean; scale?: number } = {}) {
  const { scale = 2, rollBack = true } = options;
  const service = await newService(world, { scale });
  const { serviceId } = service;
  await redeployed(world, serviceId);
  const first = await serviceOf(world, serviceId);
  await updateService(world.control, world.caller, { serviceId, rollBack });
  await newRelease(world, serviceId, { web });
  return { ...service, first };
}

describe('a later deploy that fails', () => {
  test.each([
    ['exits at once', exits, 'CONTAINER_EXITED'],
    ['never listens', silent, 'HEALTH_CHECK_FAILED'],
  ])('ends ROLLED_BACK and the last good spec serves again, when the app %s', async (_what, web, kind) => {
    const { serviceId, first } = await failingSecond(web);
    const row = await redeployed(world, serviceId);
    expect(row.state).toBe('ROLLED_BACK');
    expect(row.cause?.kind).toBe(kind);
    const jobs = await livingJobs(world, serviceId);
    expect(jobs.map((job) => [job.redeployId, job.restoredBy, job.health])).toEqual([
      [first.runningRedeployId, row.id, 'HEALTHY'],
      [first.runningRedeployId, row.id, 'HEALTHY'],
    ]);
    await expectPeace(world);
  });

  test('ends FAILED and stopped when it was not to be rolled back', async () => {
    const { serviceId } = await failingSecond(exits, { rollBack: false });
    const row = await redeployed(world, serviceId);
    expect(row).toMatchObject({ state: 'FAILED', cause: { kind: 'CONTAINER_EXITED', exitCode: 3 } });
    expect(await serviceOf(world, serviceId)).toMatchObject({ stopped: true });
    expect(await livingJobs(world, serviceId)).toEqual([]);
    await expectPeace(world);
  });

  test('keeps its last lines, without the values of its variables', async () => {
    const { control, caller } = world;
    const { serviceId } = await failingSecond('echo "the word is $WORD"; exit 1', { scale: 1 });
    const variables = [{ name: 'WORD', value: 'canary-8fa2c1' }];
    await setVariables(control, caller, { serviceId, variables });
    const row = await redeployed(world, serviceId);
    const lines = linesOf(row);
    expect(lines.join('\n')).toContain('the word is');
    expect(JSON.stringify(row)).not.toContain('canary-8fa2c1');
  });

  test('at its deadline says which phase it was in', async () => {
    const { serviceId } = await failingSecond(silent, { scale: 1 });
    // Health is waited for longer than the deadline allows.
    const patient = await openWorldFor(30);
    try {
      const service = await newService(patient, { commands: { web: silent } });
      const row = await redeployed(patient, service.serviceId, { deadlineSeconds: 10 });
      expect(row).toMatchObject({
        state: 'FAILED',
        cause: { kind: 'DEADLINE_EXCEEDED', phase: 'VERIFY' },
      });
      await expectPeace(patient);
    } finally {
      await patient.close();
    }
    expect((await livingJobs(world, serviceId)).length).toBe(1);
  });
});

async function openWorldFor(healthySeconds: number): Promise<World> {
  const { url, drop } = await freshDatabase();
  const opened = await openWorld(url, { settings: { healthySeconds } });
  return {
    ...opened,
    close: async () => {
      await opened.close();
      await drop();
    },
  };
}

function linesOf({ cause }: RedeployRow): readonly string[] {
  return cause !== null && 'lastLines' in cause ? cause.lastLines : [];
}
