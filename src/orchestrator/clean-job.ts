// Clearing an ended job's container away, its last lines of output kept first.
import { containerName } from '../model/jobs.ts';
import { appendLines, goneMark, type JobLineRow, listLastLines } from '../postgres/job-lines.ts';
import { type JobRow, updateJob } from '../postgres/jobs.ts';
import { EngineFault, ForeignObject } from '../runtime/runtime.ts';
import { assertHeld, type Hold, type Outcome, perform, write } from './deps.ts';
import { tailToKeep } from './kept-lines.ts';
import { isOwn, lookAt } from './observe.ts';
import { movedOnly } from './record-job.ts';

/** So long after a job's end what the engine refuses to give out holds up nothing any more. */
const unreadableMs = 30_000;

export async function cleanJob(hold: Hold, job: JobRow): Promise<Outcome> {
  const lines = await linesToKeep(hold, job);
  // Written before the container goes: a crash in between leaves the lines twice readable, never lost.
  if (lines.length > 0) await write(hold, (change) => appendLines(change.tx, lines));
  return perform(
    hold,
    'CLEAN_JOB',
    () => remove(hold, job),
    async (change) => {
      change.nudge(`lines:${job.id}`);
      return movedOnly(await updateJob(change.tx, job.id, { cleaned: true }));
    },
  );
}

async function linesToKeep(hold: Hold, job: JobRow): Promise<JobLineRow[]> {
  let lines: JobLineRow[];
  try {
    lines = await tailToKeep(hold, job);
  } catch (error) {
    const refused = error instanceof EngineFault && error.statusCode !== undefined;
    const endedAt = job.stoppedAt?.getTime() ?? 0;
    if (!refused || hold.deps.clock.date().getTime() - endedAt < unreadableMs) throw error;
    return [goneMark(job.id)];
  }
  const isLost = lines.length === 0 && (await isGone(hold, job)) && !(await areKept(hold, job));
  return isLost ? [goneMark(job.id)] : lines;
}

/** Removed by somebody else, with whatever it had written. */
async function isGone(hold: Hold, job: JobRow): Promise<boolean> {
  return job.containerId !== null && (await lookAt(hold, job)) === undefined;
}

/** It was cleaned away before, and something of its name has turned up since. */
async function areKept({ deps }: Hold, { id }: JobRow): Promise<boolean> {
  return (await listLastLines(deps.store.db, id, 1)).length > 0;
}

/**
 * One that only bears the name of the job's own container is left alone; but one that never ran was made by a creation that
 * the engine heard of when the job's own had been removed.
 */
async function remove(hold: Hold, job: JobRow): Promise<void> {
  const { runtime, installation } = hold.deps;
  const name = containerName(job.id);
  try {
    const seen = await runtime.inspectContainer(name, installation.id);
    if (seen === undefined || !(isOwn(job, seen) || seen.state === 'CREATED')) return;
    await runtime.removeContainer(name, installation.id, () => assertHeld(hold));
  } catch (error) {
    if (!(error instanceof ForeignObject)) throw error;
  }
}
