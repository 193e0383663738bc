// Maintenance mode of a code service: its sites answer 503 with a page while its jobs run on. It takes effect at once, by
// the service proxies, without a redeploy.
import { InvalidInput } from '../errors.ts';
import type { Caller } from '../model/callers.ts';
import { listServicesOf, markDue, updateService } from '../postgres/services.ts';
import { type Control, type Mutated, mutate } from './control.ts';
import { serviceWithEnvironmentFor } from './places.ts';

export interface MaintenanceInput {
  readonly serviceId: string;
}

export function enableMaintenance(control: Control, caller: Caller, input: MaintenanceInput) {
  return setMaintenance(control, caller, input, true);
}

export function disableMaintenance(control: Control, caller: Caller, input: MaintenanceInput) {
  return setMaintenance(control, caller, input, false);
}

/** Asking for what is so already changes nothing and is told all the same, so that every caller gets a cursor. */
function setMaintenance(
  control: Control,
  caller: Caller,
  input: MaintenanceInput,
  enabled: boolean,
): Promise<Mutated<{ serviceId: string }>> {
  const action = enabled ? 'enableMaintenance' : 'disableMaintenance';
  return mutate(control, caller, { name: action, input: {} }, async (change) => {
    const { service } = await serviceWithEnvironmentFor(change, caller, 'DEPLOY', input.serviceId);
    if (service.type !== 'CODE')
      throw new InvalidInput(['input', 'serviceId'], 'must be a code service: only those answer HTTP.');
    const { environmentId, id: serviceId, label } = service;
    await updateService(change.tx, serviceId, { maintenance: enabled });
    const siblings = await listServicesOf(change.tx, environmentId);
    await markDue(
      change.tx,
      siblings.filter((each) => each.type === 'SERVICE_PROXY').map((each) => each.id),
    );
    change.emit({
      environmentId,
      serviceId,
      type: 'MAINTENANCE_CHANGED',
      data: { enabled },
      message: `${caller.tokenName} ${enabled ? 'put' : 'took'} ${label} ${enabled ? 'into' : 'out of'} maintenance.`,
    });
    change.audit({ caller, action, environmentId, subjectType: 'Service', subjectId: serviceId });
    change.nudge('due');
    return { ids: { serviceId }, environmentId };
  });
}
