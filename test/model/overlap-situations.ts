// Situations of a redeploy by OVERLAP, and the steps that are expected of them, in few words.
import type { FailureCause } from '../../src/model/failures.ts';
import type { JobView } from '../../src/model/jobs.ts';
import type {
  FailReason,
  PhaseName,
  RedeploySituation,
  RedeployStep,
  RedeployView,
} from '../../src/model/redeploy.ts';
import { ago, job, phases, redeploying, spec } from './situations.ts';

export const overlapSeconds = 30;
export const overlapping = { ...spec, strategy: 'OVERLAP' as const, overlapSeconds };
export const order = ['PREPARE', 'PULL_IMAGE', 'START_NEW', 'VERIFY', 'SWITCH', 'OVERLAP', 'DRAIN'] as const;
export const wanted = [{ type: 'DEPLOY' as const, target: null, count: 2 }];
export const failed: FailureCause = { kind: 'DEADLINE_EXCEEDED', phase: 'VERIFY', message: '' };
export const canceled: FailureCause = { kind: 'CANCELED', message: '' };

export type Case = [string, RedeploySituation, RedeployStep[]];
export type More = Partial<RedeploySituation> & { view?: Partial<RedeployView> };

/** In a phase that was entered five seconds ago, with the release that ran before as last good until the switch. */
export function during(phase: PhaseName, jobs: readonly JobView[] = [], { view, ...more }: More = {}) {
  const reached =
    phase === 'RESTORE' ? [...order.slice(0, 5), phase] : order.slice(0, order.indexOf(phase as never) + 1);
  const entered = phases(...reached).map((each) => ({ ...each, startedAt: ago(5).toISOString() }));
  const switched = ['SWITCH', 'OVERLAP', 'DRAIN'].includes(phase);
  return redeploying(
    {
      ...{ spec: overlapping, phases: entered, imageFound: true, previousId: 'old' },
      lastGood: { redeployId: switched ? 'new' : 'old', spec: overlapping },
      ...view,
    },
    jobs,
    more,
  );
}

export const stop = (jobId: string, reason: string): RedeployStep => ({ do: 'STOP_JOB', jobId, reason });
export const fail = (because: FailReason): RedeployStep[] => [{ do: 'FAIL', because }];
export const wait = (until: Date): RedeployStep => ({ do: 'WAIT', until });
export const end = (state: 'SUCCEEDED' | 'FAILED' | 'ROLLED_BACK' | 'CANCELED'): RedeployStep[] => [
  { do: 'END', state },
];
export const replaced = 'Replaced by a redeploy';
export const gaveWay = 'Its redeploy gave way to a newer one';
export const onRequest = 'Stopped on request';
export const undone = 'Its redeploy failed';

export const serving = (id: string, more: Partial<JobView> = {}) =>
  job(id, 'old', { rotation: 'IN', ...more });
export const draining = (id: string, more: Partial<JobView> = {}) =>
  job(id, 'old', { rotation: 'DRAINING', ...more });
export const fresh = (id: string, more: Partial<JobView> = {}) =>
  job(id, 'new', { rotation: 'OUT', ...more });
export const switched = (id: string, more: Partial<JobView> = {}) =>
  job(id, 'new', { rotation: 'IN', ...more });
export const starting = { state: 'STARTING', health: null, startedAt: null } as const;
export const waiting = { health: 'STARTING', startedAt: ago(10) } as const;
export const byOther = { redeployId: 'superseded' };
export const mailer = { type: 'WORKER', target: 'mailer', rotation: null } as const;
export const olds = [serving('a'), serving('b')];
export const drained = [draining('a'), draining('b')];
export const news = [switched('c'), switched('d')];
