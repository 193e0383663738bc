// What the jobs of a service proxy need at any time, beside everything that redeploys and steady state ask for: the rotation
// as it is wanted, and an eye on jobs that finish what they have begun. Pure.
import type { JobHealth, JobState, JobType } from './jobs.ts';
import { type AppliedRotation, type ProxyRotation, sameRotation } from './rotation.ts';

export type ProxyStep =
  | { readonly do: 'SYNC_PROXY'; readonly proxyId: string }
  | { readonly do: 'WATCH_DRAIN' };

export interface ProxyJob {
  readonly id: string;
  readonly type: JobType;
  readonly state: JobState;
  readonly health: JobHealth | null;
  readonly applied: AppliedRotation | null;
}

/** One that has just been started is told nothing before it answers. */
export function proxySteps(
  jobs: readonly ProxyJob[],
  wanted: ProxyRotation,
  draining: readonly string[],
): ProxyStep[] {
  const running = jobs.filter((job) => job.type === 'DEPLOY' && job.state === 'RUNNING');
  const behind = running.filter((job) => job.health !== 'STARTING' && !sameRotation(job.applied, wanted));
  const watching = draining.length > 0 && behind.length === 0 && running.length > 0;
  return [
    ...behind.map((job): ProxyStep => ({ do: 'SYNC_PROXY', proxyId: job.id })),
    ...(watching ? [{ do: 'WATCH_DRAIN' } as const] : []),
  ];
}
