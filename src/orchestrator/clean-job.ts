// Clearing an ended job's container away, its last lines of output kept first.
import { containerName } from '../model/jobs.ts';
import { appendLines, goneMark, type JobLineRow, listLastLines } from '../postgres/job-lines.ts';
import { type JobRow, updateJob } from '../postgres/jobs.ts';
import { ForeignObject } from '../runtime/runtime.ts';
import { assertHeld, type Hold, type Outcome, perform, write } from './deps.ts';
import { tailToKeep } from './kept-lines.ts';
import { lookAt } from './observe.ts';
import { movedOnly } from './record-job.ts';

export async function cleanJob(hold: Hold, job: JobRow): Promise<Outcome> {
  const lines: JobLineRow[] = await tailToKeep(hold, job);
  if (lines.length === 0 && (await isGone(hold, job)) && !(await areKept(hold, job)))
    lines.push(goneMark(job.id));
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
    const isOwn = job.containerId === null || seen?.id === job.containerId;
    if (seen === undefined || !(isOwn || seen.state === 'CREATED')) return;
    assertHeld(hold);
    await runtime.removeContainer(name, installation.id);
  } catch (error) {
    if (!(error instanceof ForeignObject)) throw error;
  }
}
