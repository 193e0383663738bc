// Environments: made with their services in one transaction, renamed, and deleted by confirmation of the namespace.
import { Conflict, InvalidInput } from '../errors.ts';
import { newId } from '../ids.ts';
import { authorise, type Caller } from '../model/callers.ts';
import { checkLabel, checkName, namespaceFrom } from '../model/rules.ts';
import { removeCertificatesOfEnvironment } from '../postgres/certificates.ts';
import { type Change, createEventStream } from '../postgres/change.ts';
import { createResultStream } from '../postgres/checks.ts';
import {
  type EnvironmentRow,
  insertEnvironment,
  markEnvironmentDeleting,
  updateEnvironment,
} from '../postgres/environments.ts';
import { listServicesOf, lockService } from '../postgres/services.ts';
import { removeSitesOfEnvironment } from '../postgres/sites.ts';
import { type Control, type Mutated, mutate } from './control.ts';
import { addServices, type ServiceInput } from './create-service.ts';
import { markServiceDeleting, refuseCustomized } from './delete-service.ts';
import { includeServices, refuseIncludedLabel } from './included.ts';
import { checkRevision, environmentFor } from './places.ts';

export interface CreateEnvironmentInput {
  readonly name: string;
  readonly namespace?: string | null | undefined;
  readonly kind: 'SANDBOX' | 'PRODUCTION';
  readonly services?: readonly ServiceInput[] | null | undefined;
  readonly idempotencyKey?: string | null | undefined;
}

export type EnvironmentIds = { environmentId: string };

export function createEnvironment(
  control: Control,
  caller: Caller,
  input: CreateEnvironmentInput,
): Promise<Mutated<EnvironmentIds>> {
  const { organizationId } = control.installation;
  return mutate(control, caller, { name: 'createEnvironment', input }, async (change) => {
    // A token bound to one environment sees no place where another could be made.
    authorise(caller, 'MANAGE_ENVIRONMENTS', { organizationId, environmentId: null }, 'organization', []);
    const name = checkName(input.name, ['input', 'name']);
    const environment = await insertUnderFreeNamespace(control, change, input, name);
    const { id: environmentId } = environment;
    await createEventStream(change.tx, environmentId, newId().slice(-12));
    await createResultStream(change.tx, environmentId, newId().slice(-12));
    change.emit({
      environmentId,
      type: 'ENVIRONMENT_CREATED',
      data: { name },
      message: `${caller.tokenName} created the environment ${name}.`,
    });
    change.audit({
      caller,
      action: 'createEnvironment',
      environmentId,
      subjectType: 'Environment',
      subjectId: environmentId,
      after: [name, ...(input.services ?? []).map(({ label }) => label)].join(' '),
    });
    const wanted = (input.services ?? []).map((service, index) => ({
      input: service,
      path: ['input', 'services', String(index)],
    }));
    for (const { input: service, path } of wanted)
      refuseIncludedLabel(control, input.kind, service.label, path);
    await addServices(control, caller, change, environment, wanted);
    await includeServices(control, caller, change, environment);
    return { ids: { environmentId }, environmentId };
  });
}

async function insertUnderFreeNamespace(
  control: Control,
  change: Change,
  input: CreateEnvironmentInput,
  name: string,
): Promise<EnvironmentRow> {
  const { organizationId, podId } = control.installation;
  const asked = input.namespace ?? undefined;
  if (asked !== undefined) checkLabel(asked, ['input', 'namespace']);
  const base = asked ?? (namespaceFrom(name) || 'env');
  const row = (namespace: string) => ({
    id: newId(),
    organizationId,
    podId,
    name,
    namespace,
    kind: input.kind,
  });
  const made = await insertEnvironment(change.tx, row(base));
  if (made !== undefined) return made;
  if (asked !== undefined)
    throw new Conflict(`The namespace ${asked} is taken. Choose another.`, ['input', 'namespace']);
  const suffixed = await insertEnvironment(change.tx, row(`${base}-${newId().slice(-6)}`));
  if (suffixed === undefined)
    throw new Conflict('No free namespace was found. Give one.', ['input', 'namespace']);
  return suffixed;
}

export interface RenameEnvironmentInput {
  readonly environmentId: string;
  readonly name: string;
  readonly expectedRevision?: number | null | undefined;
}

export function renameEnvironment(
  control: Control,
  caller: Caller,
  input: RenameEnvironmentInput,
): Promise<Mutated<EnvironmentIds>> {
  const { environmentId } = input;
  return mutate(control, caller, { name: 'renameEnvironment', input: {} }, async (change) => {
    const before = await environmentFor(change, caller, 'MANAGE_ENVIRONMENTS', environmentId);
    checkRevision(input.expectedRevision, before.revision);
    const name = checkName(input.name, ['input', 'name']);
    await updateEnvironment(change.tx, environmentId, { name });
    change.emit({
      environmentId,
      type: 'ENVIRONMENT_RENAMED',
      data: { name },
      message: `${caller.tokenName} renamed the environment ${before.name} to ${name}.`,
    });
    const subject = { subjectType: 'Environment', subjectId: environmentId };
    change.audit({
      caller,
      action: 'renameEnvironment',
      environmentId,
      ...subject,
      before: before.name,
      after: name,
    });
    return { ids: { environmentId }, environmentId };
  });
}

export interface DeleteEnvironmentInput {
  readonly environmentId: string;
  readonly confirm: string;
}

export function deleteEnvironment(
  control: Control,
  caller: Caller,
  input: DeleteEnvironmentInput,
): Promise<Mutated<EnvironmentIds>> {
  const { environmentId } = input;
  return mutate(control, caller, { name: 'deleteEnvironment', input: {} }, async (change) => {
    const environment = await environmentFor(change, caller, 'MANAGE_ENVIRONMENTS', environmentId);
    if (input.confirm !== environment.namespace)
      throw new InvalidInput(
        ['input', 'confirm'],
        `must be the environment's namespace, ${environment.namespace}.`,
      );
    await markEnvironmentDeleting(change.tx, environmentId);
    await removeSitesOfEnvironment(change.tx, environmentId);
    await removeCertificatesOfEnvironment(change.tx, environmentId);
    change.emit({
      environmentId,
      type: 'ENVIRONMENT_DELETION_REQUESTED',
      data: {},
      message: `${caller.tokenName} asked to delete the environment ${environment.name}.`,
    });
    for (const service of await listServicesOf(change.tx, environmentId))
      if (service.deletionRequestedAt === null) {
        // Locked first: a redeploy that is being asked for at this moment is seen and ended.
        const placed = await lockService(change.tx, service.id);
        if (placed === undefined) continue;
        refuseCustomized(placed.service, caller);
        await markServiceDeleting(control, caller, change, placed.service);
      }
    change.nudge('deletions');
    const subject = { subjectType: 'Environment', subjectId: environmentId };
    change.audit({ caller, action: 'deleteEnvironment', environmentId, ...subject });
    return { ids: { environmentId }, environmentId };
  });
}
