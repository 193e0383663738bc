// The end of a deleted service whose jobs are gone: its code, releases' images and secrets go; its volume waits.

import { releaseTag } from '../model/jobs.ts';
import { listReleasesBeyond } from '../postgres/redeploys.ts';
import { updateService } from '../postgres/services.ts';
import { deleteSecretsOf } from '../postgres/variables.ts';
import { type Hold, perform } from './deps.ts';
import type { Situation } from './situation.ts';

export function clearAway(hold: Hold, { service }: Situation): Promise<void> {
  const { deps } = hold;
  const { environmentId, id: serviceId, label } = service;
  const effect = async () => {
    await deps.forgetService(serviceId);
    for (const release of await listReleasesBeyond(deps.store.db, serviceId, 0))
      await deps.runtime.removeImage(releaseTag(serviceId, release.commit));
  };
  return perform(hold, 'CLEAR_AWAY', effect, async (change) => {
    await deleteSecretsOf(change.tx, serviceId);
    await updateService(change.tx, serviceId, { deletedAt: new Date(), credentialsId: null });
    const message = `The service ${label} is deleted.`;
    change.emit({ environmentId, serviceId, type: 'SERVICE_DELETED', data: {}, message });
    change.nudge('due');
  });
}
