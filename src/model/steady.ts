// What a service needs while no redeploy is open: dead jobs replaced with back-off, workers as many as asked for, jobs
// that don't belong stopped, one-off tasks started. Pure, like redeploy.ts, and by the same steps.

import { countOf, healthyBy, stepsToPutIn, waitForProxies, wantedJobs } from './job-steps.ts';
import { hasEnded, isAlive, type JobView } from './jobs.ts';
import type { WantedJobs } from './redeploy.ts';
import type { Spec } from './spec.ts';

/**
 * Deaths are counted within this window, for the deploy jobs and for each worker target by themselves; so many for each
 * wanted job are mended. One more, and they are left until somebody asks for a new try, and the service counts as failing.
 */
export const restartBudget = { windowSeconds: 600, deaths: 5, firstDelaySeconds: 1, longestDelaySeconds: 8 };

export type SteadyStep =
  | { readonly do: 'STOP_JOB'; readonly jobId: string; readonly reason: string }
  | { readonly do: 'START_JOB'; readonly jobId: string }
  | { readonly do: 'VERIFY_JOB'; readonly jobId: string; readonly until: Date }
  | { readonly do: 'PUT_IN'; readonly jobId: string }
  | { readonly do: 'MARK_UNHEALTHY'; readonly jobId: string }
  | { readonly do: 'REPLACE'; readonly wanted: WantedJobs }
  | { readonly do: 'MARK_FAILING'; readonly deaths: number }
  | { readonly do: 'WAIT'; readonly until: Date }
  | { readonly do: 'CLEAR_AWAY' };

export interface SteadySituation {
  readonly deleting: boolean;
  readonly stopped: boolean;
  /** It was said already that some of its jobs are no longer mended. */
  readonly failing: boolean;
  /** Deaths before this don't count against the restart budget: somebody asked for a new try. */
  readonly budgetFrom: Date | null;
  readonly running: { readonly redeployId: string; readonly spec: Spec } | null;
  readonly workers: Readonly<Record<string, number>>;
  readonly jobs: readonly JobView[];
  /** How far the service proxies are; see redeploy.ts. */
  readonly proxies: 'NONE' | 'BEHIND' | 'CURRENT';
  readonly healthySeconds: number;
  readonly now: Date;
}

export function steadySteps(situation: SteadySituation): SteadyStep[] {
  const { deleting, stopped, jobs, running } = situation;
  const alive = jobs.filter(isAlive);
  if (deleting && alive.length === 0) return [{ do: 'CLEAR_AWAY' }];
  if (deleting) return alive.map((job) => stop(job, 'Its service is being deleted'));
  const oneOff = taskSteps(jobs);
  const kept = alive.filter((job) => job.type === 'DEPLOY' || job.type === 'WORKER');
  if (stopped || running === null)
    return [...oneOff, ...kept.map((job) => stop(job, 'Its service was stopped'))];
  const wanted = wantedJobs(running.spec, situation.workers);
  const slots = wanted.map((slot) => ({ slot, jobs: kept.filter((job) => fits(job, slot, running)) }));
  const placed = new Set(slots.flatMap((each) => each.jobs));
  // A proxy that hasn't heard of the last switch may know no other jobs than these.
  const all = kept.filter((job) => !placed.has(job));
  const needed = all.filter((job) => situation.proxies === 'BEHIND' && job.rotation === 'DRAINING');
  const strays = all.filter((job) => !needed.includes(job));
  const steps = [
    ...(needed.length > 0 ? [waitForProxies(situation.now)] : []),
    ...strays.map((job) => stop(job, 'No longer wanted')),
    ...slots.flatMap((each) => stepsForSlot(each.slot, each.jobs, situation)),
  ];
  const most = 2 * countOf(wanted) + 1;
  return [...oneOff, ...(running.spec.volume ? oneAtATime(steps) : within(most - kept.length, steps))];
}

/** A volume has one writer: nothing is started while anything is still to stop. */
function oneAtATime(steps: readonly SteadyStep[]): SteadyStep[] {
  const stopping = steps.some((step) => step.do === 'STOP_JOB');
  return steps.filter((step) => !(stopping && (step.do === 'START_JOB' || step.do === 'REPLACE')));
}

