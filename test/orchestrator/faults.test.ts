// An engine that stays away in the midst of a redeploy, one that is slow, and a database that cuts its connections: the
// redeploy ends by its deadline, with exactly what is wanted. What single calls to the engine may meet is in
// engine-faults.test.ts. Mostly it is waited, so all of it goes on at once, each in a world of its own.
import postgres from 'postgres';
import { describe, expect, type TestContext, test } from 'vitest';
import { createService } from '../../src/control/create-service.ts';
import { cancelRedeploy } from '../../src/control/redeploy.ts';
import { updateService } from '../../src/control/update-service.ts';
import { volumeName } from '../../src/model/jobs.ts';
import type { Point } from '../../src/orchestrator/points.ts';
import { markDue } from '../../src/postgres/services.ts';
import { type FaultySocket, openFaultySocket } from '../support/faulty-socket.ts';
import { expectPeace } from '../support/oracle.ts';
import { freshDatabase } from '../support/postgres.ts';
import {
  askRedeploy,
  endOfRedeploy,
  lateCommands,
  newEnvironment,
  newService,
  openWorld,
  redeployed,
  until,
  type World,
  type WorldOptions,
} from '../support/world.ts';
import { watchWriters } from '../support/writers.ts';

/** A world that is closed with its test, and what calls at each point of its orchestrator's work while a test has set it. */
interface Watched {
  readonly world: World;
  watch: ((point: Point) => void) | undefined;
}

async function watchedWorld({ onTestFinished }: TestContext, options: WorldOptions = {}): Promise<Watched> {
  const database = await freshDatabase();
  const at = (point: Point) => watched.watch?.(point);
  const world = await openWorld(database.url, { at, ...options });
  const watched: Watched = { world, watch: undefined };
  onTestFinished(async () => {
    await world.close();
    await database.drop();
  }, 60_000);
  return watched;
}

async function behindFaults(
  context: TestContext,
  options: WorldOptions = {},
): Promise<{ readonly watched: Watched; readonly world: World; readonly socket: FaultySocket }> {
  const socket = await openFaultySocket();
  const watched = await watchedWorld(context, { ...options, dockerHost: socket.host });
  context.onTestFinished(() => socket.close());
  return { watched, world: watched.world, socket };
}

describe.concurrent('an engine that stays away', () => {
  /** Away from the moment on when a redeploy that has touched nothing yet would make its network sure. */
  async function awayFromBegin(context: TestContext, deadlineSeconds: number) {
    const { watched, world, socket } = await behindFaults(context);
    const { serviceId } = await newService(world);
    await redeployed(world, serviceId);
    const away = new Promise<void>((resolve) => {
      watched.watch = (point) => {
        if (point !== 'BEGIN:BEFORE') return;
        watched.watch = undefined;
        socket.fail({ fault: 'REFUSED' });
        socket.cut();
        resolve();
      };
    });
    const redeployId = await askRedeploy(world, serviceId, { deadlineSeconds });
    await away;
    return { world, socket, serviceId, redeployId };
  }

  test('lets a redeploy end by its deadline, whatever is asked meanwhile', async (context) => {
    const { world, socket, serviceId, redeployId } = await awayFromBegin(context, 10);
    // Another wish makes the orchestrator look at the jobs again, which it can't.
    await updateService(world.control, world.caller, { serviceId, scale: 2 });
    await world.control.store.db.transaction((tx) => markDue(tx, [serviceId]));
    const row = await endOfRedeploy(world, redeployId, 30_000);
    expect(row).toMatchObject({ state: 'FAILED', cause: { kind: 'ENGINE_UNAVAILABLE' } });
    socket.heal();
    await expectPeace(world, 30_000);
  }, 90_000);

  test('lets a redeploy end in time also when it swallows every look at the jobs, and those are asked for', async (context) => {
    const { watched, world, socket } = await behindFaults(context, { settings: { healthySeconds: 4 } });
    const { serviceId } = await newService(world, { commands: { web: 'sleep 1000' } });
    watched.watch = (point) => {
      if (point === 'FAIL:BEFORE') socket.fail({ fault: 'BLACK_HOLE_BEFORE' });
    };
    const redeployId = await askRedeploy(world, serviceId, { deadlineSeconds: 10 });
    const asking = setInterval(
      () => void world.control.store.db.transaction((tx) => markDue(tx, [serviceId])),
      500,
    );
    const row = await endOfRedeploy(world, redeployId, 40_000).finally(() => clearInterval(asking));
    expect(row.state).toBe('FAILED');
    expect((row.endedAt?.getTime() ?? 0) - row.deadlineAt.getTime()).toBeLessThan(13_500);
    socket.heal();
    socket.cut();
    await expectPeace(world, 40_000);
  }, 120_000);

  test('lets a cancel be heard', async (context) => {
    const { world, socket, redeployId } = await awayFromBegin(context, 60);
    await cancelRedeploy(world.control, world.caller, { redeployId });
    expect((await endOfRedeploy(world, redeployId, 10_000)).state).toBe('CANCELED');
    socket.heal();
    await expectPeace(world, 30_000);
  }, 60_000);
});

