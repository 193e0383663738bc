// Writing down what was seen of a job: its move, and the event that tells of it, in one transaction.
import { hasEnded, type JobState } from '../model/jobs.ts';
import type { Change } from '../postgres/change.ts';
import { insertJobs, type JobPatch, type JobRow, moveJob } from '../postgres/jobs.ts';
import { together } from '../postgres/open.ts';
import { markProxiesDue } from '../postgres/rotation.ts';
import type { ServiceRow } from '../postgres/services.ts';
import type { Outcome } from './deps.ts';

/** Undefined when the job had been moved by somebody else already; then nothing is written. */
export async function recordMove(
  change: Change,
  label: string,
  job: JobRow,
  state: JobState,
  set: JobPatch = {},
): Promise<JobRow | undefined> {
  // Whatever was seen of it: a switch may have put it in meanwhile.
  const leaves = job.rotation !== null && (state === 'STOPPING' || hasEnded(state));
  // Sent together; proxies that are asked without need find nothing to do.
  const [moved] = await together([
    moveJob(change.tx, job.id, state, leaves ? { ...set, rotation: 'OUT' } : set),
    leaves ? askProxies(change, job.environmentId) : undefined,
  ]);
  if (moved !== undefined) tellJob(change, label, moved);
  return moved;
}

/** The environment's proxies take over who is in rotation at once. */
export async function askProxies(change: Change, environmentId: string): Promise<void> {
  if (await markProxiesDue(change.tx, environmentId)) change.nudge('due');
}

/** What a step that moves one job leaves. */
export function movedOnly(job: JobRow | undefined): Outcome {
  return job && { jobs: [job] };
}

export function tellJob(change: Change, label: string, job: JobRow): void {
  const { type, target, state, health, exitCode } = job;
  change.emit({
    environmentId: job.environmentId,
    serviceId: job.serviceId,
    redeployId:
      job.restoredBy ??
      (state === 'STOPPING' || state === 'STOPPED' ? job.replacedBy : null) ??
      job.redeployId,
    jobId: job.id,
    type: 'JOB_CHANGED',
    data: { type, target, state, health, exitCode },
    message: sentence(label, job),
  });
}

function sentence(label: string, job: JobRow): string {
  const name = `${label} ${job.target ?? ''}`.trim();
  const kind = `${job.type.toLowerCase()} job of ${name}`;
  const why = job.reason === null ? '' : ` ${job.reason}`;
  if (job.state === 'RUNNING' && job.health === 'HEALTHY') return `A ${kind} is healthy.`;
  if (job.state === 'RUNNING' && job.health === 'UNHEALTHY')
    return `A ${kind} did not become healthy in time.`;
  // Builds and tasks only end; nobody looks whether they are healthy.
  const isChecked = job.type === 'DEPLOY' || job.type === 'WORKER';
  const words: Record<JobState, string> = {
    SCHEDULED: 'is scheduled.',
    STARTING: 'is being started.',
    RUNNING: isChecked ? 'runs; waiting until it is healthy.' : 'runs.',
    STOPPING: `is being stopped.${why}`,
    STOPPED: `has stopped.${why}`,
    FINISHED: 'has finished.',
    FAILED: `has failed.${why}`,
    LOST: 'is gone from the engine.',
  };
  return `A ${kind} ${words[job.state]}`;
}

export interface NewJob {
  readonly id: string;
  readonly type: 'DEPLOY' | 'WORKER';
  readonly target: string | null;
}

/** Rows for jobs that run a redeploy's spec and are started at once: told of as scheduled and as starting. */
export async function scheduleJobs(
  change: Change,
  service: ServiceRow,
  of: Pick<JobRow, 'redeployId' | 'restoredBy' | 'spec' | 'image'>,
  fresh: readonly NewJob[],
): Promise<JobRow[]> {
  const { environmentId, id: serviceId } = service;
  const releaseId = of.spec?.image.kind === 'RELEASE' ? of.spec.image.releaseId : null;
  const state = 'STARTING' as const;
  const rows = fresh.map((job) => {
    const rotates = service.type === 'CODE' || service.type === 'SERVICE_PROXY';
    const rotation = rotates && job.type === 'DEPLOY' ? ('OUT' as const) : null;
    return { ...job, ...of, environmentId, serviceId, releaseId, state, rotation };
  });
  const made = await insertJobs(change.tx, rows);
  for (const row of made) {
    tellJob(change, service.label, { ...row, state: 'SCHEDULED' });
    tellJob(change, service.label, row);
  }
  return made;
}
