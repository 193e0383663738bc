// A redeploy: what it is, its phases, and `nextSteps`, the whole decision on it: pure, from what is written down and the
// time. Each step is idempotent, so the path after a crash is the everyday path. The strategies stand in recreate.ts and
// overlap.ts, what a step does in src/orchestrator.
//
// Supersede rule: a newer request ends an open redeploy as SUPERSEDED in the same transaction; the newer one then stops
// whatever the older had started. There is never more than one open redeploy of a service.
import type { FailureCause } from './failures.ts';
import type { JobView } from './jobs.ts';
import { stepsOfOverlap, stepsToUndoOverlap } from './overlap.ts';
import { stepsOfRecreate, stepsToUndoRecreate } from './recreate.ts';
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

export const phaseNames = [
  'PREPARE',
  'PULL_IMAGE',
  'STOP_OLD',
  'START_NEW',
  'VERIFY',
  'SWITCH',
  'OVERLAP',
  'DRAIN',
  'RESTORE',
] as const;
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

export interface RedeployView {
  readonly id: string;
  readonly state: 'QUEUED' | 'RUNNING';
  readonly spec: Spec;
  readonly phases: readonly Phase[];
  /** The image that its jobs run is known and on the engine. */
  readonly imageFound: boolean;
  readonly deadlineAt: Date;
  readonly cancelRequested: boolean;
  /** Set once it has failed and is being undone. */
  readonly cause: FailureCause | null;
  /** By which redeploy what ran before its switch was started; null before it, and where nothing ran. */
  readonly previousId: string | null;
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
  | { readonly do: 'ENTER_SWITCH' }
  | { readonly do: 'SWITCH' }
  | { readonly do: 'ENTER_OVERLAP' }
  | { readonly do: 'ENTER_DRAIN' }
  | { readonly do: 'SWITCH_BACK' }
  | { readonly do: 'WAIT'; readonly until: Date }
  | { readonly do: 'VERIFY_JOB'; readonly jobId: string; readonly until: Date }
  | { readonly do: 'PUT_IN'; readonly jobId: string }
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
  /** How far the service proxies are with what is wanted; NONE when none leads to the service. */
  readonly proxies: 'NONE' | 'BEHIND' | 'CURRENT';
  readonly healthySeconds: number;
  readonly now: Date;
}

/** What can be done now, all of it at once; empty when nothing is left but waiting for what was already begun. */
export function nextSteps(situation: RedeploySituation): RedeployStep[] {
  const { redeploy } = situation;
  const overlaps = redeploy.spec.strategy === 'OVERLAP';
  if (redeploy.state === 'QUEUED') return [{ do: 'BEGIN' }];
  if (redeploy.cause !== null)
    return overlaps ? stepsToUndoOverlap(situation) : stepsToUndoRecreate(situation);
  return overlaps ? stepsOfOverlap(situation) : stepsOfRecreate(situation);
}

export function phaseOf({ phases }: Pick<RedeployView, 'phases'>): PhaseName | undefined {
  return phases.at(-1)?.phase;
}

/** Past the time for undoing it ends whatever is left; what still stands is put right afterwards by steady.ts. */
export function undoUntil({ deadlineAt }: Pick<RedeployView, 'deadlineAt'>): Date {
  return new Date(deadlineAt.getTime() + redeployLimits.restoreSeconds * 1000);
}
