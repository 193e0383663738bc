// The checks that every service is made with, by its type, and those that only hold while it lives.
import { checkTypes } from '../checks/index.ts';
import { platformCheckTypes } from '../checks/platform/index.ts';
import { newId } from '../ids.ts';
import { checkLimits } from '../model/monitoring/results.ts';
import { findEngineKind } from '../model/service-types/index.ts';
import type { Change } from '../postgres/change.ts';
import { dueWithin, insertChecks, removeChecksOfService } from '../postgres/checks.ts';
import type { EnvironmentRow } from '../postgres/environments.ts';
import { resolveIncidents } from '../postgres/incidents.ts';
import { tellResolved } from '../postgres/record-results.ts';
import type { ServiceRow } from '../postgres/services.ts';

/** Whether the monitor answers: made by the control plane. */
const monitorItself = { settings: {}, standard: { intervalSeconds: 60, timeoutSeconds: 30 } };

interface BuiltIn {
  readonly type: string;
  readonly name: string;
  readonly attempts?: number;
  /** Names of those before it whose incident says what this one would say again. */
  readonly dependsOn?: readonly string[];
}

const restarts: BuiltIn = { type: 'RESTARTS', name: 'restarts', attempts: 1 };
const jobs: BuiltIn = { type: 'JOB_RUNNING', name: 'jobs', attempts: 2, dependsOn: ['restarts'] };
const memory: BuiltIn = { type: 'MEMORY', name: 'memory' };
const disk: BuiltIn = { type: 'DISK', name: 'disk', attempts: 1 };
const port: BuiltIn = { type: 'TCP', name: 'port', dependsOn: ['restarts', 'jobs'] };

function builtInChecks({ type, runtime, hasVolume }: ServiceRow): readonly BuiltIn[] {
  switch (type) {
    case 'CODE':
      return [restarts, jobs, port, { type: 'HTTP', name: 'http', dependsOn: ['restarts', 'jobs'] }, memory];
    case 'DATABASE':
    case 'CACHE': {
      const kind = findEngineKind(runtime);
      if (kind === undefined) return [];
      const own = { type: kind.check, name: kind.runtime.toLowerCase(), dependsOn: ['restarts', 'jobs'] };
      return [restarts, jobs, own, memory, ...(hasVolume ? [disk] : [])];
    }
    case 'SERVICE_PROXY':
      return [restarts, jobs, port, memory, { type: 'EXPIRY', name: 'certificates', attempts: 1 }];
    case 'MONITORING':
      return [{ type: 'MONITOR', name: 'monitor', attempts: 1 }, memory, disk];
  }
}

export async function insertBuiltInChecks(
  { tx }: Change,
  { kind: environmentKind }: Pick<EnvironmentRow, 'kind'>,
  service: ServiceRow,
): Promise<void> {
  const { id: serviceId, environmentId } = service;
  const ids = new Map<string, string>();
  const rows = builtInChecks(service).map(({ type, name, attempts, dependsOn = [] }) => {
    const kind = type === 'MONITOR' ? monitorItself : (checkTypes.get(type) ?? platformCheckTypes.get(type));
    if (kind === undefined) throw new Error(`there is no check type ${type}`);
    const id = newId();
    ids.set(name, id);
    return {
      id,
      environmentId,
      serviceId,
      type,
      name,
      settings: kind.settings,
      thresholds: [],
      ...kind.standard,
      attempts: attempts ?? checkLimits.attempts.standard,
      dependsOn: dependsOn.flatMap((each) => ids.get(each) ?? []),
      dueAt: firstDue(type, environmentKind, kind.standard.intervalSeconds, serviceId),
      builtIn: true,
    };
  });
  await insertChecks(tx, rows);
}

/**
 * Those of sandboxes are made on demand alone. Spread over the services, so that not all come at once; those of a service that
 * have the same interval do, so that one which depends on another is judged by what this one sees at the same moment.
 */
export function firstDue(
  type: string,
  kind: EnvironmentRow['kind'],
  intervalSeconds: number,
  serviceId: string,
) {
  const others = kind === 'SANDBOX' || !platformCheckTypes.has(type);
  return others ? null : dueWithin(Math.min(intervalSeconds, 60), serviceId);
}

/** With their service, whose deletion is told. */
export async function removeChecks(change: Change, serviceId: string): Promise<void> {
  const removed = await removeChecksOfService(change.tx, serviceId);
  const byId = new Map(removed.map((check) => [check.id, check]));
  for (const incident of await resolveIncidents(change.tx, [...byId.keys()], 'REMOVED', undefined)) {
    const check = byId.get(incident.checkId);
    if (check !== undefined) tellResolved(change, check, incident);
  }
}
