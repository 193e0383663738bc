// Maintenance that comes in the midst of a redeploy, while a proxy is just being told of the new jobs: it acts, and holds
// nothing up.
import { expect, test } from 'vitest';
import { enableMaintenance } from '../../src/control/maintenance.ts';
import { findOpenRedeploys } from '../../src/postgres/redeploys.ts';
import { expectPeace } from '../support/oracle.ts';
import { freshDatabase } from '../support/postgres.ts';
import { addressOf, ask, openSite } from '../support/site.ts';
import { openWorld, redeployed, until, type World } from '../support/world.ts';
import { serviceOf } from './looks.ts';

test('maintenance while a proxy is told of the new jobs acts, and the redeploy goes on', async () => {
  const database = await freshDatabase();
  let meanwhile: (() => Promise<unknown>) | undefined;
  const world = await openWorld(database.url, {
    settings: { settleSeconds: 0.3 },
    runtime: (runtime) => ({
      ...runtime,
      // What is wanted was read before.
      putFiles: async (...args) => {
        const once = meanwhile;
        await runtime.putFiles(...args);
        await once?.();
      },
    }),
  });
  try {
    const site = await openSite(world);
    const { serviceId } = site;
    let enabled = false;
    meanwhile = async () => {
      // By the second time the redeploy has found that the proxy is behind, and waits to be told.
      if (enabled) await waitsLong(world, serviceId).catch(() => {});
      else if (await isSwitching(world, serviceId)) {
        enabled = true;
        await enableMaintenance(world.control, world.caller, { serviceId });
      }
    };
    const began = performance.now();
    const { state, cause } = await redeployed(world, serviceId);
    meanwhile = undefined;
    expect([state, cause]).toEqual(['SUCCEEDED', null]);
    expect(performance.now() - began).toBeLessThan(20_000);
    expect(enabled).toBe(true);
    const address = await addressOf(world, site);
    await until(
      'it is in maintenance',
      () => ask(address, site.host),
      (seen) => seen === '503',
    );
    await expectPeace(world);
  } finally {
    await world.close();
    await database.drop();
  }
}, 90_000);

function waitsLong(world: World, serviceId: string) {
  const waits = async () => ((await serviceOf(world, serviceId)).dueAt?.getTime() ?? 0) - Date.now();
  return until('nothing is to be done for long', waits, (left) => left > 5_000, 4_000);
}

async function isSwitching(world: World, serviceId: string): Promise<boolean> {
  const open = await findOpenRedeploys(world.control.store.db, [serviceId]);
  return open.get(serviceId)?.phases.at(-1)?.phase === 'SWITCH';
}
