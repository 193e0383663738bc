// A service proxy that dies, with the control plane or without it, and one that was told only half of what was wanted:
// sites answer again within seconds, with the rotation and the maintenance that are wanted.
import Docker from 'dockerode';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { disableMaintenance, enableMaintenance } from '../../src/control/maintenance.ts';
import { containerName, networkName } from '../../src/model/jobs.ts';
import type { Point } from '../../src/orchestrator/points.ts';
import { type CrashChild, type Place, startChild } from '../support/crash-child.ts';
import { expectPeace } from '../support/oracle.ts';
import { type FreshDatabase, freshDatabase } from '../support/postgres.ts';
import { addressOf, ask, openSite, runningJobs, type Site } from '../support/site.ts';
import { shownBy } from '../support/site-watch.ts';
import { askRedeploy, endOfRedeploy, openWorld, redeployed, until, type World } from '../support/world.ts';
import { serviceOf } from './looks.ts';

const engine = new Docker();
const settings = { settleSeconds: 0.3 };
let database: FreshDatabase;
let world: World;
let child: CrashChild;
let site: Site;

beforeAll(async () => {
  database = await freshDatabase();
  world = await openWorld(database.url, { orchestrate: false, settings });
  await start();
  site = await openSite(world, { overlapSeconds: 1 });
}, 90_000);
beforeEach(async () => {
  if (isAway) await start();
  if ((await serviceOf(world, site.serviceId)).maintenance) await setMaintenance(false);
  await expectPeace(world);
});
afterAll(async () => {
  await child?.end();
  await world?.close();
  await database?.drop();
});

/** Whether the control plane has died. */
let isAway = true;

async function start(): Promise<void> {
  child = await startChild({ url: database.url, dataDirectory: world.dataDirectory, settings });
  isAway = false;
  void child.dead.then(() => {
    isAway = true;
  });
}

async function leave(): Promise<void> {
  child.kill('SIGKILL');
  await child.dead;
}

/** Its process ends as by a fault of its own: what the engine is asked to kill it doesn't start again. */
async function killProxy(): Promise<void> {
  const pidNow = async () => {
    const [job] = await runningJobs(world, site.proxyId);
    const { State } = await engine.getContainer(containerName(job?.id ?? '')).inspect();
    return State.Status === 'running' ? State.Pid : 0;
  };
  const pid = await until('the proxy runs', pidNow, (seen) => seen > 0);
  process.kill(pid, 'SIGKILL');
  await until(
    'it has died',
    () => pidNow().catch(() => 0),
    (seen) => seen !== pid,
  );
}

function answers(status: string, boundMs = 15_000): Promise<string> {
  const askNow = async () => ask(await addressOf(world, site), site.host);
  const look = () => askNow().catch((fault: Error) => fault.message);
  return until(`the site answers ${status}`, look, (seen) => seen === status, boundMs);
}

async function shown(): Promise<readonly string[]> {
  const proxies = await runningJobs(world, site.proxyId);
  const all = await Promise.all(proxies.map((proxy) => shownBy(world.control, proxy)));
  return all.flatMap((servers) => servers.map(({ name, address, state }) => `${name} ${address} ${state}`));
}

const setMaintenance = (enabled: boolean) =>
  (enabled ? enableMaintenance : disableMaintenance)(world.control, world.caller, {
    serviceId: site.serviceId,
  });

describe('a proxy that dies', () => {
  test('while the control plane is away comes back by itself with the same rotation', async () => {
    const before = await shown();
    await leave();
    await killProxy();
    await answers('200');
    expect(await shown()).toEqual(before);
    await start();
    await expectPeace(world);
  });

  test('while the control plane is away comes back in maintenance when it was so', async () => {
    await setMaintenance(true);
    await answers('503');
    await expectPeace(world);
    await leave();
    await killProxy();
    await answers('503');
    await start();
    await setMaintenance(false);
    await answers('200');
    await expectPeace(world);
  });

  test('while the control plane lives, answers again within seconds and is told what is wanted', async () => {
    await killProxy();
    await answers('200');
    await expectPeace(world);
    expect((await redeployed(world, site.serviceId)).state).toBe('SUCCEEDED');
    await expectPeace(world);
  });

  test.each<Point>(['SWITCH:WRITTEN', 'ENTER_OVERLAP:WRITTEN'])(
    'together with the control plane at %s of a redeploy, comes back with what that has come to',
    async (point) => {
      const { serviceId } = site;
      await child.arm(point);
      const redeployId = await askRedeploy(world, serviceId);
      await child.dead;
      await killProxy();
      await start();
      expect((await endOfRedeploy(world, redeployId)).state).toBe('SUCCEEDED');
      await expectPeace(world);
      await answers('200');
    },
    60_000,
  );
});

test('a job whose address was not seen as it started is found by it later', async () => {
  const { raw } = world.control.store;
  const addresses = async () => (await runningJobs(world, site.serviceId)).map(({ address }) => address);
  const before = await addresses();
  await raw`update jobs set address = null where service_id = ${site.serviceId} and state = 'RUNNING'`;
  await until('they have their addresses', addresses, (seen) => !seen.includes(null));
  expect(await addresses()).toEqual(before);
  await expectPeace(world);
  await answers('200');
});

test('a proxy whose address has changed is found at its new one', async () => {
  const [job] = await runningJobs(world, site.proxyId);
  const network = engine.getNetwork(networkName(site.environmentId));
  const name = containerName(job?.id ?? '');
  // The last but one of its subnet: what the engine gives it itself when another was quicker to take its old one.
  const { IPAM } = await network.inspect();
  const [, front, last, bits] = /^([\d.]+\.)(\d+)\/(\d+)$/.exec(IPAM?.Config?.[0]?.Subnet ?? '') ?? [];
  const address = `${front}${Number(last) + 2 ** (32 - Number(bits)) - 3}`;
  await network.disconnect({ Container: name, Force: true });
  await network.connect({ Container: name, EndpointConfig: { IPAMConfig: { IPv4Address: address } } });
  await answers('200');
  const look = () => runningJobs(world, site.proxyId);
  await until('it is noted', look, ([seen]) => seen?.id !== job?.id || seen?.address === address);
  expect((await redeployed(world, site.serviceId)).state).toBe('SUCCEEDED');
  await answers('200');
  await expectPeace(world);
});

describe('what a control plane has left behind that died', () => {
  const places: readonly Place[] = ['SYNC_PROXY:BEFORE', 'PUT_FILES:EFFECT', 'SYNC_PROXY:EFFECT'];

  test.each(places)('at %s, of a wish that stands, is brought to its end', async (place) => {
    await child.arm(place);
    await setMaintenance(true);
    await child.dead;
    await start();
    await answers('503');
    await expectPeace(world);
    await setMaintenance(false);
    await answers('200');
    await expectPeace(world);
  });

  test.each(places)('at %s, of a wish that was taken back meanwhile, is taken back too', async (place) => {
    await child.arm(place);
    await setMaintenance(true);
    await child.dead;
    await setMaintenance(false);
    await start();
    await answers('200');
    await expectPeace(world);
    // And in its files, from which it would start again.
    await killProxy();
    await answers('200');
    await expectPeace(world);
  });
});
