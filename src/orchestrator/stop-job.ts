// Stopping a job: told before it begins, TERM and the grace period, then what was seen.
import { containerName } from '../model/jobs.ts';
import { stopGraceSeconds } from '../model/service-types/code.ts';
import { findEngineKind } from '../model/service-types/index.ts';
import type { Change } from '../postgres/change.ts';
import type { JobRow } from '../postgres/jobs.ts';
import { ForeignObject } from '../runtime/runtime.ts';
import { type Hold, nothing, type Outcome, perform, write } from './deps.ts';
import { movedOnly, recordMove } from './record-job.ts';
import type { Situation } from './situation.ts';

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
  if (job.state !== 'STOPPING') await write(hold, (change) => recordStopping(change, situation, job, reason));
  const grace = findEngineKind(service.runtime)?.stopGraceSeconds ?? stopGraceSeconds;
  const effect = () => stopContainer(hold, job, grace);
  return perform(hold, 'STOP_JOB', effect, async (change, ended) => {
    const set = { exitCode: ended?.exitCode ?? null };
    return movedOnly(await recordMove(change, label, job, 'STOPPED', set));
  });
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
