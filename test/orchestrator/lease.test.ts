// Two processes over one database: whoever holds a service works on it alone, and what a holder can't do any more another
// does. A holder that was stopped in the midst of a step and comes back does nothing of it.
import postgres from 'postgres';
import { expect, type TestContext, test } from 'vitest';
import { type CrashChild, startChild } from '../support/crash-child.ts';
import type { CrashOptions } from '../support/crash-main.ts';
import { expectPeace } from '../support/oracle.ts';
import { freshDatabase } from '../support/postgres.ts';
import {
  askRedeploy,
  endOfRedeploy,
  newService,
  openWorld,
  redeployed,
  until,
  type World,
} from '../support/world.ts';

const settings = { settleSeconds: 0.3, healthySeconds: 20 };

/** Called when the test has ended, the last first. */
type Close = TestContext['onTestFinished'];

async function freshWorld(
  onEnd: Close,
  orchestrate: boolean,
): Promise<{ world: World; start: () => Promise<CrashChild> }> {
  const database = await freshDatabase();
  onEnd(() => database.drop());
  const world = await openWorld(database.url, { orchestrate, settings });
  onEnd(() => world.close());
  const options: CrashOptions = { url: database.url, dataDirectory: world.dataDirectory, settings };
  const start = async () => {
    const child = await startChild(options);
    onEnd(() => child.end());
    return child;
  };
  return { world, start };
}

const calls = (child: CrashChild) => child.lines.filter((line) => line.startsWith('call '));

test('a holder that is killed is followed by the other replica within 3 s', async ({ onTestFinished }) => {
  const { world, start } = await freshWorld(onTestFinished, false);
  const replicas = [await start(), await start()];
  const { serviceId } = await newService(world, { scale: 2 });
  await redeployed(world, serviceId);
  await Promise.all(replicas.map((replica) => replica.arm('START_JOB:EFFECT')));
  const redeployId = await askRedeploy(world, serviceId);
  await Promise.race(replicas.map((replica) => replica.dead));
  const diedAt = performance.now();
  // The other comes by the same point and would die of it too.
  await Promise.all(replicas.map((replica) => replica.waitFor('hit START_JOB:EFFECT', 5_000)));
  expect(performance.now() - diedAt).toBeLessThan(3_000);
  await start();
  expect((await endOfRedeploy(world, redeployId)).state).toBe('SUCCEEDED');
  await expectPeace(world);
}, 60_000);

test.concurrent('a holder that was stopped for longer than its lease destroys and writes nothing when it comes back', async ({
  onTestFinished,
}) => {
  const { world, start } = await freshWorld(onTestFinished, false);
  const holder = await start();
  const { serviceId } = await newService(world, { scale: 2 });
  await redeployed(world, serviceId);
  await holder.arm('STOP_JOB:BEFORE', 1, 'SIGSTOP');
  const redeployId = await askRedeploy(world, serviceId);
  await holder.waitFor('hit STOP_JOB:BEFORE');
  const stoppedAt = performance.now();
  const before = calls(holder).length;
  const other = await start();
  expect((await endOfRedeploy(world, redeployId, 30_000)).state).toBe('SUCCEEDED');
  expect(performance.now() - stoppedAt).toBeLessThan(25_000);
  await expectPeace(world);
  const working = calls(other).length;
  expect(working).toBeGreaterThan(0);
  holder.kill('SIGCONT');
  const wokenAt = performance.now();
  await until(
    'it has had time',
    async () => performance.now() - wokenAt,
    (milliseconds) => milliseconds > 3_000,
  );
  expect(calls(holder).slice(before)).toEqual([]);
  await expectPeace(world);
  // It lives, and takes part again.
  await other.end();
  expect((await redeployed(world, serviceId)).state).toBe('SUCCEEDED');
  expect(calls(holder).length).toBeGreaterThan(before);
  await expectPeace(world);
}, 90_000);

test.concurrent('a replica that can not take its sign of life again at once takes it later', async ({
  onTestFinished,
}) => {
  const { world } = await freshWorld(onTestFinished, true);
  const { serviceId } = await newService(world);
  await redeployed(world, serviceId);
  const admin = postgres(world.url, { max: 1 });
  const rival = postgres(world.url, { max: 1, connection: { application_name: 'rival' } });
  onTestFinished(() => admin.end());
  onTestFinished(() => rival.end());
  const signs = (granted: boolean, ofRival = false) => admin`
    select pid, objid::int as number from pg_locks join pg_stat_activity using (pid)
    where locktype = 'advisory' and classid = 7226002 and datname = current_database()
    and granted = ${granted} and (application_name = 'rival') = ${ofRival}`;
  const [sign] = await signs(true);
  // Waiting in the line before the replica itself, so that the lock is the rival's as soon as it falls.
  const taken = rival`select pg_advisory_lock(7226002, ${sign?.number ?? 0})`.execute();
  await until(
    'the rival waits',
    () => signs(false, true),
    (seen) => seen.length === 1,
  );
  await admin`select pg_terminate_backend(${sign?.pid})`;
  await taken;
  await until(
    'the replica waits',
    () => signs(false),
    (seen) => seen.length === 1,
  );
  await until(
    'it has given up waiting',
    () => signs(false),
    (seen) => seen.length === 0,
  );
  await rival`select pg_advisory_unlock(7226002, ${sign?.number ?? 0})`;
  await until(
    'the sign of life is back',
    () => signs(true),
    (seen) => seen.length === 1,
  );
  expect((await redeployed(world, serviceId)).state).toBe('SUCCEEDED');
  await expectPeace(world);
}, 60_000);
