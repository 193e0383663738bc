// Incidents that people take care of, and maintenance that they plan.
import { Conflict, InvalidInput, NotFound } from '../errors.ts';
import { newId } from '../ids.ts';
import type { Caller } from '../model/callers.ts';
import { checkNote } from '../model/rules.ts';
import type { Change } from '../postgres/change.ts';
import {
  acknowledge,
  endMaintenanceWindow as endWindow,
  insertMaintenanceWindow,
  listIncidentsById,
  listMaintenanceWindowsById,
  type MaintenanceWindowRow,
} from '../postgres/incidents.ts';
import { readClock } from '../postgres/open.ts';
import { listServicesById } from '../postgres/services.ts';
import { type Control, type Mutated, mutate } from './control.ts';
import { environmentFor } from './places.ts';

export function acknowledgeIncident(
  control: Control,
  caller: Caller,
  input: { readonly incidentId: string; readonly note?: string | null | undefined },
): Promise<Mutated<{ incidentId: string }>> {
  return mutate(control, caller, { name: 'acknowledgeIncident', input: {} }, async (change) => {
    const path = ['input', 'incidentId'];
    const [found] = await listIncidentsById(change.tx, [input.incidentId]);
    if (found === undefined) throw new NotFound('incident', path);
    const { environmentId, serviceId, checkId, id: incidentId } = found;
    await environmentFor(change, caller, 'DEPLOY', environmentId, path, 'incident');
    const note = checkNote(input.note, ['input', 'note']);
    const incident = await acknowledge(change.tx, incidentId, { acknowledgedBy: caller.tokenName, note });
    if (incident === undefined)
      throw new Conflict('The incident is not open any more, or somebody takes care of it already.', path, {
        type: 'Incident',
        id: incidentId,
      });
    change.emit({
      environmentId,
      serviceId,
      type: 'INCIDENT_ACKNOWLEDGED',
      data: { incidentId, checkId },
      message: `${caller.tokenName} takes care of an incident.${note === null ? '' : ` ${note}`}`,
    });
    const subject = { environmentId, subjectType: 'Incident', subjectId: incidentId };
    change.audit({ caller, action: 'acknowledgeIncident', ...subject });
    return { ids: { incidentId }, environmentId };
  });
}

const longestDays = 30;

export interface PlanMaintenanceInput {
  readonly environmentId: string;
  readonly serviceId?: string | null | undefined;
  readonly startsAt: Date;
  readonly endsAt: Date;
  readonly note?: string | null | undefined;
  readonly idempotencyKey?: string | null | undefined;
}

export type WindowIds = { windowId: string };

export function planMaintenance(
  control: Control,
  caller: Caller,
  input: PlanMaintenanceInput,
): Promise<Mutated<WindowIds>> {
  return mutate(control, caller, { name: 'planMaintenance', input }, async (change) => {
    const { id: environmentId } = await environmentFor(change, caller, 'DEPLOY', input.environmentId);
    const serviceId = input.serviceId ?? null;
    if (serviceId !== null) await livingService(change, environmentId, serviceId);
    const { startsAt, endsAt } = input;
    const lasting = endsAt.getTime() - startsAt.getTime();
    if (lasting <= 0) throw new InvalidInput(['input', 'endsAt'], 'must be after startsAt.');
    if (lasting > longestDays * 86_400_000)
      throw new InvalidInput(['input', 'endsAt'], `must be at most ${longestDays} days after startsAt.`);
    if (endsAt <= (await readClock(change.tx)))
      throw new InvalidInput(['input', 'endsAt'], 'must be in the future.');
    const note = checkNote(input.note, ['input', 'note']);
    const row = {
      id: newId(),
      environmentId,
      serviceId,
      startsAt,
      endsAt,
      note,
      createdBy: caller.tokenName,
    };
    const window = await insertMaintenanceWindow(change.tx, row);
    const span = `${startsAt.toISOString()} to ${endsAt.toISOString()}`;
    tell(
      change,
      caller,
      window,
      'MAINTENANCE_PLANNED',
      `planned maintenance from ${span}.`,
      'planMaintenance',
    );
    return { ids: { windowId: window.id }, environmentId };
  });
}

/** At once; one that hasn't begun never does. */
export function endMaintenance(
  control: Control,
  caller: Caller,
  input: { readonly windowId: string },
): Promise<Mutated<WindowIds>> {
  return mutate(control, caller, { name: 'endMaintenance', input: {} }, async (change) => {
    const path = ['input', 'windowId'];
    const [window] = await listMaintenanceWindowsById(change.tx, [input.windowId]);
    if (window === undefined) throw new NotFound('maintenanceWindow', path);
    const { environmentId, id: windowId } = window;
    await environmentFor(change, caller, 'DEPLOY', environmentId, path, 'maintenanceWindow');
    if (window.endsAt <= (await readClock(change.tx))) throw new Conflict('It is over already.', path);
    await endWindow(change.tx, windowId);
    tell(change, caller, window, 'MAINTENANCE_ENDED', 'ended a maintenance window.', 'endMaintenance');
    return { ids: { windowId }, environmentId };
  });
}

async function livingService({ tx }: Change, environmentId: string, id: string): Promise<void> {
  const [service] = await listServicesById(tx, [id]);
  if (service === undefined || service.environmentId !== environmentId || service.deletedAt !== null)
    throw new NotFound('service', ['input', 'serviceId']);
}

function tell(
  change: Change,
  caller: Caller,
  { environmentId, serviceId, id: windowId }: MaintenanceWindowRow,
  type: 'MAINTENANCE_PLANNED' | 'MAINTENANCE_ENDED',
  what: string,
  action: string,
): void {
  change.emit({ environmentId, serviceId, type, data: { windowId }, message: `${caller.tokenName} ${what}` });
  change.audit({ caller, action, environmentId, subjectType: 'MaintenanceWindow', subjectId: windowId });
}
