// A redeploy by strategy OVERLAP: the new jobs start beside the old ones, which serve until every new one is healthy; then
// the service proxies switch, the old ones finish what they have begun for the overlap period, are drained and stopped.
// Pure, as redeploy.ts is, and by the same steps.
//
// Who gets requests: until SWITCH the old jobs alone, from SWITCH on the new ones alone. A new job that ends before DRAIN, or
// a cancel, switches back to the old ones, which still run. From DRAIN on there is no way back.
import {
  failureAmong,
  isLeaving,
  missingJobs,
  oldJobs,
  replacedByRedeploy,
  serves,
  stepsForOld,
  stepsToHealthy,
  stop,
  waitForProxies,
  wantedJobs,
} from './job-steps.ts';
import { isAlive, type JobView } from './jobs.ts';
import {
  type EndState,
  phaseOf,
  type RedeploySituation,
  type RedeployStep,
  type RedeployView,
  undoUntil,
} from './redeploy.ts';
import type { Spec } from './spec.ts';

/** How long a job that is to stop may go on with what it has begun, in seconds. */
export const drainSeconds = 10;

/** What a redeploy needs after its switch, beyond the time that it was given to become healthy. */
export function secondsAfterSwitch({ strategy, overlapSeconds }: Spec): number {
  return strategy === 'OVERLAP' ? overlapSeconds + drainSeconds : 0;
}

/** After the switch nothing fails by its deadline: the new jobs were seen healthy, and the rest takes its time. */
export function switchBy({ deadlineAt, spec }: RedeployView): Date {
  return new Date(deadlineAt.getTime() - secondsAfterSwitch(spec) * 1000);
}

/** Past it the old jobs are being stopped. */
export function isBeyondReturn({ phases }: Pick<RedeployView, 'phases'>): boolean {
  return phases.at(-1)?.phase === 'DRAIN';
}

/** After its switch it goes back as long as one deploy job of before is healthy. */
export function canReturn(redeploy: { readonly id: string }, jobs: readonly JobView[]): boolean {
  return oldJobs({ redeploy, jobs }).some(
    (job) => job.type === 'DEPLOY' && job.health === 'HEALTHY' && !isLeaving(job),
  );
}

export function hasSwitched({ phases }: Pick<RedeployView, 'phases'>): boolean {
  return phases.some(({ phase }) => phase === 'SWITCH');
}

export function stepsOfOverlap(situation: RedeploySituation): RedeployStep[] {
  const { redeploy, now } = situation;
  const phase = phaseOf(redeploy);
  if (phase === 'DRAIN') return stepsToStopOld(situation);
  if (redeploy.cancelRequested) return [{ do: 'FAIL', because: { kind: 'CANCELED' } }];
  if (phase !== 'OVERLAP' && now >= switchBy(redeploy))
    return [{ do: 'FAIL', because: { kind: 'DEADLINE' } }];
  switch (phase) {
    case 'PULL_IMAGE':
      return redeploy.imageFound
        ? stepsToMakeRoom(situation)
        : [{ do: 'OBTAIN_IMAGE' }, ...stepsForOld(situation)];
    case 'START_NEW':
    case 'VERIFY':
      return stepsBeside(situation);
    case 'SWITCH':
      return failingAfterSwitch(situation) ?? stepsToSwitch(situation);
    case 'OVERLAP':
      return failingAfterSwitch(situation) ?? stepsToWaitOut(situation);
    default:
      return [{ do: 'PREPARE' }];
  }
}

/** What redeploys before this one had begun and never put into rotation goes first: there is no room for three sets. */
function stepsToMakeRoom(situation: RedeploySituation): RedeployStep[] {
  const leftover = oldJobs(situation).filter((job) => !serves(job, situation));
  // A proxy that hasn't heard of the last switch may know no other jobs than these.
  const needed = leftover.filter((job) => job.rotation === 'DRAINING' && situation.proxies === 'BEHIND');
  const steps = leftover
    .filter((job) => !needed.includes(job))
    .map((job) => stop(job, 'Its redeploy gave way to a newer one'));
  if (needed.length > 0) return [...steps, waitForProxies(situation.now, switchBy(situation.redeploy))];
  if (steps.length > 0) return steps;
  return [{ do: 'ENTER_START_NEW', wanted: wantedJobs(situation.redeploy.spec, situation.workers) }];
}

function stepsBeside(situation: RedeploySituation): RedeployStep[] {
  const own = ownJobs(situation);
  const failed = failureAmong(own, situation);
  if (failed !== undefined) return [{ do: 'FAIL', because: failed }];
  const steps = stepsToHealthy(own, situation);
  const verifying = phaseOf(situation.redeploy) === 'VERIFY';
  if (steps.length === 0 && verifying) return [{ do: 'SWITCH' }];
  const allStarted = !steps.some((step) => step.do === 'START_JOB');
  if (allStarted && !verifying) steps.unshift({ do: 'ENTER_VERIFY' });
  return [...steps, ...stepsForOld(situation)];
}

function stepsToSwitch(situation: RedeploySituation): RedeployStep[] {
  const { redeploy, proxies, now } = situation;
  const next: RedeployStep =
    proxies === 'BEHIND' ? waitForProxies(now, switchBy(redeploy)) : { do: 'ENTER_OVERLAP' };
  return [...stepsForLeaving(situation), next];
}

