// Stopping a job: told before it begins, TERM and the grace period, then what was seen.
import { containerName } from '../model/jobs.ts';
import { drainSeconds } from '../model/overlap.ts';
import { stopGraceSeconds } from '../model/service-types/code.ts';
import { findEngineKind } from '../model/service-types/index.ts';
import type { Change } from '../postgres/change.ts';
import type { JobRow } from '../postgres/jobs.ts';
import { drainAtMost, isDraining } from '../postgres/rotation.ts';
import { ForeignObject } from '../runtime/runtime.ts';
import { type Hold, nothing, type Outcome, perform, write } from './deps.ts';
import { askProxies, movedOnly, recordMove } from './record-job.ts';
import { type Situation, standingOf } from './situation.ts';

/** Whether a job has drained is looked at after so long, then as often as makes it known a fifth later than it is. */
const lookAgainMs = 50;

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

/** No new requests; what it has begun may end, for so long. Which has happened is told by the proxies' holder. */
async function drainJob(hold: Hold, { service }: Situation, job: JobRow): Promise<void> {
  await perform(hold, 'DRAIN_JOB', nothing, async (change) => {
    await drainAtMost(change.tx, job.id, drainSeconds);
    await askProxies(change, service.environmentId);
    return undefined;
  });
  const { clock, store } = hold.deps;
  const since = clock.now();
  while (await isDraining(store.db, job.id))
    await clock.sleep(Math.max(lookAgainMs, (clock.now() - since) / 5), hold.signal);
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
