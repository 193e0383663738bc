// Asking for a redeploy: the spec as it is wanted now is copied, an open redeploy is superseded, and the service is made
// due, all within the caller's transaction and under the service's lock. Used by callers' mutations and by builds alike.
import { newId } from '../ids.ts';
import { secondsAfterSwitch } from '../model/overlap.ts';
import type { RedeployReason } from '../model/redeploy.ts';
import { getEngineKind } from '../model/service-types/index.ts';
import { monitoring } from '../model/service-types/monitoring.ts';
import { serviceProxy } from '../model/service-types/service-proxy.ts';
import type { ProxySpec } from '../model/sites.ts';
import { compareSpecs, type Spec, type SpecImage, strategyOf } from '../model/spec.ts';
import type { Change } from './change.ts';
import { type Reader, together } from './open.ts';
import {
  endOpenRedeploy,
  insertRedeploy,
  listReleasesById,
  type RedeployRow,
  type ReleaseRow,
} from './redeploys.ts';
import { type PlacedService, type ServiceRow, updateService } from './services.ts';
import { proxySpecs } from './sites.ts';
import { listVariables, refsOf, type VariableRow } from './variables.ts';

export interface RedeployRequest {
  readonly reason: RedeployReason;
  readonly note: string | null;
  readonly requestedBy: string;
  readonly deadlineSeconds: number;
}

export async function requestRedeploy(
  change: Change,
  { service }: Pick<PlacedService, 'service'>,
  spec: Spec,
  request: RedeployRequest,
): Promise<RedeployRow> {
  const { tx, emit } = change;
  const { environmentId, id: serviceId, label } = service;
  await endOpenRedeploy(change, serviceId, 'SUPERSEDED', `The redeploy of ${label} gave way to a newer one.`);
  const [redeploy] = await together([
    insertRedeploy(tx, {
      id: newId(),
      environmentId,
      serviceId,
      strategy: spec.strategy,
      state: 'QUEUED',
      spec,
      changes: compareSpecs(service.runningSpec ?? undefined, spec),
      ...request,
      deadlineSeconds: request.deadlineSeconds + secondsAfterSwitch(spec),
    }),
    updateService(tx, serviceId, { failingSince: null, budgetFrom: null }, true),
  ]);
  emit({
    environmentId,
    serviceId,
    redeployId: redeploy.id,
    type: 'REDEPLOY_REQUESTED',
    data: { reason: request.reason },
    message: `${request.requestedBy} asked for a redeploy of ${label}.`,
  });
  change.nudge('due');
  return redeploy;
}

/** The specs that redeploys asked for now would have; undefined for a code service without a release. */
export async function wantedSpecs(
  reader: Reader,
  services: readonly ServiceRow[],
): Promise<Map<string, Spec | undefined>> {
  const releaseIds = services.flatMap((service) => service.releaseId ?? []);
  const proxied = services.flatMap(({ type, environmentId }) =>
    type === 'SERVICE_PROXY' ? environmentId : [],
  );
  const [variables, releases, routed] = await Promise.all([
    listVariables(
      reader,
      services.map((service) => service.id),
    ),
    releaseIds.length === 0 ? [] : listReleasesById(reader, releaseIds),
    proxySpecs(reader, proxied),
  ]);
  const byId = new Map(releases.map((release) => [release.id, release]));
  return new Map(
    services.map((service) => {
      const release = service.releaseId === null ? undefined : byId.get(service.releaseId);
      const proxy = routed.get(service.environmentId) ?? { sites: [], certificates: [] };
      return [service.id, assemble(service, variables.get(service.id) ?? [], release, proxy)];
    }),
  );
}

export async function wantedSpec(reader: Reader, service: ServiceRow): Promise<Spec | undefined> {
  return (await wantedSpecs(reader, [service])).get(service.id);
}

function assemble(
  service: ServiceRow,
  variables: readonly VariableRow[],
  release: ReleaseRow | undefined,
  proxy: ProxySpec,
): Spec | undefined {
  const image = imageOf(service, release);
  if (image === undefined) return undefined;
  return {
    image,
    size: service.size,
    scale: service.scale,
    strategy: strategyOf(service),
    variables: refsOf(variables),
    commands: release?.commands ?? {},
    volume: service.hasVolume,
    dnsName: service.dnsName,
    rollBack: service.rollBack,
    healthCheck: service.healthCheck,
    overlapSeconds: service.overlapSeconds ?? 0,
    proxy: service.type === 'SERVICE_PROXY' ? proxy : null,
  };
}

function imageOf(service: ServiceRow, release: ReleaseRow | undefined): SpecImage | undefined {
  const { runtime, version } = service;
  if (service.type === 'SERVICE_PROXY')
    return {
      kind: 'CATALOGUE',
      runtime: serviceProxy.runtime,
      version: serviceProxy.version,
      reference: serviceProxy.image,
    };
  if (service.type === 'MONITORING')
    return {
      kind: 'CATALOGUE',
      runtime: monitoring.runtime,
      version: monitoring.version,
      reference: monitoring.image,
    };
  if (service.type === 'CODE' || runtime === null || version === null) {
    if (release === undefined) return undefined;
    const { id: releaseId, imageId, commit } = release;
    return { kind: 'RELEASE', releaseId, imageId, commit };
  }
  const offered = getEngineKind(runtime).versions.find((each) => each.version === version);
  return offered && { kind: 'CATALOGUE', runtime, version, reference: offered.image };
}
