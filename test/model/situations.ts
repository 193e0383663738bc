// Situations for the tables of cases: everything standard but what a case is about.
import type { JobView } from '../../src/model/jobs.ts';
import type { PhaseName, RedeploySituation, RedeployView } from '../../src/model/redeploy.ts';
import type { Spec } from '../../src/model/spec.ts';
import type { SteadySituation } from '../../src/model/steady.ts';
import { specOf } from './simulated-people.ts';

export const now = new Date('2026-03-01T12:00:00Z');
export const ago = (seconds: number) => new Date(now.getTime() - seconds * 1000);

export const spec: Spec = specOf({ scale: 2, volume: false, rollBack: true });
export const database: Spec = specOf({ scale: 1, volume: true, rollBack: true });

/** Of the redeploy `new`, or `old` which ran before; RUNNING and HEALTHY unless it says otherwise. */
export function job(id: string, redeployId: 'new' | 'old', more: Partial<JobView> = {}): JobView {
  return {
    ...{
      id,
      type: 'DEPLOY',
      target: null,
      redeployId,
      restoredBy: null,
      state: 'RUNNING',
      health: 'HEALTHY',
    },
    ...{ stopRequested: false, createdAt: ago(60), startedAt: ago(59), stoppedAt: null, cleaned: false },
    rotation: null,
    ...more,
  };
}

export const ended = (id: string, redeployId: 'new' | 'old', seconds: number, more: Partial<JobView> = {}) =>
  job(id, redeployId, { state: 'FAILED', health: null, stoppedAt: ago(seconds), ...more });

export function phases(...names: PhaseName[]): RedeployView['phases'] {
  return names.map((phase) => ({ phase, state: 'RUNNING', startedAt: '', endedAt: null, message: '' }));
}

const toStop = ['PREPARE', 'PULL_IMAGE', 'STOP_OLD'] as const;
export const until = {
  stopOld: phases(...toStop),
  startNew: phases(...toStop, 'START_NEW'),
  verify: phases(...toStop, 'START_NEW', 'VERIFY'),
  restore: phases(...toStop, 'START_NEW', 'RESTORE'),
};

export function redeploying(
  view: Partial<RedeployView>,
  jobs: readonly JobView[] = [],
  more: Partial<RedeploySituation> = {},
): RedeploySituation {
  const redeploy: RedeployView = {
    ...{ id: 'new', state: 'RUNNING', spec, phases: [], deadlineAt: ago(-300), cancelRequested: false },
    imageFound: false,
    previousId: null,
    ...{ cause: null, lastGood: { redeployId: 'old', spec: view.spec ?? spec } },
    ...view,
  };
  return { redeploy, jobs, workers: {}, proxies: 'NONE', healthySeconds: 120, now, ...more };
}

export function steady(jobs: readonly JobView[], more: Partial<SteadySituation> = {}): SteadySituation {
  return {
    ...{
      deleting: false,
      stopped: false,
      failing: false,
      budgetFrom: null,
      workers: {},
      healthySeconds: 120,
    },
    ...{ running: { redeployId: 'old', spec }, proxies: 'NONE', now },
    jobs,
    ...more,
  };
}
