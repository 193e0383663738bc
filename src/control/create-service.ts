// Making a service. Databases and caches are deployed by their creation; a code service waits for its first push.
import { Conflict, InvalidInput, LimitReached } from '../errors.ts';
import { newId } from '../ids.ts';
import type { Caller } from '../model/callers.ts';
import { volumeName } from '../model/jobs.ts';
import { checkLabel, checkRange } from '../model/rules.ts';
import { chooseEngine, type ServiceType } from '../model/service-types/index.ts';
import {
  chooseSize,
  maximumScale,
  maximumWorkerLimit,
  type SizeInput,
  standardSize,
  standardStorageGiB,
} from '../model/sizes.ts';
import type { Change } from '../postgres/change.ts';
import type { EnvironmentRow } from '../postgres/environments.ts';
import { requestRedeploy, wantedSpec } from '../postgres/request-redeploy.ts';
import { insertService, insertVolume, listServicesOf, type ServicePatch } from '../postgres/services.ts';
import { makeCredentials, refreshAutomaticVariables } from './automatic-variables.ts';
import { type Control, type Mutated, mutate } from './control.ts';
import { environmentFor } from './places.ts';
import { checkVariables, saveUserVariables, type VariableInput } from './variables.ts';

export interface ServiceInput {
  readonly type: ServiceType;
  readonly label: string;
  readonly runtime?: string | null | undefined;
  readonly version?: string | null | undefined;
  readonly size?: SizeInput | null | undefined;
  readonly scale?: number | null | undefined;
  readonly workerLimit?: number | null | undefined;
  readonly storage?: boolean | null | undefined;
  readonly variables?: readonly VariableInput[] | null | undefined;
}

export type CreateServiceInput = ServiceInput & {
  readonly environmentId: string;
  readonly idempotencyKey?: string | null | undefined;
};

/** `redeployId` is there for what its creation deploys. */
export type ServiceIds = { serviceId: string; redeployId: string } | { serviceId: string };

const maximumServices = 100;

export function createService(
  control: Control,
  caller: Caller,
  input: CreateServiceInput,
): Promise<Mutated<ServiceIds>> {
  return mutate<ServiceIds>(control, caller, { name: 'createService', input }, async (change) => {
    const environment = await environmentFor(change, caller, 'DEPLOY', input.environmentId);
    const ids = await addService(control, caller, change, environment, input, ['input']);
    return { ids, environmentId: environment.id };
  });
}

/** The same within a transaction that may do more; the environment's row is locked or new. */
export async function addService(
  control: Control,
  caller: Caller,
  change: Change,
  environment: EnvironmentRow,
  input: ServiceInput,
  path: string[],
): Promise<ServiceIds> {
  const { tx } = change;
  const label = checkLabel(input.label, [...path, 'label']);
  const variables = checkVariables(input.variables ?? [], [...path, 'variables']);
  const siblings = await listServicesOf(tx, environment.id);
  if (siblings.length >= maximumServices)
    throw new LimitReached(
      'The environment has as many services as it may have.',
      path,
      maximumServices,
      siblings.length,
    );
  const rival = siblings.find((each) => each.label === label || each.dnsName === label);
  if (rival !== undefined)
    throw new Conflict(
      `The label ${label} is taken by another service of this environment.`,
      [...path, 'label'],
      {
        type: 'Service',
        id: rival.id,
      },
    );
  const id = newId();
  const home = { organizationId: environment.organizationId, environmentId: environment.id, serviceId: id };
  const row = { id, environmentId: environment.id, type: input.type, label, dnsName: label };
  const service = await insertService(tx, { ...row, ...shapeOf(input, path) });
  if (service.hasVolume) await insertVolume(tx, volumeName(id), id);
  if (service.runtime !== null) await makeCredentials(control, change, home, service);
  await refreshAutomaticVariables(control, change, environment);
  await saveUserVariables(control, change, home, variables, caller.tokenName, path);
  change.emit({
    environmentId: environment.id,
    serviceId: id,
    type: 'SERVICE_CREATED',
    data: { label, type: input.type },
    message: `${caller.tokenName} created the service ${label}.`,
  });
  const subject = { environmentId: environment.id, subjectType: 'Service', subjectId: id };
  change.audit({ caller, action: 'createService', ...subject });
  if (input.type === 'CODE') return { serviceId: id };
  const spec = await wantedSpec(tx, service);
  if (spec === undefined) throw new Error(`no spec for the new service ${label}`);
  const redeploy = await requestRedeploy(change, { service }, spec, {
    reason: 'CREATION',
    note: null,
    requestedBy: caller.tokenName,
    deadlineSeconds: control.settings.deadlineSeconds,
  });
  return { serviceId: id, redeployId: redeploy.id };
}

/** What the type allows of what was asked for. */
function shapeOf(input: ServiceInput, path: readonly string[]): ServicePatch & Pick<Shape, 'size' | 'scale'> {
  const { type } = input;
  const scale = input.scale ?? 1;
  checkRange(scale, 0, maximumScale, [...path, 'scale'], 'jobs');
  if (type === 'CODE') {
    for (const field of ['runtime', 'version'] as const)
      if (input[field] != null) throw new InvalidInput([...path, field], 'is for databases and caches only.');
    const workerLimit = checkRange(
      input.workerLimit ?? 0,
      0,
      maximumWorkerLimit,
      [...path, 'workerLimit'],
      'jobs',
    );
    return { size: chooseSize(input.size ?? {}, standardSize, 0, path), scale, workerLimit };
  }
  if (input.workerLimit != null && input.workerLimit !== 0)
    throw new InvalidInput([...path, 'workerLimit'], 'is for code services only.');
  const { kind, version } = chooseEngine(type, input.runtime, input.version, path);
  if (type === 'DATABASE' && scale > 1)
    throw new InvalidInput([...path, 'scale'], 'must be 0 or 1 for a database: one writer for each volume.');
  const hasVolume = kind.dataPath !== null && (input.storage ?? true);
  const base = { ...standardSize, storageGiB: hasVolume ? standardStorageGiB : null };
  const size = chooseSize(input.size ?? {}, base, kind.minimumMemoryMiB, path);
  return { runtime: kind.runtime, version, size, scale, hasVolume };
}

interface Shape {
  readonly size: NonNullable<ServicePatch['size']>;
  readonly scale: number;
}