test.concurrent('a start that is slow to arrive is waited for before its volume goes to another', async (context) => {
  // Long enough for the newer redeploy to stop the older one's job and to start its own.
  const slowMs = 2_000;
  let whenStarting: (() => Promise<void>) | undefined;
  const arrived = Promise.withResolvers<void>();
  const { world } = await watchedWorld(context, {
    settings: { healthySeconds: 60 },
    runtime: (runtime) => ({
      ...runtime,
      startContainer: async (spec) => {
        const once = whenStarting;
        whenStarting = undefined;
        await once?.();
        const started = await runtime.startContainer(spec);
        if (once !== undefined) arrived.resolve();
        return started;
      },
    }),
  });
  const { control, caller } = world;
  const environmentId = await newEnvironment(world);
  const input = { type: 'DATABASE', runtime: 'POSTGRESQL', version: '15', label: 'db' } as const;
  const made = await createService(control, caller, { ...input, environmentId });
  const { serviceId } = made.ids;
  await endOfRedeploy(world, 'redeployId' in made.ids ? made.ids.redeployId : '', 60_000);
  const writers = watchWriters(volumeName(serviceId));
  const superseding = new Promise<string>((resolve) => {
    whenStarting = async () => {
      resolve(await askRedeploy(world, serviceId));
      await new Promise((done) => setTimeout(done, slowMs));
    };
  });
  await askRedeploy(world, serviceId);
  // A PostgreSQL that is stopped as it begins may take all of its minute.
  expect((await endOfRedeploy(world, await superseding, 120_000)).state).toBe('SUCCEEDED');
  await arrived.promise;
  await expectPeace(world);
  expect((await writers.stop()).most).toBe(1);
}, 180_000);

describe.concurrent('database connections', () => {
  const points: readonly Point[] = [
    'PREPARE:EFFECT',
    'STOP_JOB:EFFECT',
    'START_JOB:EFFECT',
    'VERIFY_JOB:EFFECT',
  ];
  test.for([1, 3])(
    'cut in every phase of a redeploy, %d times in each, make it late, not wrong',
    { timeout: 120_000 },
    async (times, context) => {
      const watched = await watchedWorld(context, { settings: { healthySeconds: 20 } });
      const { world } = watched;
      // Seen healthy in a step of their own: a cut right after that of their start would find nothing to cut.
      const { serviceId } = await newService(world, { scale: 2, commands: lateCommands });
      await redeployed(world, serviceId);
      const admin = postgres(world.url, { max: 4, connection: { application_name: 'test' } });
      context.onTestFinished(() => admin.end());
      const due = points.flatMap((point) => Array.from({ length: times }, () => point));
      const cuts = new Map<Point, Promise<Cut | undefined>>();
      watched.watch = (point) => {
        const at = due.indexOf(point);
        if (at === -1) return;
        due.splice(at, 1);
        const cut = cutAll(admin);
        // One right after it may find nothing left to cut.
        if (!cuts.has(point)) cuts.set(point, cut);
      };
      const redeployId = await askRedeploy(world, serviceId);
      const state = await until(
        'the redeploy ends',
        async () => (await admin`select state from redeploys where id = ${redeployId}`)[0]?.state,
        (seen) => seen !== 'QUEUED' && seen !== 'RUNNING',
        60_000,
      );
      watched.watch = undefined;
      expect(state).toBe('SUCCEEDED');
      // A point whose step was written down in spite of the cut isn't passed again.
      expect([...cuts.keys()].sort()).toEqual([...points].sort());
      for (const cut of await Promise.all(cuts.values())) expect(cut?.connections).toBeGreaterThan(0);
      await expectPeace(world, 30_000);
    },
  );
});

interface Cut {
  readonly phase: string;
  readonly connections: number;
}

/** Ends every session of ours; answers with the phase this was in, undefined when it came after the redeploy. */
async function cutAll(admin: postgres.Sql): Promise<Cut | undefined> {
  const [cut] = await admin<Cut[]>`
    select phases -> -1 ->> 'phase' as phase,
      (select count(pg_terminate_backend(pid))::int from pg_stat_activity
        where datname = current_database() and application_name <> 'test') as connections
    from redeploys where state = 'RUNNING'`;
  return cut;
}
