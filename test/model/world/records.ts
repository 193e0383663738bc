// What is written down, under the conditions under which the database takes it: jobs move only as declared, a redeploy that
// has ended or moved on since it was seen takes nothing.

import { countOf, wantedJobs } from '../../../src/model/job-steps.ts';
import { hasEnded, type JobState, jobMoves } from '../../../src/model/jobs.ts';
import type { EndState, PhaseName, WantedJobs } from '../../../src/model/redeploy.ts';
import { checkEnd, checkPhases } from './invariants.ts';
import { fateAfterTroubles } from './scenario.ts';
import { type SimJob, type SimRedeploy, tell, type World } from './world.ts';

export interface Seen {
  readonly redeploy: SimRedeploy | undefined;
  readonly phases: number;
  readonly failed: boolean;
  readonly cancelRequested: boolean;
}

export function see({ open }: World): Seen {
  const view = open?.view;
  return {
    redeploy: open,
    phases: view?.phases.length ?? 0,
    failed: view?.cause != null,
    cancelRequested: view?.cancelRequested ?? false,
  };
}

/** The redeploy, if it still is as it was seen. */
export function unmoved(world: World, seen: Seen): SimRedeploy | undefined {
  const now = see(world);
  const same =
    now.redeploy === seen.redeploy &&
    now.phases === seen.phases &&
    now.failed === seen.failed &&
    now.cancelRequested === seen.cancelRequested;
  return same ? seen.redeploy : undefined;
}

export function enter(world: World, seen: Seen, phase: PhaseName): SimRedeploy | undefined {
  const redeploy = unmoved(world, seen);
  if (redeploy === undefined || redeploy.view.phases.at(-1)?.phase === phase) return undefined;
  const startedAt = new Date(world.now).toISOString();
  const entered = { phase, state: 'RUNNING' as const, startedAt, endedAt: null, message: '' };
  redeploy.view.phases = [...redeploy.view.phases, entered];
  tell(world, () => `${redeploy.id} enters ${phase}`);
  checkPhases(world, redeploy);
  for (const happening of world.waiting.slice()) {
    const { when } = happening;
    if (!('phase' in when) || when.phase !== phase || when.redeploy !== redeploy.number) continue;
    world.waiting.splice(world.waiting.indexOf(happening), 1);
    world.due.push({ at: world.now + when.ms, deed: () => world.happen(happening.deed) });
  }
  return redeploy;
}

export function endRedeploy(world: World, redeploy: SimRedeploy, state: EndState | 'SUPERSEDED'): void {
  if (redeploy.end !== undefined) world.faults.add('S7: an ended redeploy ended again');
  redeploy.end = { state, at: world.now };
  world.open = undefined;
  tell(world, () => `${redeploy.id} ends ${state}`);
  if (state === 'SUCCEEDED') world.running = redeploy;
  const stoppedOld = redeploy.view.phases.some(({ phase }) => phase === 'STOP_OLD');
  if (state === 'FAILED' && !redeploy.plan.rollBack && stoppedOld) world.stopped = true;
  checkEnd(world, redeploy, state);
}

export function move(world: World, job: SimJob, state: JobState): boolean {
  if (hasEnded(job.state) || job.state === state) return false;
  if (!jobMoves[job.state].includes(state)) return false;
  tell(world, () => `${job.id} of ${job.redeployId} is ${state}`);
  job.state = state;
  if (job.rotation !== null && state !== 'RUNNING') job.rotation = 'OUT';
  if (hasEnded(state)) Object.assign(job, { health: null, stoppedAt: new Date(world.now) });
  return true;
}

export function schedule(
  world: World,
  of: SimRedeploy,
  restoredBy: string | null,
  wanted: readonly WantedJobs[],
): void {
  for (const { type, target, count } of wanted)
    for (let made = 0; made < count; made++) {
      const number = world.jobs.length;
      const planned = of.plan.fates[number % of.plan.fates.length] ?? fateAfterTroubles;
      const fate = world.now >= world.calmFrom ? fateAfterTroubles : planned;
      world.jobs.push({
        ...{ id: `job-${String(number).padStart(4, '0')}`, type, target, redeployId: of.id, restoredBy },
        ...{
          state: 'STARTING',
          health: null,
          rotation: type === 'DEPLOY' ? 'OUT' : null,
          stopRequested: false,
        },
        ...{ createdAt: new Date(world.now), startedAt: null, stoppedAt: null, cleaned: false },
        ...{ fate, address: null, drainUntil: null, against: 0, container: 'NONE', ranAt: 0, sickUntil: 0 },
        lastReadyAt: Number.NEGATIVE_INFINITY,
      });
    }
  noteMost(world, of);
}

export function noteMost(world: World, { view }: SimRedeploy): void {
  world.mostWanted = Math.max(world.mostWanted, countOf(wantedJobs(view.spec, world.workers)));
}
