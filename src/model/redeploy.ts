// A redeploy by strategy RECREATE: stop everything, start the new jobs, and when they don't become healthy start the
// last good spec again. `nextSteps` is the whole decision: pure, from what is written down and the time. Each step is
// idempotent, so the path after a crash is the everyday path. What a step does stands in src/orchestrator.
//
// Supersede rule: a newer request ends an open redeploy as SUPERSEDED in the same transaction; the newer one then stops
// whatever the older had started. There is never more than one open redeploy of a service.
import type { FailureCause } from './failures.ts';
import { isAlive, type JobView } from './jobs.ts';
import type { Spec } from './spec.ts';

export const redeployReasons = ['MANUAL', 'CODE_PUSH', 'SUPPORT_TICKET', 'ROLLBACK', 'CREATION'] as const;
export type RedeployReason = (typeof redeployReasons)[number];

export const redeployStates = [
  'QUEUED',
  'RUNNING',
  'SUCCEEDED',
  'FAILED',
  'ROLLED_BACK',
  'CANCELED',
  'SUPERSEDED',
] as const;
export type RedeployState = (typeof redeployStates)[number];
export const openStates: readonly RedeployState[] = ['QUEUED', 'RUNNING'];

export const phaseNames = ['PREPARE', 'PULL_IMAGE', 'STOP_OLD', 'START_NEW', 'VERIFY', 'RESTORE'] as const;
export type PhaseName = (typeof phaseNames)[number];

export interface Phase {
  readonly phase: PhaseName;
  readonly state: 'RUNNING' | 'SUCCEEDED' | 'FAILED';
  readonly startedAt: string;
  readonly endedAt: string | null;
  readonly message: string;
}

export const redeployLimits = {
  deadlineSeconds: { standard: 600, minimum: 10, maximum: 3600 },
  /** After the deadline the restoring of the last good spec may still take this long before the redeploy is ended. */
  restoreSeconds: 10,
} as const;

export const replacedByRedeploy = 'Replaced by a redeploy';

export interface RedeployView {
  readonly id: string;
  readonly state: 'QUEUED' | 'RUNNING';
  readonly spec: Spec;
  readonly phases: readonly Phase[];
  readonly deadlineAt: Date;
  readonly cancelRequested: boolean;
  /** Set once it has failed and is being undone. */
  readonly cause: FailureCause | null;
  /** The last good spec, by the redeploy that proved it. */
  readonly lastGood: { readonly redeployId: string; readonly spec: Spec } | null;
}

/** Jobs to be made, by type and target. */
export interface WantedJobs {
  readonly type: 'DEPLOY' | 'WORKER';
  readonly target: string | null;
  readonly count: number;
}

export type EndState = Exclude<RedeployState, 'QUEUED' | 'RUNNING' | 'SUPERSEDED'>;

export type RedeployStep =
  | { readonly do: 'BEGIN' }
  | { readonly do: 'PREPARE' }
  | { readonly do: 'OBTAIN_IMAGE' }
  | { readonly do: 'STOP_JOB'; readonly jobId: string; readonly reason: string }
  | { readonly do: 'ENTER_START_NEW'; readonly wanted: readonly WantedJobs[] }
  | { readonly do: 'START_JOB'; readonly jobId: string }
  | { readonly do: 'ENTER_VERIFY' }
  | { readonly do: 'VERIFY_JOB'; readonly jobId: string; readonly until: Date }
  | { readonly do: 'FAIL'; readonly because: FailReason }
  | { readonly do: 'ENTER_RESTORE'; readonly wanted: readonly WantedJobs[] }
  | { readonly do: 'END'; readonly state: EndState };

export type FailReason =
  | { readonly kind: 'CANCELED' }
  | { readonly kind: 'DEADLINE' }
  | { readonly kind: 'JOB_ENDED'; readonly jobId: string }
  | { readonly kind: 'NOT_HEALTHY'; readonly jobId: string };

