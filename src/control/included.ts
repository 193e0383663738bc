// The services that every environment is made with, and the site of its own public host name. They are deployed by their
// creation like everything else, seen live by whoever watches the environment.
import { Conflict, LimitReached } from '../errors.ts';
import { newId } from '../ids.ts';
import { type Caller, may } from '../model/callers.ts';
import { edgeSlots } from '../model/edge.ts';
import { serviceProxy } from '../model/service-types/service-proxy.ts';
import { standardLimits } from '../model/sites.ts';
import type { Change } from '../postgres/change.ts';
import { type EnvironmentRow, takeEdgeSlot } from '../postgres/environments.ts';
import { requestRedeploy, wantedSpec } from '../postgres/request-redeploy.ts';
import { insertService, listServicesOf, lockService, type ServiceRow } from '../postgres/services.ts';
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
  if (!control.settings.included.includes('SERVICE_PROXY')) return;
  const { id: environmentId, namespace } = environment;
  const { runtime, version, label, size } = serviceProxy;
  const service = await insertService(change.tx, {
    id: newId(),
    environmentId,
    type: 'SERVICE_PROXY',
    runtime,
    version,
    label,
    dnsName: label,
    size,
    scale: 1,
  });
  await insertBuiltInChecks(change, service);
  const slot = await takeEdgeSlot(change.tx, environment.podId, environmentId, edgeSlots);
  if (slot === undefined && control.settings.edge !== undefined)
    throw new LimitReached(noPlace, ['input'], edgeSlots, edgeSlots);
  await insertOwnSite(control, change, environmentId, namespace);
  change.emit({
    environmentId,
    serviceId: service.id,
    type: 'SERVICE_CREATED',
    data: { label, type: service.type },
    message: `The service proxy of ${environment.name} was created with it.`,
  });
  await deploy(control, caller, change, service);
}

/** A service made with its environment may not take the label of one that is included. */
export function refuseIncludedLabel({ settings }: Control, label: string, path: readonly string[]): void {
  if (!settings.included.includes('SERVICE_PROXY') || label !== serviceProxy.label) return;
  throw new Conflict(`The label ${label} is kept for the service proxy that every environment includes.`, [
    ...path,
    'label',
  ]);
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
