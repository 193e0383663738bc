// From a decided step to the function that does it.

import type { ProxyStep } from '../model/proxy-steps.ts';
import type { RedeployStep } from '../model/redeploy.ts';
import type { SteadyStep } from '../model/steady.ts';
import type { JobRow } from '../postgres/jobs.ts';
import type { RedeployRow } from '../postgres/redeploys.ts';
import { cleanJob } from './clean-job.ts';
import { clearAway } from './clear-away.ts';
import type { Hold, Outcome } from './deps.ts';
import { observe } from './observe.ts';
import { beginRedeploy, endRedeploy, enterStartNew, enterVerify, obtainImage, prepare } from './redeploy.ts';
import { enterRestore, failRedeploy } from './redeploy-failure.ts';
import { markFailing, markUnhealthy, replaceJobs } from './replace.ts';
import type { Situation } from './situation.ts';
import { startJob } from './start-job.ts';
import { stopJob } from './stop-job.ts';
import { enterDrain, enterOverlap, enterSwitch, putIn, switchBack, switchToNew } from './switch.ts';
import { syncProxy } from './sync-proxy.ts';
import { verifyJob } from './verify-job.ts';
import { watchDrain } from './watch-drain.ts';

export type Step =
  | RedeployStep
  | SteadyStep
  | ProxyStep
  | { readonly do: 'CLEAN_JOB'; readonly jobId: string }
  | { readonly do: 'LOOK' };

export function performStep(hold: Hold, situation: Situation, step: Step): Promise<Outcome> {
  switch (step.do) {
    case 'BEGIN':
      return beginRedeploy(hold, situation, openRedeploy(situation));
    case 'PREPARE':
      return prepare(hold, situation, openRedeploy(situation));
    case 'OBTAIN_IMAGE':
      return obtainImage(hold, situation, openRedeploy(situation));
    case 'ENTER_START_NEW':
      return enterStartNew(hold, situation, step.wanted);
    case 'ENTER_VERIFY':
      return enterVerify(hold, situation);
    case 'ENTER_SWITCH':
      return enterSwitch(hold, situation);
    case 'SWITCH':
      return switchToNew(hold, situation, openRedeploy(situation));
    case 'ENTER_OVERLAP':
      return enterOverlap(hold, situation, openRedeploy(situation));
    case 'ENTER_DRAIN':
      return enterDrain(hold, situation, openRedeploy(situation));
    case 'SWITCH_BACK':
      return switchBack(hold, situation, openRedeploy(situation));
    case 'SYNC_PROXY':
      return syncProxy(hold, situation, jobOf(situation, step.proxyId));
    case 'WATCH_DRAIN':
      return watchDrain(hold, situation);
    case 'FAIL':
      return failRedeploy(hold, situation, openRedeploy(situation), step.because);
    case 'ENTER_RESTORE':
      return enterRestore(hold, situation, openRedeploy(situation), step.wanted);
    case 'END':
      return endRedeploy(hold, situation, step.state);
    case 'START_JOB':
      return startJob(hold, situation, jobOf(situation, step.jobId));
    case 'STOP_JOB':
      return stopJob(hold, situation, jobOf(situation, step.jobId), step.reason);
    case 'VERIFY_JOB':
      return verifyJob(hold, situation, jobOf(situation, step.jobId), step.until);
    case 'PUT_IN':
      return putIn(hold, situation, jobOf(situation, step.jobId));
    case 'CLEAN_JOB':
      return cleanJob(hold, jobOf(situation, step.jobId));
    case 'REPLACE':
      return replaceJobs(hold, situation, step.wanted);
    case 'MARK_UNHEALTHY':
      return markUnhealthy(hold, situation, jobOf(situation, step.jobId));
    case 'MARK_FAILING':
      return markFailing(hold, situation, step.deaths);
    case 'LOOK':
      return observe(hold, situation);
    case 'CLEAR_AWAY':
      return clearAway(hold, situation);
    case 'WAIT':
      return Promise.resolve({});
  }
}

function openRedeploy(situation: Situation): RedeployRow {
  if (situation.redeploy === undefined) throw new Error('a redeploy step without an open redeploy');
  return situation.redeploy;
}

function jobOf(situation: Situation, id: string): JobRow {
  const job = situation.jobs.find((each) => each.id === id);
  if (job === undefined) throw new Error(`a step for a job that is not of the situation: ${id}`);
  return job;
}
