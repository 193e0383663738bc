// What must hold at all times in a simulated world, looked at in the moment in which it could be broken: how many containers
// of a service run (S2), that a volume has one writer (S15), and that whoever does something to a container has the lease of
// its service (S9). What must hold in the end is the oracle's.
import { inArray } from 'drizzle-orm';
import { containerName } from '../../src/model/jobs.ts';
import { services } from '../../src/postgres/tables/services.ts';
import { labels } from '../../src/runtime/runtime.ts';
import { type Container, isListening } from './engine.ts';
import type { Memory } from './proxies.ts';
import type { Scenario } from './scenario.ts';
import type { Plane, World } from './world.ts';

export function watch(world: World): void {
  const { engine } = world;
  const most = 2 * mostWanted(world.scenario) + 1;
  engine.begun.add((container) => {
    const { volume } = container.spec;
    const running = [...engine.containers.values()].filter(({ state }) => state === 'RUNNING');
    const writers = running.filter(({ spec }) => volume !== undefined && spec.volume?.name === volume.name);
    if (writers.length > 1) world.faults.add(`S15: ${writers.length} containers have the volume`);
    const serviceId = container.spec.labels[labels.service];
    const beside = running.filter((each) => isJobs(each) && each.spec.labels[labels.service] === serviceId);
    if (isJobs(container) && beside.length > most)
      world.faults.add(`S2: ${beside.length} containers of a service where at most ${most} may be`);
  });
  world.onDestructive = (plane, name) => {
    const serviceId = engine.containers.get(name)?.spec.labels[labels.service];
    if (serviceId !== undefined && name.startsWith('berth-job-'))
      void checkLease(world, plane, serviceId, name);
  };
}

/** S1, after everything that happens; and since when a job gets no requests any more, for those that it still has. */
export function watchRotation(world: World): () => void {
  const { proxies, clock, scenario } = world;
  const lastReadyAt = new Map<string, number>();
  proxies.sessionsOf = (jobId, now) =>
    now < (lastReadyAt.get(jobId) ?? Number.NEGATIVE_INFINITY) + scenario.sessionMs ? 1 : 0;
  const wanted = scenario.services[0]?.scale ?? 0;
  let reached = false;
  return () => {
    const now = clock.now();
    const serving = [...proxies.memories].filter(([container]) => isListening(container, now));
    for (const [, memory] of serving)
      for (const servers of memory.servers.values())
        for (const { name, state } of servers) if (state === 'READY') lastReadyAt.set(name, now);
    const [only] = serving.filter(([container]) => proxies.told.has(container));
    // Of two it is for the edge to choose.
    if (!scenario.gentle || only === undefined || serving.length > 1) return;
    const healthy = healthyReady(world, only[1]);
    if (reached && healthy < wanted)
      world.faults.add(`S1: ${healthy} healthy jobs get requests where there were ${wanted}`);
    if (healthy >= wanted) reached = true;
  };
}

function healthyReady({ engine, clock }: World, { servers }: Memory): number {
  const ready = [...servers.values()].flat().filter(({ state }) => state === 'READY');
  return ready.filter(({ name, address }) => {
    const container = engine.containers.get(containerName(name));
    return container !== undefined && container.address === address && isListening(container, clock.now());
  }).length;
}

/** Asked for in the same moment, so that the answer is of that moment. */
async function checkLease(
  { control, faults }: World,
  plane: Plane,
  serviceId: string,
  name: string,
): Promise<void> {
  const [row] = await control.store.db
    .select()
    .from(services)
    .where(inArray(services.id, [serviceId]));
  const { leaseHolder = null, deletedAt = null } = row ?? {};
  if (leaseHolder !== null && leaseHolder !== plane.number && deletedAt === null)
    faults.add(`S9: process ${plane.number} touches ${name} while ${leaseHolder} has the lease`);
}

/** Of deploy and worker jobs; tasks go their own way. */
function isJobs({ spec }: Container): boolean {
  const job = spec.labels[labels.job];
  return job !== undefined && spec.name === containerName(job) && spec.command?.[0] !== 'task';
}

function mostWanted({ services: plans, deeds }: Scenario): number {
  const scales = deeds.filter((deed) => deed.do === 'SCALE').map(({ number }) => number % 4);
  const workers = deeds.filter((deed) => deed.do === 'WORKERS').map(({ number }) => (number % 3) + 1);
  const highest = Math.max(...plans.map(({ scale }) => scale), ...scales);
  return highest + Math.max(0, ...plans.map((plan) => plan.workers), ...workers);
}
