// A holder that stands still between the creation of a container and its start, for longer than its lease: when it comes back
// it starts nothing, whatever the one that took over has made of the container meanwhile.
import { afterEach, expect, test } from 'vitest';
import type { RedeployRow } from '../../src/postgres/redeploys.ts';
import type { Runtime } from '../../src/runtime/runtime.ts';
import { type CrashChild, startChild } from '../support/crash-child.ts';
import { expectPeace } from '../support/oracle.ts';
import { freshDatabase } from '../support/postgres.ts';
import {
  askRedeploy,
  endOfRedeploy,
  newService,
  openWorld,
  redeployed,
  type World,
} from '../support/world.ts';

const settings = { settleSeconds: 0.3, healthySeconds: 20 };
/** The lease's 15 s, and time for the other to do its part. */
const stillMs = 20_000;
const closers: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

interface Standing {
  readonly world: World;
  /** Stands still before the next start, while another replica comes up. */
  arm(): void;
  /** Starts that went on after they had stood still. */
  readonly wentOn: readonly string[];
  /** The container that stood still. */
  stoodAt(): string | undefined;
}

async function standingWorld(): Promise<Standing> {
  const database = await freshDatabase();
  closers.push(() => database.drop());
  const wentOn: string[] = [];
  let other: (() => Promise<CrashChild>) | undefined;
  let stoodAt: string | undefined;
  const standing = (runtime: Runtime): Runtime => ({
    ...runtime,
    startContainer: (spec, beforeStart) =>
      runtime.startContainer(spec, () => {
        if (other === undefined) return beforeStart?.();
        const child = other();
        closers.push(async () => (await child).end());
        other = undefined;
        stoodAt = spec.name;
        // All of this process stands still, as one that is stopped does: it renews nothing and hears nothing.
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, stillMs);
        beforeStart?.();
        wentOn.push(spec.name);
      }),
  });
  const world = await openWorld(database.url, { settings, runtime: standing });
  closers.push(() => world.close());
  const options = { url: database.url, dataDirectory: world.dataDirectory, settings };
  return {
    world,
    arm: () => {
      other = () => startChild(options);
    },
    wentOn,
    stoodAt: () => stoodAt,
  };
}

/** What was asked as everything stood still may have had no answer in its time. */
function endAfterStandstill(world: World, redeployId: string): Promise<RedeployRow> {
  const ended = () => endOfRedeploy(world, redeployId, 60_000);
  return ended().catch((error: Error) => {
    if (!/did not answer in time/.test(`${error.cause}`)) throw error;
    return ended();
  });
}

test('the other replica starts what was created, and the redeploy succeeds', async () => {
  const { world, arm, wentOn, stoodAt } = await standingWorld();
  const { serviceId } = await newService(world);
  arm();
  const redeployId = await askRedeploy(world, serviceId);
  expect((await endAfterStandstill(world, redeployId)).state).toBe('SUCCEEDED');
  expect(stoodAt()).toBeDefined();
  await expectPeace(world);
  expect(wentOn).toEqual([]);
}, 90_000);

test('what was created for a redeploy that has ended meanwhile is removed, and not started', async () => {
  const { world, arm, wentOn, stoodAt } = await standingWorld();
  const { serviceId } = await newService(world);
  arm();
  const redeployId = await askRedeploy(world, serviceId, { deadlineSeconds: 10 });
  expect((await endAfterStandstill(world, redeployId)).state).toBe('FAILED');
  await expectPeace(world);
  const { id } = world.control.installation;
  expect(await world.runtime.inspectContainer(stoodAt() ?? '', id)).toBeUndefined();
  expect((await world.runtime.inventory(id)).containers).toEqual([]);
  expect(wentOn).toEqual([]);
  // Both replicas live, and whichever takes it carries it out.
  expect((await redeployed(world, serviceId)).state).toBe('SUCCEEDED');
  await expectPeace(world);
}, 90_000);
