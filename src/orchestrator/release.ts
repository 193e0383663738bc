// What a good build leaves: its job finished, a release, and one redeploy, in one transaction. Then older releases than
// the kept ones go.
import { releaseTag } from '../model/jobs.ts';
import { change } from '../postgres/change.ts';
import type { JobRow } from '../postgres/jobs.ts';
import { deleteReleases, insertRelease, listReleasesBeyond, type ReleaseRow } from '../postgres/redeploys.ts';
import { requestRedeploy, wantedSpec } from '../postgres/request-redeploy.ts';
import { lockService, updateService } from '../postgres/services.ts';
import type { Deps } from './deps.ts';
import { recordMove } from './record-job.ts';

export type BuiltRelease = Pick<
  ReleaseRow,
  'id' | 'commit' | 'subject' | 'imageId' | 'language' | 'commands'
>;

/** False when the service is being deleted: then nothing is written. */
export async function recordRelease(deps: Deps, job: JobRow, built: BuiltRelease): Promise<boolean> {
  const { value: recorded } = await change(deps, async (current) => {
    const placed = await lockService(current.tx, job.serviceId);
    if (placed === undefined || placed.service.deletionRequestedAt !== null) return false;
    const { label, environmentId, redeployable } = placed.service;
    const running: JobRow = { ...job, state: 'RUNNING' };
    const ended = await recordMove(current, label, running, 'FINISHED', {
      exitCode: 0,
      cleaned: true,
      image: built.imageId,
    });
    // Somebody else has ended it: then the release and its redeploy are theirs.
    if (ended === undefined) return true;
    const { id: releaseId, commit } = await insertRelease(current.tx, {
      ...built,
      serviceId: job.serviceId,
      buildJobId: job.id,
    });
    const service = await updateService(current.tx, job.serviceId, { releaseId });
    const at = { environmentId, serviceId: job.serviceId, jobId: job.id };
    const message = `Release ${commit.slice(0, 12)} of ${label} is built: ${built.subject}`;
    current.emit({ ...at, type: 'RELEASE_CREATED', data: { releaseId, commit }, message });
    const spec = await wantedSpec(current.tx, service);
    if (spec === undefined || !redeployable) return true;
    const { deadlineSeconds } = deps.settings;
    const requestedBy = job.requestedBy ?? 'A push';
    await requestRedeploy(current, { service }, spec, {
      reason: 'CODE_PUSH',
      note: null,
      requestedBy,
      deadlineSeconds,
    });
    return true;
  });
  if (recorded) await dropOldReleases(deps, job.serviceId);
  return recorded;
}

/** The newest are kept, and whatever still runs. */
async function dropOldReleases(deps: Deps, serviceId: string): Promise<void> {
  const { db } = deps.store;
  const beyond = await listReleasesBeyond(db, serviceId, deps.settings.keptReleases);
  const dropped = await deleteReleases(db, serviceId, beyond);
  for (const { commit } of dropped)
    await deps.runtime.removeImage(releaseTag(serviceId, commit)).catch((error: unknown) => {
      deps.logger.warn({ err: error, serviceId, commit }, "an old release's image stays on the engine");
    });
}
