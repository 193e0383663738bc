// The engine's events are hints: one that tells of a container's end makes its service due. Beneath them, on every
// connection and periodically, everything of ours on the engine is compared with the database.
import { containerName, hasEnded } from '../model/jobs.ts';
import { change } from '../postgres/change.ts';
import { type JobRow, listJobsToCompare, markUnclean } from '../postgres/jobs.ts';
import { markDue } from '../postgres/services.ts';
import { type ContainerView, labels } from '../runtime/runtime.ts';
import type { Deps } from './deps.ts';
import { removeStrays } from './strays.ts';

const gatherMs = 20;
const reconnectMs = 1_000;

export async function watchEngine(deps: Deps, signal: AbortSignal): Promise<void> {
  let told = new Set<string>();
  async function gather(jobId: string): Promise<void> {
    const isFirst = told.size === 0;
    told.add(jobId);
    if (!isFirst) return;
    await deps.clock.sleep(gatherMs, signal);
    const ids = [...told];
    told = new Set();
    await compare(deps, ids);
  }
  const noteLoss = (error: unknown) => {
    if (!signal.aborted) deps.logger.warn({ err: error }, 'an engine event was lost');
  };
  while (!signal.aborted) {
    try {
      for await (const event of deps.runtime.events(deps.installation.id, signal)) {
        // The first hint of a connection has no name: nobody knows what was missed before it.
        if (event.containerName === '') await compareAll(deps);
        const jobId = event.labels[labels.job];
        const ended = event.action === 'DIE' || event.action === 'DESTROY';
        if (ended && jobId !== undefined && event.containerName === containerName(jobId))
          void gather(jobId).catch(noteLoss);
      }
    } catch (error) {
      if (!signal.aborted)
        deps.logger.warn({ err: error }, 'the stream of engine events broke; it is opened again');
    }
    await deps.clock.sleep(reconnectMs, signal).catch(() => {});
  }
}

export async function comparePeriodically(deps: Deps, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await compareAll(deps).catch((error: unknown) => {
      if (!signal.aborted)
        deps.logger.warn({ err: error }, 'the engine could not be compared with the database');
    });
    await deps.clock.sleep(deps.settings.compareSeconds * 1000, signal).catch(() => {});
  }
}

/** Jobs that run by the database and not on the engine, and the other way about. */
export async function compareAll(deps: Deps): Promise<void> {
  const [{ containers, ...others }, running] = await Promise.all([
    deps.runtime.inventory(deps.installation.id),
    listJobsToCompare(deps.store.db),
  ]);
  const there = new Map(containers.map((container) => [container.name, container]));
  const differing = running.filter((job) => differs(job, there.get(containerName(job.id))));
  const known = new Set(running.map((job) => containerName(job.id)));
  const strays = containers.filter(
    (container) =>
      !known.has(container.name) && container.name === containerName(container.labels[labels.job] ?? ''),
  );
  const strayJobs = strays.map((container) => container.labels[labels.job] ?? '');
  await settle(deps, differing, strayJobs);
  await removeStrays(deps, { ...others, containers: strays });
}

function differs({ address }: Compared, seen: ContainerView | undefined): boolean {
  const moved = seen?.address !== undefined && seen.address !== address;
  return seen?.state !== 'RUNNING' || moved;
}

async function compare(deps: Deps, jobIds: readonly string[]): Promise<void> {
  const jobs = (await listJobsToCompare(deps.store.db)).filter((job) => jobIds.includes(job.id));
  await settle(deps, jobs, []);
}

type Compared = Pick<JobRow, 'id' | 'serviceId' | 'address'>;

/** Services with a difference become due. A container left by an ended job of ours is to be cleaned away again. */
async function settle(
  deps: Deps,
  differing: readonly Compared[],
  strayJobs: readonly string[],
): Promise<void> {
  if (differing.length === 0 && strayJobs.length === 0) return;
  await change(deps, async (current) => {
    const unclean = (await markUnclean(current.tx, strayJobs)).filter((job) => hasEnded(job.state));
    const services = new Set([...differing, ...unclean].map((job) => job.serviceId));
    await markDue(current.tx, [...services]);
    current.nudge('due');
  });
}