/** However slowly the old ones stop, no more new jobs than there is room for. */
function within(room: number, steps: readonly SteadyStep[]): SteadyStep[] {
  let left = Math.max(0, room);
  return steps.flatMap((step): SteadyStep[] => {
    if (step.do !== 'REPLACE') return [step];
    const count = Math.min(left, step.wanted.count);
    left -= count;
    return count === 0 ? [] : [{ do: 'REPLACE', wanted: { ...step.wanted, count } }];
  });
}

function fits(job: JobView, slot: WantedJobs, running: { readonly redeployId: string }): boolean {
  return job.redeployId === running.redeployId && job.type === slot.type && job.target === slot.target;
}

function stepsForSlot(slot: WantedJobs, jobs: readonly JobView[], situation: SteadySituation): SteadyStep[] {
  const leaving = jobs.filter((job) => job.stopRequested || job.state === 'STOPPING');
  const staying = jobs.filter((job) => !leaving.includes(job)).sort(oldestFirst);
  const extra = staying.slice(slot.count);
  return [
    ...leaving.map((job) => stop(job, 'Stopped on request')),
    ...extra.map((job) => stop(job, 'No longer wanted')),
    ...staying.slice(0, slot.count).flatMap((job) => stepsForJob(job, situation)),
    ...stepsToFill(slot, staying.length, situation),
  ];
}

function stepsForJob(job: JobView, situation: SteadySituation): SteadyStep[] {
  if (job.state === 'SCHEDULED' || job.state === 'STARTING') return [{ do: 'START_JOB', jobId: job.id }];
  if (job.state !== 'RUNNING' || job.health !== 'STARTING') return stepsToPutIn([job]);
  const until = healthyBy(job, situation.healthySeconds);
  if (situation.now >= until) return [{ do: 'MARK_UNHEALTHY', jobId: job.id }];
  return [{ do: 'VERIFY_JOB', jobId: job.id, until }];
}

function stepsToFill(slot: WantedJobs, present: number, situation: SteadySituation): SteadyStep[] {
  const missing = slot.count - present;
  if (missing <= 0) return [];
  const times = deathTimesOf(slot, situation);
  const last = Math.max(0, ...times);
  // What was given up stays so however long ago: then the window that counts ends with its last death.
  const end = situation.failing ? last : situation.now.getTime();
  const deaths = times.filter((time) => time > end - restartBudget.windowSeconds * 1000).length;
  const rounds = Math.ceil(deaths / slot.count);
  if (rounds > restartBudget.deaths) return situation.failing ? [] : [{ do: 'MARK_FAILING', deaths }];
  const due = new Date(last + delaySeconds(rounds) * 1000);
  if (situation.now < due) return [{ do: 'WAIT', until: due }];
  return [{ do: 'REPLACE', wanted: { ...slot, count: missing } }];
}

/** The first death is mended at once, the next after 1, 2, 4 … seconds. */
export function delaySeconds(rounds: number): number {
  if (rounds < 2) return 0;
  return Math.min(restartBudget.longestDelaySeconds, restartBudget.firstDelaySeconds * 2 ** (rounds - 2));
}

/** When jobs of this slot died, since somebody last asked for a new try. */
function deathTimesOf(slot: WantedJobs, { running, budgetFrom, jobs }: SteadySituation): number[] {
  if (running === null) return [];
  const died = jobs.filter(
    (job) => hasEnded(job.state) && job.state !== 'STOPPED' && fits(job, slot, running),
  );
  const times = died.map((job) => (job.stoppedAt ?? job.createdAt).getTime());
  return times.filter((time) => time > (budgetFrom?.getTime() ?? 0));
}

/** One-off tasks go their way beside everything, redeploys included. */
export function taskSteps(jobs: readonly JobView[]): SteadyStep[] {
  return jobs.filter((job) => isAlive(job) && job.type === 'TASK').flatMap(stepsForTask);
}

function stepsForTask(job: JobView): SteadyStep[] {
  if (job.stopRequested || job.state === 'STOPPING') return [stop(job, 'Stopped on request')];
  return job.state === 'SCHEDULED' || job.state === 'STARTING' ? [{ do: 'START_JOB', jobId: job.id }] : [];
}

function stop(job: JobView, reason: string): SteadyStep {
  return { do: 'STOP_JOB', jobId: job.id, reason };
}

function oldestFirst(a: JobView, b: JobView): number {
  return a.id < b.id ? -1 : 1;
}