export interface RedeploySituation {
  readonly redeploy: RedeployView;
  /** Every deploy and worker job of the service that is alive or belongs to this redeploy. */
  readonly jobs: readonly JobView[];
  /** Saved worker counts by target. */
  readonly workers: Readonly<Record<string, number>>;
  readonly healthySeconds: number;
  readonly now: Date;
}

/** What can be done now, all of it at once; empty when nothing is left but waiting for what was already begun. */
export function nextSteps(situation: RedeploySituation): RedeployStep[] {
  const { redeploy, now } = situation;
  if (redeploy.state === 'QUEUED') return [{ do: 'BEGIN' }];
  if (redeploy.cause !== null) return stepsToUndo(situation);
  if (redeploy.cancelRequested) return [{ do: 'FAIL', because: { kind: 'CANCELED' } }];
  if (now >= redeploy.deadlineAt) return [{ do: 'FAIL', because: { kind: 'DEADLINE' } }];
  switch (redeploy.phases.at(-1)?.phase) {
    case 'PULL_IMAGE':
      return [{ do: 'OBTAIN_IMAGE' }];
    case 'STOP_OLD':
      return stepsToStopOld(situation);
    case 'START_NEW':
    case 'VERIFY':
      return stepsToStartNew(situation);
    default:
      return [{ do: 'PREPARE' }];
  }
}

function stepsToStopOld({ redeploy, jobs, workers }: RedeploySituation): RedeployStep[] {
  const old = jobs.filter((job) => isAlive(job) && job.redeployId !== redeploy.id);
  if (old.length > 0) return old.map((job) => stop(job, replacedByRedeploy));
  return [{ do: 'ENTER_START_NEW', wanted: wantedJobs(redeploy.spec, workers) }];
}

function stepsToStartNew(situation: RedeploySituation): RedeployStep[] {
  const { redeploy, jobs } = situation;
  const own = jobs.filter((job) => job.redeployId === redeploy.id);
  const failed = failureAmong(own, situation);
  if (failed !== undefined) return [{ do: 'FAIL', because: failed }];
  const steps = stepsToHealthy(own, situation);
  const verifying = redeploy.phases.at(-1)?.phase === 'VERIFY';
  if (steps.length === 0 && (verifying || own.length === 0)) return [{ do: 'END', state: 'SUCCEEDED' }];
  const allStarted = !steps.some((step) => step.do === 'START_JOB');
  return allStarted && !verifying ? [{ do: 'ENTER_VERIFY' }, ...steps] : steps;
}

/** The new jobs go; then, where the old ones had been stopped, the last good spec comes back. */
function stepsToUndo(situation: RedeploySituation): RedeployStep[] {
  const { redeploy, jobs, workers, now } = situation;
  const canceled = redeploy.cause?.kind === 'CANCELED';
  // Past the time for undoing it ends whatever is left; what still stands is put right afterwards by steady.ts.
  const late = now.getTime() >= redeploy.deadlineAt.getTime() + redeployLimits.restoreSeconds * 1000;
  if (late) return [{ do: 'END', state: canceled ? 'CANCELED' : 'FAILED' }];
  const { lastGood } = redeploy;
  // Its own jobs, and whatever a redeploy that it superseded had left.
  const failedNew = jobs.filter((job) => isAlive(job) && job.redeployId !== lastGood?.redeployId);
  if (failedNew.length > 0) return failedNew.map((job) => stop(job, 'Its redeploy failed'));
  const stoppedOld = redeploy.phases.some(({ phase }) => phase === 'STOP_OLD');
  if (!stoppedOld) return [{ do: 'END', state: canceled ? 'CANCELED' : 'FAILED' }];
  if (lastGood === null || !(redeploy.spec.rollBack || canceled))
    return [{ do: 'END', state: canceled ? 'CANCELED' : 'FAILED' }];
  const leaving = jobs.filter((job) => keptOld(job, lastGood.redeployId) && isLeaving(job));
  // A volume has one writer; elsewhere no more may live at once than old, new and one.
  const most = lastGood.spec.volume ? 0 : countOf(wantedJobs(lastGood.spec, workers)) + 1;
  if (leaving.length > most) return leaving.map((job) => stop(job, replacedByRedeploy));
  if (redeploy.phases.at(-1)?.phase !== 'RESTORE')
    return [{ do: 'ENTER_RESTORE', wanted: missingJobs(lastGood, jobs, workers) }];
  const restored = jobs.filter((job) => job.restoredBy === redeploy.id || keptOld(job, lastGood.redeployId));
  if (failureAmong(restored, situation) !== undefined) return [{ do: 'END', state: 'FAILED' }];
  const steps = stepsToHealthy(restored, situation);
  if (steps.length > 0) return steps;
  // An old job that was kept may have been stopped on request since.
  const whole = !missingJobs(lastGood, jobs, workers).some(({ type }) => type === 'DEPLOY');
  return [{ do: 'END', state: canceled ? 'CANCELED' : whole ? 'ROLLED_BACK' : 'FAILED' }];
}

