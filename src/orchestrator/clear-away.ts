// The end of a deleted service whose jobs are gone: its code, releases' images and secrets go; its volume waits.

import { releaseTag } from '../model/jobs.ts';
import { databaseNow } from '../postgres/open.ts';
import { endOpenRedeploy, listReleasesBeyond } from '../postgres/redeploys.ts';
import { updateService } from '../postgres/services.ts';
import { deleteSecretsOf } from '../postgres/variables.ts';
import { EngineFault, ForeignObject } from '../runtime/runtime.ts';
import { checkName } from './check-proxy.ts';
import { assertHeld, type Hold, type Outcome, perform } from './deps.ts';
import type { Situation } from './situation.ts';

export function clearAway(hold: Hold, { service }: Situation): Promise<Outcome> {
  const { deps } = hold;
  const { environmentId, id: serviceId, label } = service;
  const effect = async () => {
    await deps.forgetService(serviceId);
    await removeCheck(hold, serviceId);
    for (const { commit } of await listReleasesBeyond(deps.store.db, serviceId, 0))
      await removeReleaseImage(hold, commit);
  };
  return perform(hold, 'CLEAR_AWAY', effect, async (change) => {
    // Asked for in the very moment of the deletion: nothing of it was begun.
    const message = `The redeploy of ${label} was canceled because the service is deleted.`;
    await endOpenRedeploy(change, serviceId, 'CANCELED', message);
    await deleteSecretsOf(change.tx, serviceId);
    await updateService(change.tx, serviceId, { deletedAt: databaseNow(), credentialsId: null });
    const gone = { environmentId, serviceId, type: 'SERVICE_DELETED' as const, data: {} };
    change.emit({ ...gone, message: `The service ${label} is deleted.` });
    change.nudge('deletions');
    return undefined;
  });
}

/** A stranger under its name is left alone. */
async function removeCheck(hold: Hold, serviceId: string): Promise<void> {
  const { runtime, installation } = hold.deps;
  try {
    await runtime.removeContainer(checkName(serviceId), installation.id, () => assertHeld(hold));
  } catch (error) {
    if (!(error instanceof ForeignObject)) throw error;
  }
}

/** One that somebody's container still runs stays: the engine refuses, now and at every other try. */
async function removeReleaseImage(hold: Hold, commit: string): Promise<void> {
  const { deps, claim } = hold;
  const { serviceId } = claim;
  assertHeld(hold);
  try {
    await deps.runtime.removeImage(releaseTag(serviceId, commit));
  } catch (error) {
    if (!(error instanceof EngineFault && error.statusCode === 409)) throw error;
    deps.logger.warn({ err: error, serviceId, commit }, "a deleted service's image stays on the engine");
  }
}
