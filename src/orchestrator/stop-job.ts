// Stopping a job: told before it begins, TERM and the grace period, then what was seen.
import { containerName } from '../model/jobs.ts';
import { drainSeconds } from '../model/overlap.ts';
import { maySendTo } from '../model/rotation.ts';
import { stopGraceSeconds } from '../model/service-types/code.ts';
import { findEngineKind } from '../model/service-types/index.ts';
import type { Change } from '../postgres/change.ts';
import type { JobRow } from '../postgres/jobs.ts';
import { drainAtMost, secondsToDrain } from '../postgres/rotation.ts';
import { ForeignObject } from '../runtime/runtime.ts';
import { type Hold, nothing, type Outcome, perform, write } from './deps.ts';
import { askProxies, movedOnly, recordMove } from './record-job.ts';
import { listFollowers, type Situation, standingOf } from './situation.ts';

/** Whether a job has drained is looked at after so long, then as often as makes it known a fifth later than it is. */
const lookAgainMs = 50;
/** Beyond the time to drain. */
const untoldSeconds = 60;

export async function stopJob(
  hold: Hold,
  situation: Situation,
  job: JobRow,
  reason: string,
): Promise<Outcome> {
  const { service } = situation;
  const replacedBy = replacementOf(situation, job);
  const { label } = service;
  if (job.state === 'SCHEDULED')
    return perform(hold, 'STOP_JOB', nothing, async (change) => {
      const set = { reason: `${reason} before it was started.`, replacedBy };
      return movedOnly(await recordMove(change, label, job, 'STOPPED', set));
    });
  if (hasToDrain(situation, job)) await drainJob(hold, situation, job);
  if (job.state !== 'STOPPING') await write(hold, (change) => recordStopping(change, situation, job, reason));
  const grace = findEngineKind(service.runtime)?.stopGraceSeconds ?? stopGraceSeconds;
  const effect = () => stopContainer(hold, job, grace);
  return perform(hold, 'STOP_JOB', effect, async (change, ended) => {
    const set = { exitCode: ended?.exitCode ?? null };
    return movedOnly(await recordMove(change, label, job, 'STOPPED', set));
  });
}

/** Proxies send it requests, or sent it some that may not have ended. */
export function hasToDrain(situation: Situation, job: JobRow): boolean {
  const rotates = job.state === 'RUNNING' && (job.rotation === 'IN' || job.rotation === 'DRAINING');
  return rotates && standingOf(situation) !== 'NONE';
}

/**
 * No new requests; what it has begun may end, for so long. Which has happened is told by the proxies' holder. While a proxy
 * still may send it new ones, it is not stopped: requests would go nowhere.
 */
async function drainJob(hold: Hold, situation: Situation, job: JobRow): Promise<void> {
  const { service } = situation;
  await perform(hold, 'DRAIN_JOB', nothing, async (change) => {
    await drainAtMost(change.tx, job.id, drainSeconds);
    await askProxies(change, service.environmentId);
    return undefined;
  });
  const { clock, store } = hold.deps;
  const since = clock.now();
  for (;;) {
    const seconds = await secondsToDrain(store.db, job.id);
    if (seconds === undefined || seconds <= -patienceOf(situation)) return;
    if (seconds <= 0 && !(await isServed(hold, situation, job))) return;
    await clock.sleep(Math.max(lookAgainMs, (clock.now() - since) / 5), hold.signal);
  }
}

/** For so many seconds proxies that can't be told are waited for. A redeploy by RECREATE has its deadline for that. */
function patienceOf({ redeploy }: Situation): number {
  if (redeploy === undefined) return untoldSeconds;
  return redeploy.spec.strategy === 'RECREATE' ? Number.POSITIVE_INFINITY : 0;
}

async function isServed({ deps }: Hold, { service }: Situation, { id }: JobRow): Promise<boolean> {
  return (await listFollowers(deps, service)).some((proxy) => maySendTo(proxy, service.id, id));
}

/** Told before anything is sent to the container. */
export async function recordStopping(
  change: Change,
  situation: Situation,
  job: JobRow,
  reason: string,
): Promise<JobRow | undefined> {
  const set = { reason: `${reason}.`, replacedBy: replacementOf(situation, job) };
  return recordMove(change, situation.service.label, job, 'STOPPING', set);
}

function replacementOf({ redeploy }: Situation, job: JobRow): string | null {
  return redeploy !== undefined && redeploy.id !== job.redeployId ? redeploy.id : null;
}

async function stopContainer({ deps }: Hold, job: JobRow, grace: number) {
  try {
    const id = job.containerId ?? undefined;
    return await deps.runtime.stopContainer(containerName(job.id), deps.installation.id, grace, id);
  } catch (error) {
    // A container of this name that isn't ours was never this job's.
    if (error instanceof ForeignObject) return undefined;
    throw error;
  }
}