function stepsForLeaving({ jobs }: RedeploySituation): RedeployStep[] {
  const leaving = jobs.filter((job) => isAlive(job) && isLeaving(job));
  return leaving.map((job) => stop(job, 'Stopped on request'));
}

/** One that fails its check has only left rotation; one that has ended, or none left that is healthy, is a failure. */
function failingAfterSwitch(situation: RedeploySituation): RedeployStep[] | undefined {
  const own = ownJobs(situation);
  const ended = own.find((job) => !isAlive(job));
  const deploys = own.filter((job) => job.type === 'DEPLOY');
  const ofNone = deploys.some((job) => job.health === 'HEALTHY') ? undefined : deploys[0];
  const culprit = ended ?? ofNone;
  if (culprit === undefined) return undefined;
  // For its cause the job is looked at once more, which an engine that doesn't answer could put off for ever.
  if (situation.now >= situation.redeploy.deadlineAt) return [{ do: 'FAIL', because: { kind: 'DEADLINE' } }];
  const kind = ended === undefined ? 'NOT_HEALTHY' : 'JOB_ENDED';
  return [{ do: 'FAIL', because: { kind, jobId: culprit.id } }];
}

/** Old workers need not wait: nobody sends them requests. */
function stepsToWaitOut(situation: RedeploySituation): RedeployStep[] {
  const { redeploy, now } = situation;
  const began = new Date(redeploy.phases.at(-1)?.startedAt ?? now);
  const until = new Date(began.getTime() + redeploy.spec.overlapSeconds * 1000);
  const old = oldJobs(situation);
  if (now >= until || old.length === 0)
    return awaited(situation).length > 0
      ? [...stepsForLeaving(situation), waitForProxies(now, drainBy(redeploy))]
      : [{ do: 'ENTER_DRAIN' }];
  const workers = old.filter((job) => job.type === 'WORKER' && !isLeaving(job));
  return [
    ...stepsForLeaving(situation),
    ...workers.map((job) => stop(job, replacedByRedeploy)),
    { do: 'WAIT', until },
  ];
}

/** A proxy that came up since the switch, and started from what was before it, still sends requests to these old jobs. */
function awaited({ redeploy, jobs, proxies, now }: RedeploySituation): JobView[] {
  if (proxies !== 'BEHIND' || now >= drainBy(redeploy)) return [];
  const old = oldJobs({ redeploy, jobs });
  return old.filter(
    (job) => job.state === 'RUNNING' && (job.rotation === 'IN' || job.rotation === 'DRAINING'),
  );
}

/** Whatever the proxies say: the old jobs must be gone by the deadline. */
function drainBy({ deadlineAt }: RedeployView): Date {
  return new Date(deadlineAt.getTime() - drainSeconds * 1000);
}

function stepsToStopOld(situation: RedeploySituation): RedeployStep[] {
  const { redeploy, now } = situation;
  const old = now >= redeploy.deadlineAt ? [] : oldJobs(situation);
  const needed = awaited(situation);
  const steps: RedeployStep[] = old
    .filter((job) => !needed.includes(job))
    .map((job) => stop(job, replacedByRedeploy));
  if (needed.length > 0) return [...steps, waitForProxies(now, drainBy(redeploy))];
  return steps.length > 0 ? steps : [{ do: 'END', state: 'SUCCEEDED' }];
}

/** Before the switch the new jobs go and the old have served all along; after it requests go back to the old first. */
export function stepsToUndoOverlap(situation: RedeploySituation): RedeployStep[] {
  const { redeploy, now } = situation;
  const canceled = redeploy.cause?.kind === 'CANCELED';
  const failed: EndState = canceled ? 'CANCELED' : 'FAILED';
  if (now >= undoUntil(redeploy)) return [{ do: 'END', state: failed }];
  const own = ownJobs(situation).filter(isAlive);
  if (!hasSwitched(redeploy)) return own.length > 0 ? own.map(goes) : [{ do: 'END', state: failed }];
  if (phaseOf(redeploy) !== 'RESTORE') {
    // Nobody to go back to: what is left of the new ones serves on, and what is missing is replaced afterwards.
    const backing = canReturn(redeploy, situation.jobs);
    return [backing && redeploy.previousId !== null ? { do: 'SWITCH_BACK' } : { do: 'END', state: failed }];
  }
  if (situation.proxies === 'BEHIND') return [waitForProxies(now, undoUntil(redeploy))];
  if (own.length > 0) return own.map(goes);
  // Old ones that ended meanwhile are replaced afterwards, and so are workers, who had been stopped at once.
  const { lastGood } = redeploy;
  const whole =
    lastGood !== null &&
    !missingJobs(lastGood, situation.jobs, situation.workers).some(({ type }) => type === 'DEPLOY');
  return [{ do: 'END', state: canceled ? 'CANCELED' : whole ? 'ROLLED_BACK' : 'FAILED' }];
}

function goes(job: JobView): RedeployStep {
  return stop(job, 'Its redeploy failed');
}

function ownJobs({ redeploy, jobs }: RedeploySituation): JobView[] {
  return jobs.filter((job) => job.redeployId === redeploy.id);
}
