// One crash after the other in a world of its own: the control plane dies at a named point, another goes on, the oracle
// looks, and the one that went on is the next to die. A client follows the events through all of it.
import { desc, gt } from 'drizzle-orm';
import { openStates } from '../../src/model/redeploy.ts';
import type { Point } from '../../src/orchestrator/deps.ts';
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

export async function runLane(
  url: string,
  crashes: readonly Crash[],
  say: (line: string) => void = () => {},
): Promise<void> {
  const world = await openWorld(url, { orchestrate: false, settings });
  const options = { url, dataDirectory: world.dataDirectory, settings };
  const followers = new Map<string, Follower>();
  const kept = new Map<string, Service>();
  let child = await startChild(options);
  try {
    for (const crash of crashes) {
      const began = performance.now();
      child = await survive(world, child, crash, { followers, kept, restart: () => startChild(options) });
      say(`${nameOf(crash)}: ${Math.round(performance.now() - began)} ms`);
    }
    for (const follower of followers.values()) {
      const oddities = await follower.end();
      if (oddities.length > 0) throw new Error(`The follower: ${oddities.join('; ')}`);
    }
  } finally {
    for (const follower of followers.values()) await follower.end().catch(() => {});
    await child.end();
    await world.close();
  }
}

interface Lane {
  readonly followers: Map<string, Follower>;
  readonly kept: Map<string, Service>;
  readonly restart: () => Promise<CrashChild>;
}

async function survive(world: World, child: CrashChild, crash: Crash, lane: Lane): Promise<CrashChild> {
  const { way, point, scale, occurrence = 1 } = crash;
  try {
    const key = `${way.name} ${scale}`;
    const service = lane.kept.get(key) ?? (await way.prepare(world, scale));
    if (way.lasting) lane.kept.set(key, service);
    const { environmentId } = service;
    if (!lane.followers.has(environmentId))
      lane.followers.set(environmentId, follow(world.control, environmentId));
    await expectPeace(world);
    await child.arm(point, occurrence);
    const redeployId = await way.begin(world, service);
    await child.waitFor(`hit ${point}`);
    await child.dead;
    const unfinished = await isOpen(world, redeployId);
    const before = await newestEvent(world);
    const diedAt = performance.now();
    const next = await lane.restart();
    try {
      await lane.followers.get(environmentId)?.cut();
      if (unfinished) await expectProgress(world, before, diedAt);
      await way.end(world, service, redeployId);
      await expectPeace(world);
      return next;
    } catch (error) {
      await next.end();
      throw error;
    }
  } catch (error) {
    throw new Error(`${nameOf(crash)}: ${error instanceof Error ? error.message : error}`, { cause: error });
  }
}

function nameOf({ way, point, scale, occurrence = 1 }: Crash): string {
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
