// Looking at the containers of a service's living jobs, and writing down what has ended without being asked to.
import { containerName, type JobState } from '../model/jobs.ts';
import { type JobPatch, type JobRow, updateJob } from '../postgres/jobs.ts';
import { type ContainerView, ForeignObject } from '../runtime/runtime.ts';
import { type Hold, type Outcome, perform, write } from './deps.ts';
import { askProxies, movedOnly, recordMove } from './record-job.ts';
import type { Situation } from './situation.ts';

const settleMs = 3_000;
const lookAgainMs = 100;

/** Every running job at once. What was seen of others stands, whatever becomes of one. */
export async function observe(hold: Hold, { service, jobs }: Situation): Promise<Outcome> {
  const running = jobs.filter((job) => job.state === 'RUNNING');
  const seen = await Promise.allSettled(running.map((job) => observeJob(hold, service.label, job)));
  const failed = seen.find((each) => each.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  return seen.some((each) => each.status === 'fulfilled' && each.value) ? undefined : {};
}

/** True when something was written, so that the situation must be read again. */
export async function observeJob(hold: Hold, label: string, job: JobRow): Promise<boolean> {
  const seen = await lookAtSettled(hold, job);
  if (seen?.state === 'RUNNING') return noteAddress(hold, job, seen);
  await perform(
    hold,
    'OBSERVE',
    async () => seen,
    async (change) => {
      const end = seen === undefined ? lost : endOf(job, seen);
      return movedOnly(await recordMove(change, label, job, end.state, end.set));
    },
  );
  return true;
}

/** One that the engine itself is starting again has no address for a moment. */
async function lookAtSettled(hold: Hold, job: JobRow): Promise<ContainerView | undefined> {
  const { clock } = hold.deps;
  for (const end = clock.now() + settleMs; ; ) {
    const seen = await lookAt(hold, job);
    const restarting = seen?.state === 'RUNNING' && seen.address === undefined && job.address !== null;
    if (!restarting || clock.now() >= end) return seen;
    await clock.sleep(lookAgainMs, hold.signal);
  }
}

/** The engine gives one that it starts again any address that is free then; in between it has none. */
async function noteAddress(hold: Hold, job: JobRow, { address }: ContainerView): Promise<boolean> {
  if (address === undefined || address === job.address) return false;
  await write(hold, async (change) => {
    await updateJob(change.tx, job.id, { address });
    await askProxies(change, job.environmentId);
  });
  return true;
}

/** As far as is known: before its start was recorded, its container has no other mark than its name. */
export function isOwn({ containerId }: JobRow, { id }: ContainerView): boolean {
  return containerId === null || containerId === id;
}

/** The job's own container; undefined when there is none, or one that only bears its name. */
export async function lookAt({ deps }: Hold, job: JobRow): Promise<ContainerView | undefined> {
  try {
    const seen = await deps.runtime.inspectContainer(containerName(job.id), deps.installation.id);
    return seen !== undefined && isOwn(job, seen) ? seen : undefined;
  } catch (error) {
    if (error instanceof ForeignObject) return undefined;
    throw error;
  }
}

interface End {
  readonly state: JobState;
  readonly set: JobPatch;
}

const lost: End = { state: 'LOST', set: { reason: 'Its container is gone from the engine.' } };

/** How a job counts whose container has exited by itself. */
export function endOf(job: JobRow, seen: ContainerView): End {
  const exitCode = seen.exitCode ?? null;
  const { outOfMemory } = seen;
  if (job.type === 'TASK' && exitCode === 0) return { state: 'FINISHED', set: { exitCode } };
  const how = outOfMemory
    ? `It was killed because it used more memory than its size allows (exit code ${exitCode}).`
    : `It exited by itself with code ${exitCode}.`;
  return { state: 'FAILED', set: { exitCode, outOfMemory, reason: how } };
}
