// A job is exactly one container, started once. This file holds its states, the table of moves between them and what
// can be read off them. What to do about them is decided in steady.ts and redeploy.ts.
import type { Rotation } from './rotation.ts';
import type { Spec } from './spec.ts';

export const jobTypes = ['DEPLOY', 'WORKER', 'BUILD', 'TASK', 'CONSOLE', 'BACKUP', 'RESTORE'] as const;
export type JobType = (typeof jobTypes)[number];

export const jobStates = [
  'SCHEDULED',
  'STARTING',
  'RUNNING',
  'STOPPING',
  'STOPPED',
  'FINISHED',
  'FAILED',
  'LOST',
] as const;
export type JobState = (typeof jobStates)[number];

/** Health of a job whose container runs; STARTING until its first successful check. */
export const jobHealths = ['STARTING', 'HEALTHY', 'UNHEALTHY'] as const;
export type JobHealth = (typeof jobHealths)[number];

/** The declared moves. States only go forward and an end state is never left. */
export const jobMoves: Readonly<Record<JobState, readonly JobState[]>> = {
  SCHEDULED: ['STARTING', 'STOPPING', 'STOPPED', 'FAILED'],
  STARTING: ['RUNNING', 'STOPPING', 'FINISHED', 'FAILED', 'LOST'],
  RUNNING: ['STOPPING', 'FINISHED', 'FAILED', 'LOST'],
  STOPPING: ['STOPPED', 'LOST'],
  STOPPED: [],
  FINISHED: [],
  FAILED: [],
  LOST: [],
};

export const endedStates: readonly JobState[] = ['STOPPED', 'FINISHED', 'FAILED', 'LOST'];

export function hasEnded(state: JobState): boolean {
  return endedStates.includes(state);
}

/** The states from which `state` may be reached: the condition of the update that writes it. */
export function statesBefore(state: JobState): JobState[] {
  return jobStates.filter((from) => jobMoves[from].includes(state));
}

/** What the deciding functions need to know of a job. */
export interface JobView {
  readonly id: string;
  readonly type: JobType;
  readonly target: string | null;
  /** The redeploy whose spec it runs. */
  readonly redeployId: string | null;
  /** The redeploy that, having failed, started it from the last good spec. */
  readonly restoredBy: string | null;
  readonly state: JobState;
  readonly health: JobHealth | null;
  /** Whether service proxies are to send it requests; null for jobs that no proxy knows. */
  readonly rotation: Rotation | null;
  readonly stopRequested: boolean;
  readonly createdAt: Date;
  readonly startedAt: Date | null;
  readonly stoppedAt: Date | null;
  /** Its container was cleared away and its last lines kept. */
  readonly cleaned: boolean;
  /** The copy that it was started from. */
  readonly spec?: Pick<Spec, 'healthCheck'> | null;
}

export function isAlive(job: JobView): boolean {
  return !hasEnded(job.state);
}

/** Name of the job's container and, within its network, of the one job. */
export function containerName(jobId: string): string {
  return `berth-job-${jobId}`;
}

export function networkName(environmentId: string): string {
  return `berth-env-${environmentId}`;
}

export function volumeName(serviceId: string): string {
  return `berth-data-${serviceId}`;
}

/** The tag that keeps a release's image: of its own, so that equal images of two services don't go together. */
export function releaseTag(serviceId: string, commit: string): string {
  return `berth-release/${serviceId}:${commit}`;
}
