// One crash after the other in a world of its own: the control plane dies at a named point, another goes on, the oracle
// looks, and the one that went on is the next to die. A client follows the events through all of it; a site is visited.
import { desc, gt } from 'drizzle-orm';
import { openStates } from '../../src/model/redeploy.ts';
import type { Point } from '../../src/orchestrator/points.ts';
import { listRedeploysById } from '../../src/postgres/redeploys.ts';
import { events } from '../../src/postgres/tables/events.ts';
import { type CrashChild, startChild } from '../support/crash-child.ts';
import { expectPeace } from '../support/oracle.ts';
import type { PlaneSettings } from '../support/plane.ts';
import { openWorld, type Service, type World } from '../support/world.ts';
import { type Follower, follow } from './follower.ts';
import type { Way } from './paths.ts';

export interface Crash {
  readonly way: Way;
  readonly point: Point;
  readonly scale: number;
  /** It dies at the so-manieth time it comes by. */
  readonly occurrence?: number;
}

const settings: Partial<PlaneSettings> = { healthySeconds: 4, settleSeconds: 0.3 };
const resumeBoundMs = 10_000;

interface Lane {
  readonly world: World;
  readonly followers: Map<string, Follower>;
  readonly kept: Map<string, Service>;
  readonly start: () => Promise<CrashChild>;
  /** The control plane that lives. */
  child: CrashChild;
}

export async function runLane(
  url: string,
  crashes: readonly Crash[],
  say: (line: string) => void = () => {},
  /** Past it no other crash is begun, and it fails. */
  patienceMs = Number.POSITIVE_INFINITY,
): Promise<void> {
  const end = performance.now() + patienceMs;
  const world = await openWorld(url, { orchestrate: false, settings });
  const start = () => startChild({ url, dataDirectory: world.dataDirectory, settings });
  const lane: Lane = { world, followers: new Map(), kept: new Map(), start, child: await start() };
  try {
    for (const crash of crashes) {
      const began = performance.now();
      if (began > end) throw new Error(`${nameOf(crash)}: not begun within ${patienceMs} ms`);
      await survive(lane, crash);
      say(`${nameOf(crash)}: ${Math.round(performance.now() - began)} ms`);
    }
    for (const follower of lane.followers.values()) {
      const oddities = await follower.end();
      if (oddities.length > 0) throw new Error(`The follower: ${oddities.join('; ')}`);
    }
  } finally {
    for (const follower of lane.followers.values()) await follower.end().catch(() => {});
    await lane.child.end();
    await world.close();
  }
}

async function survive(lane: Lane, crash: Crash): Promise<void> {
  try {
    const service = await serviceFor(lane, crash);
    await expectPeace(lane.world);
    const seeing = await crash.way.watch?.(lane.world, service, crash.scale);
    const failures: string[] = [];
    await dieAndGoOn(lane, crash, service).catch((error: Error) => failures.push(error.message));
    failures.push(...((await seeing?.end()) ?? []));
    if (failures.length > 0) throw new Error(failures.join('\n'));
  } catch (error) {
    throw new Error(`${nameOf(crash)}: ${error instanceof Error ? error.message : error}`, { cause: error });
  }
}

async function serviceFor({ world, kept, followers }: Lane, { way, scale }: Crash): Promise<Service> {
  const key = `${way.name} ${scale}`;
  const service = kept.get(key) ?? (await way.prepare(world, scale));
  if (way.lasting) kept.set(key, service);
  const { environmentId } = service;
  if (!followers.has(environmentId)) followers.set(environmentId, follow(world.control, environmentId));
  return service;
}

async function dieAndGoOn(
  lane: Lane,
  { way, point, occurrence = 1 }: Crash,
  service: Service,
): Promise<void> {
  const { world, child } = lane;
  const approached = await way.approach?.(world, service);
  await child.arm(point, occurrence);
  const redeployId = await way.begin(world, service, approached);
  await child.waitFor(`hit ${point}`);
  await child.dead;
  await way.meanwhile?.(world, redeployId);
  const unfinished = await isOpen(world, redeployId);
  const before = await newestEvent(world);
  const diedAt = performance.now();
  lane.child = await lane.start();
  await lane.followers.get(service.environmentId)?.cut();
  if (unfinished) await expectProgress(world, before, diedAt);
  await way.end(world, service, redeployId);
  await expectPeace(world);
}

export function nameOf({ way, point, scale, occurrence = 1 }: Crash): string {
  return `${point}${occurrence > 1 ? ` (${occurrence}.)` : ''}, ${way.name}, scale ${scale}`;
}

async function isOpen(world: World, redeployId: string | undefined): Promise<boolean> {
  if (redeployId === undefined) return false;
  const [row] = await listRedeploysById(world.control.store.db, [redeployId]);
  return row !== undefined && openStates.includes(row.state);
}

async function newestEvent(world: World): Promise<Date> {
  const { db } = world.control.store;
  const [newest] = await db.select().from(events).orderBy(desc(events.occurredAt)).limit(1);
  return newest?.occurredAt ?? new Date(0);
}

/** Work goes on, seen by an event, within the bound after the death. */
async function expectProgress(world: World, since: Date, diedAt: number): Promise<void> {
  const { db } = world.control.store;
  for (;;) {
    const rows = await db.select().from(events).where(gt(events.occurredAt, since)).limit(1);
    if (rows.length > 0) return;
    if (performance.now() - diedAt > resumeBoundMs) throw new Error('work did not go on within 10 s');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
