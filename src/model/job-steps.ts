// What redeploys of every strategy have in common: the jobs a spec wants, the steps that bring jobs to health, and what
// counts as their failure. Pure.
import { isAlive, type JobView } from './jobs.ts';
import type { FailReason, RedeploySituation, RedeployStep, WantedJobs } from './redeploy.ts';
import type { Spec } from './spec.ts';

export const replacedByRedeploy = 'Replaced by a redeploy';

export function stop(job: JobView, reason: string): RedeployStep {
  return { do: 'STOP_JOB', jobId: job.id, reason };
}

/** Proxies tell when they have what they were to have, but not when one of them is gone: looked at again soon. */
export function waitForProxies(now: Date, until?: Date): { readonly do: 'WAIT'; readonly until: Date } {
  const soon = now.getTime() + 1_000;
  return { do: 'WAIT', until: new Date(Math.min(soon, until?.getTime() ?? soon)) };
}

export function isLeaving(job: JobView): boolean {
  return job.stopRequested || job.state === 'STOPPING';
}

export function stepsToHealthy(
  jobs: readonly JobView[],
  { healthySeconds }: Pick<RedeploySituation, 'healthySeconds'>,
): RedeployStep[] {
  return jobs.flatMap((job): RedeployStep[] => {
    if (job.stopRequested && isAlive(job)) return [stop(job, 'Stopped on request')];
    if (job.state === 'STOPPING') return [stop(job, replacedByRedeploy)];
    if (job.state === 'SCHEDULED' || job.state === 'STARTING') return [{ do: 'START_JOB', jobId: job.id }];
    if (job.state === 'RUNNING' && job.health !== 'HEALTHY')
      return [{ do: 'VERIFY_JOB', jobId: job.id, until: healthyBy(job, healthySeconds) }];
    return [];
  });
}

/** Healthy ones that get no requests, because a stop that had begun to drain them was called off, or health came late. */
export function stepsToPutIn(jobs: readonly JobView[]): { readonly do: 'PUT_IN'; readonly jobId: string }[] {
  const healthy = jobs.filter(
    (job) => job.state === 'RUNNING' && job.health === 'HEALTHY' && !isLeaving(job),
  );
  const without = healthy.filter(({ rotation }) => rotation !== null && rotation !== 'IN');
  return without.map(({ id: jobId }) => ({ do: 'PUT_IN', jobId }));
}

/** What lives of before the redeploy. */
export function oldJobs({
  redeploy,
  jobs,
}: {
  readonly redeploy: { readonly id: string };
  readonly jobs: readonly JobView[];
}): JobView[] {
  return jobs.filter((job) => isAlive(job) && job.redeployId !== redeploy.id);
}

export function serves(job: JobView, { redeploy: { lastGood } }: RedeploySituation): boolean {
  return !isLeaving(job) && (job.rotation === 'IN' || job.redeployId === lastGood?.redeployId);
}

/** They serve for now: those that were just being started go on to health, and who is asked to stop stops. */
export function stepsForOld(situation: RedeploySituation): RedeployStep[] {
  const { now, healthySeconds } = situation;
  const old = oldJobs(situation).filter((job) => isLeaving(job) || serves(job, situation));
  const hopeful = old.filter(
    (job) =>
      isLeaving(job) ||
      job.health === null ||
      (job.health === 'STARTING' && now < healthyBy(job, healthySeconds)),
  );
  const proven = old.filter((job) => job.redeployId === situation.redeploy.lastGood?.redeployId);
  return [...stepsToHealthy(hopeful, situation), ...stepsToPutIn(proven)];
}

export function failureAmong(
  jobs: readonly JobView[],
  situation: Pick<RedeploySituation, 'now' | 'healthySeconds'>,
): FailReason | undefined {
  for (const job of jobs) {
    // One stopped on request counts too: what was never seen healthy must not become the last good spec.
    if (!isAlive(job)) return { kind: 'JOB_ENDED', jobId: job.id };
    const waiting = job.state === 'RUNNING' && job.health !== 'HEALTHY';
    if (waiting && situation.now >= healthyBy(job, situation.healthySeconds))
      return { kind: 'NOT_HEALTHY', jobId: job.id };
  }
  return undefined;
}

export function healthyBy(job: JobView, standardSeconds: number): Date {
  const seconds = healthyWithin(job, standardSeconds);
  return new Date((job.startedAt ?? job.createdAt).getTime() + seconds * 1000);
}

/** How long it may take from its start, by its own health check where that says so. */
export function healthyWithin({ type, spec }: JobView, standardSeconds: number): number {
  return (type === 'DEPLOY' ? spec?.healthCheck?.deadlineSeconds : undefined) ?? standardSeconds;
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

/** An old job that hadn't been stopped yet when the redeploy failed in the midst of stopping. */
export function keptOld(job: JobView, lastGoodId: string): boolean {
  return isAlive(job) && job.redeployId === lastGoodId;
}

/** What of the last good spec doesn't run. */
export function missingJobs(
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
