// The services that every environment is made with, and the site of its own public host name. They are deployed by their
// creation like everything else, seen live by whoever watches the environment.
import { Conflict, LimitReached } from '../errors.ts';
import { newId } from '../ids.ts';
import { type Caller, may } from '../model/callers.ts';
import { edgeSlots } from '../model/edge.ts';
import { volumeName } from '../model/jobs.ts';
import { monitoring } from '../model/service-types/monitoring.ts';
import { serviceProxy } from '../model/service-types/service-proxy.ts';
import { standardLimits } from '../model/sites.ts';
import type { Change } from '../postgres/change.ts';
import { type EnvironmentRow, takeEdgeSlot } from '../postgres/environments.ts';
import { requestRedeploy, wantedSpec } from '../postgres/request-redeploy.ts';
import {
  insertService,
  insertVolume,
  listServicesOf,
  lockService,
  type ServiceRow,
} from '../postgres/services.ts';
import { insertSite } from '../postgres/sites.ts';
import { insertBuiltInChecks } from './built-in-checks.ts';
import type { Control } from './control.ts';

/** Nobody could reach it by its host names. */
const noPlace = `The pod's edge leads to ${edgeSlots} environments at most, and has no free place. Delete one that isn't needed.`;

export async function includeServices(
  control: Control,
  caller: Caller,
  change: Change,
  environment: EnvironmentRow,
): Promise<void> {
  if (control.settings.included.includes('SERVICE_PROXY')) {
    await takePlace(control, change, environment);
    await insertOwnSite(control, change, environment.id, environment.namespace);
    await include(control, caller, change, environment, 'SERVICE_PROXY', 'service proxy');
  }
  if (control.settings.included.includes('MONITORING') && environment.kind !== 'SANDBOX')
    await include(control, caller, change, environment, 'MONITORING', 'monitoring service');
}

const shapes = { SERVICE_PROXY: serviceProxy, MONITORING: monitoring };

async function include(
  control: Control,
  caller: Caller,
  change: Change,
  environment: EnvironmentRow,
  type: keyof typeof shapes,
  what: string,
): Promise<void> {
  const { runtime, version, label, size } = shapes[type];
  const id = newId();
  const hasVolume = type === 'MONITORING';
  const place = { id, environmentId: environment.id, type, label, dnsName: label };
  const service = await insertService(change.tx, { ...place, runtime, version, size, scale: 1, hasVolume });
  if (hasVolume) await insertVolume(change.tx, volumeName(id), id);
  await insertBuiltInChecks(change, environment, service);
  change.emit({
    environmentId: environment.id,
    serviceId: id,
    type: 'SERVICE_CREATED',
    data: { label, type },
    message: `The ${what} of ${environment.name} was created with it.`,
  });
  await deploy(control, caller, change, service);
}

async function takePlace({ settings }: Control, { tx }: Change, environment: EnvironmentRow): Promise<void> {
  const slot = await takeEdgeSlot(tx, environment.podId, environment.id, edgeSlots);
  if (slot === undefined && settings.edge !== undefined)
    throw new LimitReached(noPlace, ['input'], edgeSlots, edgeSlots);
}

/** A service made with its environment may not take the label of one that is included in it. */
export function refuseIncludedLabel(
  { settings }: Control,
  kind: EnvironmentRow['kind'],
  label: string,
  path: readonly string[],
): void {
  for (const [type, shape] of Object.entries(shapes) as [keyof typeof shapes, { label: string }][]) {
    if (label !== shape.label || !settings.included.includes(type)) continue;
    if (type === 'MONITORING' && kind === 'SANDBOX') continue;
    throw new Conflict(`The label ${label} is kept for a service that environments include.`, [
      ...path,
      'label',
    ]);
  }
}

async function insertOwnSite(
  { settings }: Control,
  { tx }: Change,
  environmentId: string,
  namespace: string,
): Promise<void> {
  const host = `${namespace}.${settings.domain}`;
  const row = { id: newId(), environmentId, host, limits: standardLimits, corsOrigins: [], own: true };
  if ((await insertSite(tx, row)) === undefined)
    throw new Conflict(`Another environment has a site of the host name ${host}. Choose another namespace.`, [
      'input',
      'namespace',
    ]);
}

/**
 * The environment's own host name leads to its first code service. When that comes later than the environment, its proxy is
 * redeployed by itself, so that the first push can be looked at.
 */
export async function routeFirstService(
  control: Control,
  caller: Caller,
  change: Change,
  environment: EnvironmentRow,
  serviceId: string,
): Promise<void> {
  const services = await listServicesOf(change.tx, environment.id);
  const first = services.find((each) => each.type === 'CODE' && each.deletionRequestedAt === null);
  const proxy = services.find((each) => each.type === 'SERVICE_PROXY' && each.deletionRequestedAt === null);
  if (first?.id !== serviceId || proxy === undefined || proxy.stopped) return;
  // It then waits, with its change pending, for who may redeploy it.
  if (!proxy.redeployable && !may(caller, 'OPERATE')) return;
  const placed = await lockService(change.tx, proxy.id);
  if (placed !== undefined) await deploy(control, caller, change, placed.service);
}

async function deploy(control: Control, caller: Caller, change: Change, service: ServiceRow): Promise<void> {
  const spec = await wantedSpec(change.tx, service);
  if (spec === undefined) throw new Error(`no spec for ${service.label}`);
  await requestRedeploy(change, { service }, spec, {
    reason: 'CREATION',
    note: null,
    requestedBy: caller.tokenName,
    deadlineSeconds: control.settings.deadlineSeconds,
  });
}
