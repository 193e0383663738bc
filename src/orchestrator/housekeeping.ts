// What has to be done now and then and belongs to no service: environments whose services are gone, volumes whose waiting
// time is over, history past its retention, replicas that died, and what they left to be answered.

import { eventRetention } from '../model/events.ts';
import { networkName } from '../model/jobs.ts';
import { resultRetention } from '../model/monitoring/results.ts';
import { pruneChallenges } from '../postgres/certificates.ts';
import { change } from '../postgres/change.ts';
import { type EnvironmentRow, listEmptyDeleting, markEnvironmentDeleted } from '../postgres/environments.ts';
import { pruneEvents } from '../postgres/event-log.ts';
import { pruneKeys } from '../postgres/idempotency.ts';
import { pruneReplicas } from '../postgres/replicas.ts';
import { pruneResults } from '../postgres/result-log.ts';
import { listVolumesDue, markVolumeRemoved } from '../postgres/services.ts';
import { pruneWebhooks } from '../postgres/webhook-work.ts';
import type { Deps } from './deps.ts';

export async function finishDeletions(deps: Deps): Promise<void> {
  for (const environment of await listEmptyDeleting(deps.store.db))
    await alone(deps, environment.id, () => finishDeletion(deps, environment));
  for (const name of await listVolumesDue(deps.store.db))
    await alone(deps, name, async () => {
      await deps.runtime.removeVolume(name, deps.installation.id);
      await markVolumeRemoved(deps.store.db, name);
    });
}

/** What can't be removed now holds up nothing else; it is tried again. */
async function alone(deps: Deps, subject: string, work: () => Promise<void>): Promise<void> {
  await work().catch((error: unknown) => {
    deps.logger.warn({ err: error, subject }, 'something deleted could not be removed yet');
  });
}

async function finishDeletion(deps: Deps, environment: EnvironmentRow): Promise<void> {
  const { id: environmentId, name } = environment;
  await deps.runtime.removeNetwork(networkName(environmentId), deps.installation.id);
  await change(deps, async (current) => {
    if (!(await markEnvironmentDeleted(current.tx, environmentId))) return;
    const message = `The environment ${name} is deleted.`;
    current.emit({ environmentId, type: 'ENVIRONMENT_DELETED', data: {}, message });
  });
}

export async function pruneHistory(deps: Deps): Promise<void> {
  await pruneEvents(deps.store, eventRetention.events, eventRetention.days);
  await pruneResults(deps.store, resultRetention.results, resultRetention.days);
  await pruneKeys(deps.store);
  await pruneReplicas(deps.store);
  await pruneChallenges(deps.store);
  await pruneWebhooks(deps.store);
}
