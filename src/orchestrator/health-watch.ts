// Watching on: every running deploy job is checked at its interval for as long as it runs, by one replica for all. A job
// that fails its check so many times in a row leaves rotation, and returns when it passes again; nothing is restarted for
// it. The first check of a starting job is verify-job.ts's.
import { type HealthCheck, healthCheckLimits } from '../model/health-check.ts';
import { sameRotation } from '../model/rotation.ts';
import { type Change, change } from '../postgres/change.ts';
import { hasDuty, takeDuty } from '../postgres/duties.ts';
import { listJobsById, listJobsToWatch, markHealth, type WatchedJob } from '../postgres/jobs.ts';
import { markProxiesDue, readRotation } from '../postgres/rotation.ts';
import { markDue } from '../postgres/services.ts';
import { type Deps, nothing } from './deps.ts';
import { fairLimit } from './fair-limit.ts';
import { performTask } from './points.ts';

const lookEveryMs = 1_000;
const renewEveryMs = 5_000;
/** Of one environment: those whose jobs hang hold up nobody else's. */
const mostAtOnce = 50;

interface Watch {
  /** By the clock of the loops. */
  dueAt: number;
  /** Results in a row that speak for the other health. */
  against: number;
  asking: boolean;
}

export async function watchHealth(deps: Deps, signal: AbortSignal): Promise<void> {
  const watches = new Map<string, Watch>();
  const limits = fairLimit(mostAtOnce);
  let heldUntil = 0;
  while (!signal.aborted) {
    try {
      const now = deps.clock.now();
      if (now >= heldUntil)
        heldUntil = (await takeDuty(deps.store, deps.replica, 'HEALTH')) ? now + renewEveryMs : 0;
      if (heldUntil === 0) watches.clear();
      else
        for (const job of await jobsDue(deps, watches))
          void limits.run(job.environmentId, () => watchOnce(deps, job, watches));
    } catch (error) {
      if (!signal.aborted) deps.logger.error({ err: error }, 'the watch on healthy jobs failed; it goes on');
    }
    const pause = heldUntil === 0 ? renewEveryMs : lookEveryMs;
    await deps.clock.sleep(pause, signal).catch(() => {});
  }
  limits.clear();
}

/** Those whose time has come; jobs that run no longer are forgotten. */
async function jobsDue(deps: Deps, watches: Map<string, Watch>): Promise<WatchedJob[]> {
  const running = await listJobsToWatch(deps.store.db);
  const ids = new Set(running.map((job) => job.id));
  for (const id of watches.keys()) if (!ids.has(id)) watches.delete(id);
  const now = deps.clock.now();
  const fresh = running.filter(({ id }) => !watches.has(id));
  // Those that were just seen healthy are asked again after their interval, spread so that not all are asked at once.
  for (const [at, job] of fresh.entries()) {
    const dueAt = now + intervalMs(job) * (0.5 + at / fresh.length / 2);
    watches.set(job.id, { dueAt, against: 0, asking: false });
  }
  return running.filter((job) => {
    const watch = watches.get(job.id);
    if (watch === undefined || watch.asking || now < watch.dueAt) return false;
    watch.asking = true;
    return true;
  });
}

async function watchOnce(deps: Deps, job: WatchedJob, watches: Map<string, Watch>): Promise<void> {
  const watch = watches.get(job.id);
  if (watch === undefined) return;
  try {
    if (job.address === null) return;
    const check = job.check ?? standardCheck;
    const target = { address: job.address, runtime: job.runtime, check: job.check };
    const { healthy, output } = await deps.probeHealth(target, check.timeoutSeconds * 1000);
    watch.against = healthy === (job.health === 'HEALTHY') ? 0 : watch.against + 1;
    const needed = healthy ? check.healthyThreshold : check.unhealthyThreshold;
    if (watch.against < needed) return;
    if (await record(deps, job, healthy, output, watch.against)) watch.against = 0;
  } catch (error) {
    deps.logger.error(
      { err: error, jobId: job.id },
      'a health check could not be recorded; it is made again',
    );
  } finally {
    watch.asking = false;
    watch.dueAt = Math.max(watch.dueAt + intervalMs(job), deps.clock.now());
  }
}

/** False when it has to be looked at again: a proxy returns only with the rotation that is wanted by then. */
async function record(
  deps: Deps,
  job: WatchedJob,
  healthy: boolean,
  output: string,
  times: number,
): Promise<boolean> {
  const health = healthy ? 'HEALTHY' : 'UNHEALTHY';
  const mark = async (current: Change) => {
    if (!(await hasDuty(current.tx, deps.replica, 'HEALTH'))) return true;
    if (healthy && (await isBehind(current, job))) return false;
    const marked = await markHealth(current.tx, job.id, health, output);
    if (marked === undefined) return true;
    const { type, target, state, exitCode, environmentId, serviceId, id: jobId } = marked;
    current.emit({
      environmentId,
      serviceId,
      jobId,
      redeployId: marked.restoredBy ?? marked.redeployId,
      type: 'JOB_CHANGED',
      data: { type, target, state, health, exitCode },
      message: healthy
        ? `A deploy job of ${job.label} is healthy again.`
        : `A deploy job of ${job.label} failed its check ${times} times in a row. ${output}`,
    });
    await markDue(current.tx, [serviceId]);
    await markProxiesDue(current.tx, environmentId);
    current.nudge('due');
    return true;
  };
  const { value } = await performTask(deps, 'MARK_HEALTH', nothing, () => change(deps, mark));
  return value;
}

/** Of a proxy; its holder is asked to tell it. */
async function isBehind(current: Change, { id, environmentId }: WatchedJob): Promise<boolean> {
  const [row] = await listJobsById(current.tx, [id]);
  if (row?.spec?.proxy == null) return false;
  if (sameRotation(row.applied, await readRotation(current.tx, environmentId))) return false;
  await markDue(current.tx, [row.serviceId]);
  current.nudge('due');
  return true;
}

function intervalMs(job: WatchedJob): number {
  return (job.check ?? standardCheck).intervalSeconds * 1000;
}

const standardCheck: Pick<
  HealthCheck,
  'intervalSeconds' | 'timeoutSeconds' | 'healthyThreshold' | 'unhealthyThreshold'
> = {
  intervalSeconds: healthCheckLimits.intervalSeconds.standard,
  timeoutSeconds: healthCheckLimits.timeoutSeconds.standard,
  healthyThreshold: healthCheckLimits.healthyThreshold.standard,
  unhealthyThreshold: healthCheckLimits.unhealthyThreshold.standard,
};
