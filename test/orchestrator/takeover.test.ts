// How soon another replica works on where one has ended: after kill -9 and after a clean stop, in the midst of a redeploy.
// The bounds are the promised figures and as much again for a machine that has other things to do; what was measured is said.
import { expect, test } from 'vitest';
import { type CrashChild, startChild } from '../support/crash-child.ts';
import { expectPeace } from '../support/oracle.ts';
import { freshDatabase } from '../support/postgres.ts';
import { askRedeploy, endOfRedeploy, newService, openWorld } from '../support/world.ts';

const settings = { settleSeconds: 0.3, healthySeconds: 40 };
/** Until the other replica is there too, the first one waits for its health. */
const slowWeb = 'sleep 8; exec httpd -f -p 8080 -h /tmp';
const endings: [name: string, end: (holder: CrashChild) => Promise<void>, figureMs: number][] = [
  [
    'kill -9',
    (holder) => {
      holder.kill('SIGKILL');
      return holder.dead;
    },
    20_000,
  ],
  ['a clean stop', (holder) => holder.close(), 3_000],
];

test.concurrent.each(endings)(
  'after %s another replica goes on in time',
  async (name, end, figureMs) => {
    const database = await freshDatabase();
    const world = await openWorld(database.url, { orchestrate: false, settings });
    const children: CrashChild[] = [];
    const start = async () => {
      const child = await startChild({ url: database.url, dataDirectory: world.dataDirectory, settings });
      children.push(child);
      return child;
    };
    try {
      const holder = await start();
      const { serviceId } = await newService(world, { commands: { web: slowWeb } });
      // A signal that does nothing: the point is only told.
      await holder.arm('VERIFY_JOB:BEFORE', 1, 'SIGCONT');
      const redeployId = await askRedeploy(world, serviceId);
      await holder.waitFor('hit VERIFY_JOB:BEFORE');
      const other = await start();
      await other.arm('VERIFY_JOB:BEFORE', 1, 'SIGCONT');
      expect(other.lines).not.toContain('hit VERIFY_JOB:BEFORE');
      await end(holder);
      const endedAt = performance.now();
      await other.waitFor('hit VERIFY_JOB:BEFORE', 2 * figureMs);
      console.log(`after ${name} another replica went on in ${Math.round(performance.now() - endedAt)} ms`);
      expect((await endOfRedeploy(world, redeployId)).state).toBe('SUCCEEDED');
      await expectPeace(world);
    } finally {
      for (const child of children) await child.end();
      await world.close();
      await database.drop();
    }
  },
  120_000,
);