/** An old job that hadn't been stopped yet when the redeploy failed in the midst of stopping. */
function keptOld(job: JobView, lastGoodId: string): boolean {
  return isAlive(job) && job.redeployId === lastGoodId;
}

function isLeaving(job: JobView): boolean {
  return job.stopRequested || job.state === 'STOPPING';
}

function stepsToHealthy(jobs: readonly JobView[], { healthySeconds }: RedeploySituation): RedeployStep[] {
  return jobs.flatMap((job): RedeployStep[] => {
    if (job.stopRequested && isAlive(job)) return [stop(job, 'Stopped on request')];
    if (job.state === 'STOPPING') return [stop(job, replacedByRedeploy)];
    if (job.state === 'SCHEDULED' || job.state === 'STARTING') return [{ do: 'START_JOB', jobId: job.id }];
    if (job.state === 'RUNNING' && job.health !== 'HEALTHY')
      return [{ do: 'VERIFY_JOB', jobId: job.id, until: healthyBy(job, healthySeconds) }];
    return [];
  });
}

function failureAmong(jobs: readonly JobView[], situation: RedeploySituation): FailReason | undefined {
  for (const job of jobs) {
    // One stopped on request counts too: what was never seen healthy must not become the last good spec.
    if (!isAlive(job)) return { kind: 'JOB_ENDED', jobId: job.id };
    const waiting = job.state === 'RUNNING' && job.health !== 'HEALTHY';
    if (waiting && situation.now >= healthyBy(job, situation.healthySeconds))
      return { kind: 'NOT_HEALTHY', jobId: job.id };
  }
  return undefined;
}

export function healthyBy(job: JobView, healthySeconds: number): Date {
  return new Date((job.startedAt ?? job.createdAt).getTime() + healthySeconds * 1000);
}

export function wantedJobs(spec: Spec, workers: Readonly<Record<string, number>>): WantedJobs[] {
  const deploy: WantedJobs = { type: 'DEPLOY', target: null, count: spec.scale };
  const targets = Object.entries(workers)
    .filter(([target]) => Object.hasOwn(spec.commands, target))
    .map(([target, count]): WantedJobs => ({ type: 'WORKER', target, count }));
  return [deploy, ...targets].filter(({ count }) => count > 0);
}

export function countOf(wanted: readonly WantedJobs[]): number {
  return wanted.reduce((sum, { count }) => sum + count, 0);
}

function missingJobs(
  lastGood: { readonly redeployId: string; readonly spec: Spec },
  jobs: readonly JobView[],
  workers: Readonly<Record<string, number>>,
): WantedJobs[] {
  return wantedJobs(lastGood.spec, workers)
    .map((wanted) => {
      const there = jobs.filter(
        (job) =>
          keptOld(job, lastGood.redeployId) &&
          !isLeaving(job) &&
          job.type === wanted.type &&
          job.target === wanted.target,
      );
      return { ...wanted, count: wanted.count - there.length };
    })
    .filter(({ count }) => count > 0);
}

function stop(job: JobView, reason: string): RedeployStep {
  return { do: 'STOP_JOB', jobId: job.id, reason };
}
