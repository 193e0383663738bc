// A Docker Engine that is really stopped, or killed, in the midst of a redeploy, and started again: the redeploy ends well,
// with exactly what is wanted, nothing that ran is replaced, and whoever visits the other services notices nothing. On an
// engine of the test's own; where there can be none, nothing is tested and a sentence says why.
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import Docker from 'dockerode';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { deployWorker } from '../../src/control/workers.ts';
import type { Point } from '../../src/orchestrator/points.ts';
import { labels } from '../../src/runtime/runtime.ts';
import { type Follower, follow } from '../crash/follower.ts';
import { type CrashChild, startChild } from '../support/crash-child.ts';
import { expectPeace } from '../support/oracle.ts';
import { freshDatabase } from '../support/postgres.ts';
import { findObstacle, openPrivateEngine, type PrivateEngine } from '../support/private-engine.ts';
import { sendVisitor, type Visitor } from '../support/visitor.ts';
import {
  askRedeploy,
  endOfRedeploy,
  newService,
  openWorld,
  redeployed,
  type Service,
  type World,
} from '../support/world.ts';
import { jobsOf, livingJobs } from './looks.ts';

const awayMs = 3_000;
const scale = 2;
const settings = { healthySeconds: 20, settleSeconds: 0.3, compareSeconds: 2 };
/** Takes a while to stop and another to listen, so that there is a midst of both. */
const slowCommands = {
  web: "trap 'sleep 0.7; exit' TERM; (sleep 0.7; exec httpd -f -p 8080 -h /tmp) & while true; do wait; done",
  worker: "trap 'sleep 0.7; exit' TERM; while true; do sleep 0.1; done",
};
const quietCommands = { web: 'echo here > /tmp/index.html; exec httpd -f -p 8080 -h /tmp' };

const obstacle = await findObstacle();
if (obstacle !== undefined) console.log(`Restarts of a real Docker Engine are not tested. ${obstacle}`);

describe.skipIf(obstacle !== undefined)('an engine that is away for three seconds', () => {
  const closers: (() => Promise<unknown>)[] = [];
  let engine: PrivateEngine;
  let world: World;
  let plane: CrashChild;
  let quiet: Service;
  let busy: Service;
  let visitor: Visitor;
  let follower: Follower;

  beforeAll(async () => {
    const database = await freshDatabase();
    closers.push(() => database.drop());
    engine = await openPrivateEngine(inject('scratch'));
    closers.push(() => engine.close());
    world = await openWorld(database.url, { orchestrate: false, settings, engineHost: engine.host });
    closers.push(() => world.close());
    const { dataDirectory } = world;
    const options = { url: database.url, dataDirectory, dockerHost: engine.host, settings };
    plane = await startChild(options, engine.within);
    closers.push(() => plane.end());
    quiet = await newService(world, { commands: quietCommands });
    const { environmentId } = quiet;
    follower = follow(world.control, environmentId);
    closers.push(() => follower.end());
    busy = await newService(world, { environmentId, scale, commands: slowCommands });
    const { serviceId } = busy;
    await Promise.all([redeployed(world, quiet.serviceId), redeployed(world, serviceId)]);
    await deployWorker(world.control, world.caller, { serviceId, target: 'worker', count: 1 });
    await expectPeace(world);
    const [job] = await livingJobs(world, quiet.serviceId);
    visitor = sendVisitor(`http://${job?.address}:8080/`, engine.within);
    closers.push(() => visitor.end());
  }, 60_000);

  afterAll(async () => {
    for (const close of closers.splice(0).reverse()) await close();
  }, 60_000);

  /** Each listens first; what it answers with waits for the moment. */
  const moments: Record<string, () => Promise<() => Promise<void>>> = {
    'while old jobs are stopping': () => listenForEngine('kill'),
    'when new jobs are about to be started': () => listenForPlane('START_JOB:BEFORE', 'SIGSTOP'),
    // A signal that does nothing: it only tells.
    'while new jobs are verified': () => listenForPlane('ENTER_VERIFY:WRITTEN', 'SIGCONT'),
  };

  /** Until the orchestrator passes the point for the first time, where the signal reaches it. */
  async function listenForPlane(point: Point, signal: NodeJS.Signals): Promise<() => Promise<void>> {
    const before = plane.lines.length;
    await plane.arm(point, 1, signal);
    return () => plane.waitFor(`hit ${point}`, undefined, before);
  }

  /** Until the engine itself tells of an action on a container of the busy service. */
  async function listenForEngine(action: string): Promise<() => Promise<void>> {
    const docker = new Docker({ socketPath: engine.host.replace('unix://', '') });
    const label = [`${labels.service}=${busy.serviceId}`];
    const stream = await docker.getEvents({ filters: { type: ['container'], event: [action], label } });
    // It is going to be cut off.
    stream.once('error', () => {});
    const told = once(stream, 'data', { signal: AbortSignal.timeout(30_000) });
    return async () => void (await told);
  }

  test.each<[string, 'stop' | 'kill']>([
    ['while old jobs are stopping', 'kill'],
    ['when new jobs are about to be started', 'stop'],
    ['when new jobs are about to be started', 'kill'],
    ['while new jobs are verified', 'kill'],
  ])(
    '%s (%s) makes the redeploy late, not wrong',
    async (moment, end) => {
      const reached = await moments[moment]?.();
      const redeployId = await askRedeploy(world, busy.serviceId);
      await reached?.();
      await engine[end]();
      plane.kill('SIGCONT');
      await sleep(awayMs);
      await engine.start();
      await follower.cut();
      const row = await endOfRedeploy(world, redeployId);
      expect(row).toMatchObject({ state: 'SUCCEEDED', cause: null });
      await expectPeace(world);
      const own = (await jobsOf(world, busy.serviceId)).filter((job) => job.redeployId === redeployId);
      expect(own.filter((job) => job.state === 'RUNNING')).toHaveLength(scale + 1);
    },
    60_000,
  );

  test('has not been noticed by those who visited another service', async () => {
    const { answered, failures } = await visitor.end();
    expect(failures).toEqual([]);
    expect(answered).toBeGreaterThan(100);
    expect(await jobsOf(world, quiet.serviceId)).toHaveLength(1);
  });

  test('has cost those who follow the events none, and given them none twice', async () => {
    expect(await follower.end()).toEqual([]);
  });
});
