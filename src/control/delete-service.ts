// Stopping and deleting services. A deleted database's volume waits before it is removed.
import { Conflict, InvalidInput, NotRedeployable } from '../errors.ts';
import { type Caller, may } from '../model/callers.ts';
import { includedTypes, operatedTypes } from '../model/service-types/index.ts';
import type { Change } from '../postgres/change.ts';
import { endOpenRedeploy } from '../postgres/redeploys.ts';
import { retireVolumes, type ServiceRow, updateService } from '../postgres/services.ts';
import { removeSitesOfService } from '../postgres/sites.ts';
import { refreshAutomaticVariables } from './automatic-variables.ts';
import { removeChecks } from './built-in-checks.ts';
import { type Control, type Mutated, mutate } from './control.ts';
import { serviceFor, serviceWithEnvironmentFor } from './places.ts';

export interface StopServiceInput {
  readonly serviceId: string;
}

type ServiceIds = { serviceId: string };

/** Its jobs are stopped until the next redeploy. An open redeploy is canceled by it. */
export function stopService(
  control: Control,
  caller: Caller,
  input: StopServiceInput,
): Promise<Mutated<ServiceIds>> {
  return mutate(control, caller, { name: 'stopService', input: {} }, async (change) => {
    const { service } = await serviceFor(change, caller, 'DEPLOY', input.serviceId);
    refuseUnlessRedeployable(service, caller);
    await cancelOpen(change, service);
    await updateService(change.tx, service.id, { stopped: true }, true);
    tell(change, service, 'SERVICE_STOPPED', `${caller.tokenName} stopped ${service.label}.`);
    audit(change, caller, service, 'stopService');
    return { ids: { serviceId: service.id }, environmentId: service.environmentId };
  });
}

export interface DeleteServiceInput {
  readonly serviceId: string;
  readonly confirm: string;
}

/** `confirm` is the service's label. */
export function deleteService(
  control: Control,
  caller: Caller,
  input: DeleteServiceInput,
): Promise<Mutated<ServiceIds>> {
  return mutate(control, caller, { name: 'deleteService', input: {} }, async (change) => {
    const { service, environment } = await serviceWithEnvironmentFor(
      change,
      caller,
      'MANAGE_ENVIRONMENTS',
      input.serviceId,
    );
    if (includedTypes.includes(service.type))
      throw new Conflict(`Every environment includes its ${service.label}; it goes with the environment.`, [
        'input',
        'serviceId',
      ]);
    refuseUnlessRedeployable(service, caller);
    if (input.confirm !== service.label)
      throw new InvalidInput(['input', 'confirm'], `must be the service's label, ${service.label}.`);
    await markServiceDeleting(control, caller, change, service);
    audit(change, caller, service, 'deleteService');
    for (const site of await removeSitesOfService(change.tx, service.id))
      change.emit({
        environmentId: service.environmentId,
        serviceId: service.id,
        type: 'SITE_DELETED',
        data: { host: site.host },
        message: `The site ${site.host} goes with ${service.label}.`,
      });
    await refreshAutomaticVariables(control, change, environment);
    return { ids: { serviceId: service.id }, environmentId: service.environmentId };
  });
}

export async function markServiceDeleting(
  control: Control,
  caller: Caller,
  change: Change,
  service: ServiceRow,
): Promise<void> {
  await cancelOpen(change, service);
  await updateService(change.tx, service.id, { deletionRequestedAt: new Date() }, true);
  await removeChecks(change, service.id);
  await retireVolumes(change.tx, service.id, control.settings.volumeRetentionSeconds);
  const sentence = `${caller.tokenName} asked to delete ${service.label}.`;
  tell(change, service, 'SERVICE_DELETION_REQUESTED', sentence);
}

/** What the platform operates itself, or a customization that it can't make again and that would be lost. */
export function refuseUnlessRedeployable(service: ServiceRow, caller: Caller): void {
  refuseOperated(service, caller);
  refuseCustomized(service, caller);
}

export function refuseCustomized(service: ServiceRow, caller: Caller): void {
  if (service.redeployable || may(caller, 'OPERATE')) return;
  throw new NotRedeployable(
    service.id,
    `${service.label} carries a customization that only the support side can keep. Open a support ticket of kind REDEPLOY.`,
  );
}

/** What the platform runs for itself. */
export function refuseOperated(service: ServiceRow, caller: Caller): void {
  if (operatedTypes.includes(service.type) && !may(caller, 'OPERATE'))
    throw new NotRedeployable(
      service.id,
      `${service.label} is operated by the platform; only the support side redeploys, stops or changes it. Open a support ticket of kind REDEPLOY if it needs one.`,
    );
}

function cancelOpen(change: Change, { id, label }: ServiceRow): Promise<void> {
  const message = `The redeploy of ${label} was canceled because the service is being stopped.`;
  return endOpenRedeploy(change, id, 'CANCELED', message);
}

function tell(
  change: Change,
  { environmentId, id: serviceId }: ServiceRow,
  type: 'SERVICE_STOPPED' | 'SERVICE_DELETION_REQUESTED',
  message: string,
): void {
  change.emit({ environmentId, serviceId, type, data: {}, message });
  change.nudge('due');
}

function audit(change: Change, caller: Caller, service: ServiceRow, action: string): void {
  const { environmentId, id, label } = service;
  change.audit({ caller, action, environmentId, subjectType: 'Service', subjectId: id, before: label });
}
