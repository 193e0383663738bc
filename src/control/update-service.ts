// Changing a service's spec. Nothing that runs changes by it: it takes effect with the next redeploy.
import { Conflict, InvalidInput, LimitReached } from '../errors.ts';
import { authoriseAction, type Caller } from '../model/callers.ts';
import { checkHealthCheck, type HealthCheckInput } from '../model/health-check.ts';
import { checkLabel, checkRange } from '../model/rules.ts';
import { findEngineKind } from '../model/service-types/index.ts';
import { chooseSize, maximumScale, maximumWorkerLimit, type SizeInput } from '../model/sizes.ts';
import type { RedeployStrategy } from '../model/spec.ts';
import { overlapSeconds } from '../model/tickets.ts';
import type { Change } from '../postgres/change.ts';
import {
  listServicesOf,
  listWorkers,
  type ServicePatch,
  type ServiceRow,
  updateService as writeService,
} from '../postgres/services.ts';
import { refreshAutomaticVariables } from './automatic-variables.ts';
import { type Control, type Mutated, mutate } from './control.ts';
import { refuseOperated } from './delete-service.ts';
import { checkRevision, serviceWithEnvironmentFor } from './places.ts';

export interface UpdateServiceInput {
  readonly serviceId: string;
  readonly label?: string | null | undefined;
  readonly size?: SizeInput | null | undefined;
  readonly scale?: number | null | undefined;
  readonly workerLimit?: number | null | undefined;
  readonly rollBack?: boolean | null | undefined;
  /** OVERLAP where an operator has set an overlap period; it is used from a scale of 2 on. */
  readonly strategy?: RedeployStrategy | null | undefined;
  /** Null: back to the standard check; absent fields keep their present value. */
  readonly healthCheck?: HealthCheckInput | null | undefined;
  /** Operators only; null: off. */
  readonly overlapSeconds?: number | null | undefined;
  /** Operators only. */
  readonly redeployable?: boolean | null | undefined;
  readonly expectedRevision?: number | null | undefined;
}

export function updateService(
  control: Control,
  caller: Caller,
  input: UpdateServiceInput,
): Promise<Mutated<{ serviceId: string }>> {
  return mutate(control, caller, { name: 'updateService', input: {} }, async (change) => {
    const { service, environment } = await serviceWithEnvironmentFor(
      change,
      caller,
      'DEPLOY',
      input.serviceId,
    );
    checkRevision(input.expectedRevision, service.revision);
    refuseOperated(service, caller);
    if (input.redeployable != null || input.overlapSeconds !== undefined) authoriseAction(caller, 'OPERATE');
    const patch = await patchFrom(change, service, input);
    const fields = Object.keys(patch).sort();
    if (fields.length === 0) throw new InvalidInput(['input'], 'must change at least one field.');
    const { environmentId } = service;
    await writeService(change.tx, service.id, patch);
    if (patch.label !== undefined) await refreshAutomaticVariables(control, change, environment);
    change.emit({
      environmentId,
      serviceId: service.id,
      type: 'SERVICE_UPDATED',
      data: { fields },
      message: `${caller.tokenName} changed ${fields.join(', ')} of ${service.label}.`,
    });
    const subject = { environmentId, subjectType: 'Service', subjectId: service.id };
    change.audit({ caller, action: 'updateService', ...subject, after: fields.join(' ') });
    return { ids: { serviceId: service.id }, environmentId };
  });
}

async function patchFrom(
  change: Change,
  service: ServiceRow,
  input: UpdateServiceInput,
): Promise<ServicePatch> {
  const patch: ServicePatch = {};
  if (input.overlapSeconds !== undefined) patch.overlapSeconds = checkOverlap(service, input.overlapSeconds);
  if (input.label != null && input.label !== service.label)
    patch.label = await freeLabel(change, service, input.label);
  const least = findEngineKind(service.runtime)?.minimumMemoryMiB ?? 0;
  if (input.size != null) patch.size = chooseSize(input.size, service.size, least);
  if (input.scale != null) patch.scale = checkScale(service, input.scale);
  if (input.workerLimit != null)
    patch.workerLimit = await checkWorkerLimit(change, service, input.workerLimit);
  if (input.rollBack != null) patch.rollBack = input.rollBack;
  if (input.strategy != null) patch.strategy = checkStrategy(service, patch, input.strategy);
  if (input.redeployable != null) patch.redeployable = input.redeployable;
  if (input.healthCheck !== undefined) patch.healthCheck = healthCheckOf(service, input.healthCheck);
  return patch;
}

async function freeLabel({ tx }: Change, service: ServiceRow, wanted: string): Promise<string> {
  const label = checkLabel(wanted, ['input', 'label']);
  const others = (await listServicesOf(tx, service.environmentId)).filter((each) => each.id !== service.id);
  const rival = others.find((each) => each.label === label || each.dnsName === label);
  if (rival === undefined) return label;
  throw new Conflict(
    `The label ${label} is taken by another service of this environment.`,
    ['input', 'label'],
    {
      type: 'Service',
      id: rival.id,
    },
  );
}

function healthCheckOf(service: ServiceRow, given: HealthCheckInput | null): ServicePatch['healthCheck'] {
  const path = ['input', 'healthCheck'];
  if (given === null) return null;
  if (service.type !== 'CODE') throw new InvalidInput(path, 'is for code services only.');
  return checkHealthCheck(given, service.healthCheck, path);
}

/** Also what an accepted ticket of kind OVERLAP_PERIOD sets. */
export function checkOverlap(
  service: ServiceRow,
  seconds: number | null,
  path = ['input', 'overlapSeconds'],
): number | null {
  if (seconds === null) return null;
  if (service.type !== 'CODE')
    throw new InvalidInput(path, 'is for code services only: nothing else may run twice at once.');
  return checkRange(seconds, overlapSeconds.minimum, overlapSeconds.maximum, path, 'seconds');
}

/** OVERLAP is what is used wherever it is allowed, so that asking for it takes back that RECREATE was asked for. */
function checkStrategy(
  service: ServiceRow,
  { overlapSeconds = service.overlapSeconds }: ServicePatch,
  strategy: RedeployStrategy,
): RedeployStrategy | null {
  const path = ['input', 'strategy'];
  if (service.type !== 'CODE') throw new InvalidInput(path, 'is for code services only.');
  if (strategy === 'RECREATE') return 'RECREATE';
  if (overlapSeconds === null)
    throw new InvalidInput(
      path,
      'can be OVERLAP once an operator has set an overlap period: open a support ticket of kind OVERLAP_PERIOD.',
    );
  return null;
}

function checkScale(service: ServiceRow, scale: number): number {
  if ((service.type === 'DATABASE' || service.type === 'MONITORING') && scale > 1)
    throw new InvalidInput(['input', 'scale'], 'must be 0 or 1 for a database: one writer for each volume.');
  return checkRange(scale, 0, maximumScale, ['input', 'scale'], 'jobs');
}

async function checkWorkerLimit({ tx }: Change, service: ServiceRow, limit: number): Promise<number> {
  if (service.type !== 'CODE') throw new InvalidInput(['input', 'workerLimit'], 'is for code services only.');
  checkRange(limit, 0, maximumWorkerLimit, ['input', 'workerLimit'], 'jobs');
  const counts = (await listWorkers(tx, [service.id])).get(service.id) ?? {};
  const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
  if (total > limit)
    throw new LimitReached(
      `${total} worker jobs are asked for now. Scale them down first.`,
      ['input', 'workerLimit'],
      limit,
      total,
    );
  return limit;
}
