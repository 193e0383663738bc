// Finding what an action is about, with the caller's right to it checked and, for changes, its row locked.
import { Conflict, NotFound, Stale } from '../errors.ts';
import { type Action, authorise, type Caller } from '../model/callers.ts';
import type { Change } from '../postgres/change.ts';
import { type EnvironmentRow, lockEnvironment } from '../postgres/environments.ts';
import { listServicesById, lockService, type PlacedService } from '../postgres/services.ts';

export async function environmentFor(
  { tx }: Change,
  caller: Caller,
  action: Action,
  id: string,
  path: string[] = ['input', 'environmentId'],
  what = 'environment',
): Promise<EnvironmentRow> {
  const row = await lockEnvironment(tx, id);
  if (row === undefined) throw new NotFound(what, path);
  authorise(caller, action, { organizationId: row.organizationId, environmentId: row.id }, what, path);
  if (row.deletionRequestedAt !== null)
    throw new Conflict(`The environment ${row.name} is being deleted.`, path, { type: 'Environment', id });
  return row;
}

/** A living service that isn't being deleted, locked. `what` is what the caller has named, if something of the service. */
export async function serviceFor(
  { tx }: Change,
  caller: Caller,
  action: Action,
  id: string,
  path: string[] = ['input', 'serviceId'],
  what = 'service',
): Promise<PlacedService> {
  const placed = await lockService(tx, id);
  if (placed === undefined) throw new NotFound(what, path);
  const place = { organizationId: placed.organizationId, environmentId: placed.service.environmentId };
  authorise(caller, action, place, what, path);
  if (placed.service.deletionRequestedAt !== null)
    throw new Conflict(`The service ${placed.service.label} is being deleted.`, path, {
      type: 'Service',
      id,
    });
  return placed;
}

/**
 * For what touches siblings too: the environment is locked before the service, as everywhere, so that no two mutations
 * wait for each other.
 */
export async function serviceWithEnvironmentFor(
  change: Change,
  caller: Caller,
  action: Action,
  id: string,
): Promise<PlacedService & { readonly environment: EnvironmentRow }> {
  const path = ['input', 'serviceId'];
  const [found] = await listServicesById(change.tx, [id]);
  const environment = found && (await lockEnvironment(change.tx, found.environmentId));
  if (environment === undefined) throw new NotFound('service', path);
  const placed = await serviceFor(change, caller, action, id, path);
  return { ...placed, environment };
}

export function checkRevision(expected: number | null | undefined, revision: number): void {
  if (expected === null || expected === undefined || expected === revision) return;
  throw new Stale(`It has changed: its revision is ${revision} now. Read it again and decide anew.`, [
    'input',
    'expectedRevision',
  ]);
}
