// Making a service. Databases and caches are deployed by their creation; a code service waits for its first push.
import { Conflict, InvalidInput, LimitReached } from '../errors.ts';
import { newId } from '../ids.ts';
import type { Caller } from '../model/callers.ts';
import { volumeName } from '../model/jobs.ts';
import { checkLabel, checkRange } from '../model/rules.ts';
import { chooseEngine, findEngineKind, type ServiceType } from '../model/service-types/index.ts';
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
import {
  insertService,
  insertVolume,
  listServicesOf,
  type ServicePatch,
  type ServiceRow,
} from '../postgres/services.ts';
import type { VariableHome } from '../postgres/variables.ts';
import { makeCredentials, refreshAutomaticVariables } from './automatic-variables.ts';
import { insertBuiltInChecks } from './built-in-checks.ts';
import { type Control, type Mutated, mutate } from './control.ts';
import { routeFirstService } from './included.ts';
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
    const [ids] = await addServices(control, caller, change, environment, [{ input, path: ['input'] }]);
    if (ids === undefined) throw new Error('no service was made');
    if (input.type === 'CODE') await routeFirstService(control, caller, change, environment, ids.serviceId);
    const subject = { environmentId: environment.id, subjectType: 'Service', subjectId: ids.serviceId };
    change.audit({ caller, action: 'createService', ...subject, after: input.label });
    return { ids, environmentId: environment.id };
  });
}

export interface Wanted {
  readonly input: ServiceInput;
  readonly path: string[];
}

/** Several at once, all or none; the environment's row is locked or new. Automatic variables are settled once for all. */
export async function addServices(
  control: Control,
  caller: Caller,
  change: Change,
  environment: EnvironmentRow,
  wanted: readonly Wanted[],
): Promise<ServiceIds[]> {
  const siblings = await listServicesOf(change.tx, environment.id);
  const made: ServiceRow[] = [];
  for (const each of wanted)
    made.push(await insertOne(control, change, environment, [...siblings, ...made], each));
  await refreshAutomaticVariables(control, change, environment);
  const ids: ServiceIds[] = [];
  for (const [index, service] of made.entries()) {
    const { input, path } = wanted[index] as Wanted;
    ids.push(await announce(control, caller, change, environment, service, input, path));
  }
  return ids;
}

async function insertOne(
  control: Control,
  change: Change,
  environment: EnvironmentRow,
  present: readonly ServiceRow[],
  { input, path }: Wanted,
): Promise<ServiceRow> {
  const label = checkLabel(input.label, [...path, 'label']);
  checkVariables(input.variables ?? [], [...path, 'variables']);
  if (present.length >= maximumServices) {
    const sentence = 'The environment has as many services as it may have.';
    throw new LimitReached(sentence, path, maximumServices, present.length);
  }
  const rival = present.find((each) => each.label === label || each.dnsName === label);
  if (rival !== undefined) {
    const inTheWay = { type: 'Service', id: rival.id };
    const sentence = `The label ${label} is taken by another service of this environment.`;
    throw new Conflict(sentence, [...path, 'label'], inTheWay);
  }
  const id = newId();
  const row = { id, environmentId: environment.id, type: input.type, label, dnsName: label };
  const service = await insertService(change.tx, { ...row, ...shapeOf(input, path) });
  if (service.hasVolume) await insertVolume(change.tx, volumeName(id), id);
  if (findEngineKind(service.runtime) !== undefined)
    await makeCredentials(control, change, homeOf(environment, id), service);
  await insertBuiltInChecks(change, environment, service);
  return service;
}

async function announce(
  control: Control,
  caller: Caller,
  change: Change,
  environment: EnvironmentRow,
  service: ServiceRow,
  input: ServiceInput,
  path: string[],
): Promise<ServiceIds> {
  const { tx } = change;
  const { id: serviceId, label, type } = service;
  const home = homeOf(environment, serviceId);
  await saveUserVariables(control, change, home, input.variables ?? [], caller.tokenName, path);
  change.emit({
    environmentId: environment.id,
    serviceId,
    type: 'SERVICE_CREATED',
    data: { label, type },
    message: `${caller.tokenName} created the service ${label}.`,
  });
  if (type === 'CODE') return { serviceId };
  const spec = await wantedSpec(tx, service);
  if (spec === undefined) throw new Error(`no spec for the new service ${label}`);
  const redeploy = await requestRedeploy(change, { service }, spec, {
    reason: 'CREATION',
    note: null,
    requestedBy: caller.tokenName,
    deadlineSeconds: control.settings.deadlineSeconds,
  });
  return { serviceId, redeployId: redeploy.id };
}

function homeOf(environment: EnvironmentRow, serviceId: string): VariableHome {
  return { organizationId: environment.organizationId, environmentId: environment.id, serviceId };
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
  if (type === 'SERVICE_PROXY' || type === 'MONITORING')
    throw new InvalidInput([...path, 'type'], `must not be ${type}: environments include theirs.`);
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
