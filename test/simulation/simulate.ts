// One seed from its beginning to its rest: everything happens that is to, then the troubles end, and what the invariants say
// must be so before long.
import { sql } from 'drizzle-orm';
import { Refusal } from '../../src/errors.ts';
import type { LoggedEvent } from '../../src/model/events.ts';
import { openStates } from '../../src/model/redeploy.ts';
import { events } from '../../src/postgres/tables/events.ts';
import { redeploys } from '../../src/postgres/tables/redeploys.ts';
import { findBreaches } from '../support/oracle.ts';
import { standingStill } from './clock.ts';
import { goAway, happen, keepAlive, settle } from './people.ts';
import { openChannel } from './proxies.ts';
import { askPlainly } from './runtime.ts';
import type { Scenario } from './scenario.ts';
import { watch, watchRotation } from './watch.ts';
import { die, type Ground, newWorld, tell, type World } from './world.ts';

export interface Told {
  readonly faults: readonly string[];
  readonly story: readonly string[];
}

/** Beyond the deadline and the undoing of every redeploy that is still open when troubles end. */
const restMs = 60_000;
const lookEveryMs = 1_000;

/** `lastly` happens when all is at rest. */
export async function simulate(
  ground: Ground,
  scenario: Scenario,
  lastly: (world: World) => Promise<void> = async () => {},
): Promise<Told> {
  const world = newWorld(ground, scenario);
  watch(world);
  let over = false;
  const living = keepAlive(world, () => over);
  const lived = live(world)
    .then(() => lastly(world))
    .catch(
      (error: unknown) => void world.faults.add(`it threw: ${error instanceof Error ? error.stack : error}`),
    )
    .finally(() => {
      over = true;
    });
  try {
    const look = watchRotation(world);
    const settled = async () => {
      await ground.database.settle();
      if (world.faults.size === 0) look();
    };
    await world.clock.runUntil(() => over, settled);
    await lived;
  } catch (error) {
    world.faults.add(`${error}`);
    over = true;
  }
  void living.catch(() => {});
  for (const plane of [...world.planes]) die(world, plane, 'because all is over');
  await ground.database.settle();
  if (world.faults.size > 0) await addEvents(world);
  await ground.database.clear();
  return { faults: [...world.faults], story: world.story };
}

async function live(world: World): Promise<void> {
  const { clock, scenario, engine } = world;
  const place = await settle(world);
  const strangers = () =>
    [...engine.containers.values()].filter(({ spec }) => spec.labels.test !== undefined);
  const begun: Promise<void>[] = [];
  for (const deed of scenario.deeds) {
    await clock.sleep(deed.atMs - clock.now());
    begun.push(happen(world, place, deed));
  }
  await Promise.all(begun);
  await clock.sleep(500);
  const met = strangers().map(({ id }) => id);
  await calmDown(world);
  await rest(world, false);
  if (scenario.deletedAfterwards) {
    tell(world, '— it is deleted');
    await goAway(world, place).catch((error: unknown) => {
      if (!(error instanceof Refusal)) throw error;
    });
    await rest(world, true);
  }
  const left = strangers().filter(({ state }) => state === 'RUNNING');
  if (left.length < met.length) world.faults.add('S5: somebody else’s container was touched');
}

async function calmDown(world: World): Promise<void> {
  tell(world, '— troubles end');
  world.calm = true;
  world.troubles.rate = 0;
  for (const plane of world.planes) {
    plane.pointsLeft = Number.POSITIVE_INFINITY;
    await standingStill(plane);
  }
  world.sick.clear();
  // What would never have listened, or never have ended when told to, does now.
  for (const container of world.engine.containers.values()) {
    container.listensFrom = Math.min(container.listensFrom, world.clock.now());
    container.program = { ...container.program, stopsAfterMs: 200 };
  }
}

/** Until the oracle finds nothing any more. */
async function rest(world: World, gone: boolean): Promise<void> {
  const { clock, control, runtime, proxies } = world;
  const channel = ({ id, address }: { readonly id: string; readonly address: string | null }) =>
    openChannel(proxies, clock, askPlainly, { address: address ?? '', serverName: `berth-job-${id}` });
  const { installation } = control;
  const watched = {
    ...{ control: { ...control, installation, channel }, runtime },
    ...{ now: () => clock.date(), awaySeconds: world.awaySeconds },
  };
  let end = clock.now() + restMs;
  for (;;) {
    await clock.sleep(lookEveryMs);
    const open = await control.store.db
      .select({ id: redeploys.id })
      .from(redeploys)
      .where(sql`${redeploys.state} in ${[...openStates]}`);
    if (open.length > 0 && clock.now() < end) continue;
    const breaches = await findBreaches(watched);
    if (breaches.length === 0) return;
    if (open.length === 0) end = Math.min(end, clock.now() + 32_000);
    if (clock.now() < end) continue;
    for (const breach of breaches) world.faults.add(`${gone ? 'after its deletion: ' : ''}${breach}`);
    return;
  }
}

/** What was told to whoever listened, among what is known of how it came. */
async function addEvents({ control, story }: World): Promise<void> {
  const rows: LoggedEvent[] = await control.store.db.select().from(events).orderBy(events.seq);
  for (const { occurredAt, type, message, jobId, redeployId, data } of rows) {
    const at = (occurredAt.getTime() - Date.UTC(2030, 0, 1)) / 1000;
    const ids = `${redeployId?.slice(-6) ?? ''} ${jobId?.slice(-6) ?? ''}`;
    const phase = 'phase' in data ? `${data.phase} ` : '';
    story.push(`${at.toFixed(3).padStart(8)} s  ${type} ${phase}${ids} ${message}`);
  }
  story.sort((a, b) => Number.parseFloat(a) - Number.parseFloat(b));
}
