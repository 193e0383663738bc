// A holder that stands still for 25 s in the midst of an OVERLAP redeploy of a site, and comes back when its successor has
// brought that one to its end and made another: it tells the engine and the proxy nothing, and writes nothing (S7, S9).
// Visitors are there all the time, and see none of it.
import assert from 'node:assert/strict';
import { asc } from 'drizzle-orm';
import type { ServiceRow } from '../../src/postgres/services.ts';
import { events } from '../../src/postgres/tables/events.ts';
import { jobs } from '../../src/postgres/tables/jobs.ts';
import { redeploys } from '../../src/postgres/tables/redeploys.ts';
import { serviceOf } from '../orchestrator/looks.ts';
import { type CrashChild, type Place, startChild } from '../support/crash-child.ts';
import { expectPeace } from '../support/oracle.ts';
import { openSite, runningJobs, type Site } from '../support/site.ts';
import { shownBy } from '../support/site-watch.ts';
import { askRedeploy, endOfRedeploy, openWorld, redeployed, until, type World } from '../support/world.ts';
import { witness } from './witness.ts';

const settings = { settleSeconds: 0.3, healthySeconds: 20 };
const stillMs = 25_000;
const takeoverMs = 20_000;
/** A stop of a job may take its grace of 30 s and what follows. */
const endMs = 90_000;
/** For whatever it was about to do when it comes back. */
const backMs = 3_000;
const scale = 2;

export async function standStill(url: string, place: Place, say: (line: string) => void): Promise<void> {
  const world = await openWorld(url, { orchestrate: false, settings });
  const children: CrashChild[] = [];
  const start = async () => {
    const child = await startChild({ url, dataDirectory: world.dataDirectory, settings });
    children.push(child);
    return child;
  };
  try {
    const holder = await start();
    const site = await openSite(world, { scale, overlapSeconds: 1 });
    const seeing = await witness(world, site, [], scale);
    const failure = await comeBack(world, site, holder, start, place, say).catch((error: unknown) => error);
    const breaches = await seeing.end();
    if (failure !== undefined) throw failure;
    assert.deepEqual(breaches, []);
    await expectPeace(world);
  } finally {
    for (const child of children) await child.end();
    await world.close();
  }
}

async function comeBack(
  world: World,
  site: Site,
  holder: CrashChild,
  start: () => Promise<CrashChild>,
  place: Place,
  say: (line: string) => void,
): Promise<void> {
  await holder.arm(place, 1, 'SIGSTOP');
  const redeployId = await askRedeploy(world, site.serviceId);
  await holder.waitFor(`hit ${place}`);
  const stillSince = performance.now();
  const said = holder.lines.length;
  const held = await leases(world, site);
  await start();
  const takenOver = (seen: readonly ServiceRow[]) =>
    held.every(
      (before, at) => before.leaseHolder === null || (seen[at]?.leaseEpoch ?? 0) > before.leaseEpoch,
    );
  await until('another has taken over', () => leases(world, site), takenOver, 1.5 * takeoverMs);
  say(`at ${place}: taken over after ${Math.round(performance.now() - stillSince)} ms`);
  assert.equal((await endOfRedeploy(world, redeployId, endMs)).state, 'SUCCEEDED');
  // What it was about to tell the proxy, or to stop, is another's now.
  assert.equal((await redeployed(world, site.serviceId)).state, 'SUCCEEDED');
  await expectPeace(world);
  await passed(stillSince, stillMs);
  const before = await everything(world, site);
  holder.kill('SIGCONT');
  await passed(performance.now(), backMs);
  assert.deepEqual(holder.lines.slice(said), []);
  assert.deepEqual(await everything(world, site), before);
}

function leases(world: World, { serviceId, proxyId }: Site): Promise<ServiceRow[]> {
  return Promise.all([serviceId, proxyId].map((id) => serviceOf(world, id)));
}

async function passed(since: number, milliseconds: number): Promise<void> {
  const look = async () => performance.now() - since;
  await until('the time has passed', look, (seen) => seen > milliseconds, milliseconds + 5_000);
}

/** What is written down, what the engine has, and what HAProxy shows. */
async function everything(world: World, site: Site) {
  const { db } = world.control.store;
  const [log, jobRows, redeployRows, { containers }, proxies] = await Promise.all([
    db.select().from(events).orderBy(asc(events.environmentId), asc(events.seq)),
    db.select().from(jobs).orderBy(asc(jobs.id)),
    db.select().from(redeploys).orderBy(asc(redeploys.id)),
    world.runtime.inventory(world.engine.id),
    runningJobs(world, site.proxyId),
  ]);
  const shown = await Promise.all(proxies.map((proxy) => shownBy(world.control, proxy)));
  const ids = containers.map(({ id, state }) => `${id} ${state}`).sort();
  return { log, jobRows, redeployRows, ids, shown };
}
