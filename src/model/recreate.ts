// A redeploy by strategy RECREATE: stop everything, start the new jobs, and when they don't become healthy start the last
// good spec again. Pure, as redeploy.ts is. A stopping job is drained first, a healthy one gets requests at once.
import {
  countOf,
  failureAmong,
  isLeaving,
  keptOld,
  missingJobs,
  oldJobs,
  replacedByRedeploy,
  stepsForOld,
  stepsToHealthy,
  stepsToPutIn,
  stop,
  waitForProxies,
  wantedJobs,
} from './job-steps.ts';
import { isAlive } from './jobs.ts';
import { phaseOf, type RedeploySituation, type RedeployStep, undoUntil } from './redeploy.ts';

export function stepsOfRecreate(situation: RedeploySituation): RedeployStep[] {
  const { redeploy, now } = situation;
  if (redeploy.cancelRequested) return [{ do: 'FAIL', because: { kind: 'CANCELED' } }];
  if (now >= redeploy.deadlineAt) return [{ do: 'FAIL', because: { kind: 'DEADLINE' } }];
  switch (phaseOf(redeploy)) {
    case 'PULL_IMAGE':
      return [{ do: 'OBTAIN_IMAGE' }, ...stepsForOld(situation)];
    case 'STOP_OLD':
      return stepsToStopOld(situation);
    case 'START_NEW':
    case 'VERIFY':
    case 'SWITCH':
      return stepsToStartNew(situation);
    default:
      return [{ do: 'PREPARE' }];
  }
}

function stepsToStopOld(situation: RedeploySituation): RedeployStep[] {
  const { redeploy, workers } = situation;
  const old = oldJobs(situation);
  if (old.length > 0) return old.map((job) => stop(job, replacedByRedeploy));
  return [{ do: 'ENTER_START_NEW', wanted: wantedJobs(redeploy.spec, workers) }];
}

function stepsToStartNew(situation: RedeploySituation): RedeployStep[] {
  const { redeploy, jobs } = situation;
  const own = jobs.filter((job) => job.redeployId === redeploy.id);
  const failed = failureAmong(own, situation);
  if (failed !== undefined) return [{ do: 'FAIL', because: failed }];
  const steps = stepsToHealthy(own, situation);
  const phase = phaseOf(redeploy);
  if (steps.length === 0 && (phase !== 'START_NEW' || own.length === 0)) return stepsToFinish(situation);
  const allStarted = !steps.some((step) => step.do === 'START_JOB');
  return allStarted && phase === 'START_NEW' ? [{ do: 'ENTER_VERIFY' }, ...steps] : steps;
}

/** It has succeeded when requests reach the new jobs, not before; behind a proxy that is a phase of its own, however short. */
function stepsToFinish({ redeploy, proxies, now }: RedeploySituation): RedeployStep[] {
  const switching = phaseOf(redeploy) === 'SWITCH';
  if (proxies === 'NONE' || (switching && proxies === 'CURRENT')) return [{ do: 'END', state: 'SUCCEEDED' }];
  return [switching ? waitForProxies(now, redeploy.deadlineAt) : { do: 'ENTER_SWITCH' }];
}

/** The new jobs go; then, where the old ones had been stopped, the last good spec comes back. */
export function stepsToUndoRecreate(situation: RedeploySituation): RedeployStep[] {
  const { redeploy, jobs, workers, now } = situation;
  const canceled = redeploy.cause?.kind === 'CANCELED';
  if (now >= undoUntil(redeploy)) return [{ do: 'END', state: canceled ? 'CANCELED' : 'FAILED' }];
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
  if (phaseOf(redeploy) !== 'RESTORE')
    return [{ do: 'ENTER_RESTORE', wanted: missingJobs(lastGood, jobs, workers) }];
  const restored = jobs.filter((job) => job.restoredBy === redeploy.id || keptOld(job, lastGood.redeployId));
  if (failureAmong(restored, situation) !== undefined) return [{ do: 'END', state: 'FAILED' }];
  const steps = [...stepsToHealthy(restored, situation), ...stepsToPutIn(restored)];
  if (steps.length > 0) return steps;
  // An old job that was kept may have been stopped on request since.
  const whole = !missingJobs(lastGood, jobs, workers).some(({ type }) => type === 'DEPLOY');
  return [{ do: 'END', state: canceled ? 'CANCELED' : whole ? 'ROLLED_BACK' : 'FAILED' }];
}
