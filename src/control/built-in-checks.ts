// The checks that every service is made with, by its type, and those that only hold while it lives.
import { checkTypes } from '../checks/index.ts';
import { newId } from '../ids.ts';
import { checkLimits } from '../model/monitoring/results.ts';
import { findEngineKind } from '../model/service-types/index.ts';
import type { Change } from '../postgres/change.ts';
import { insertChecks, removeChecksOfService } from '../postgres/checks.ts';
import { resolveIncidents } from '../postgres/incidents.ts';
import { tellResolved } from '../postgres/record-results.ts';
import type { ServiceRow } from '../postgres/services.ts';

/** Whether the monitor answers: made by the control plane. */
const monitorItself = { settings: {}, standard: { intervalSeconds: 60, timeoutSeconds: 30 } };

interface BuiltIn {
  readonly type: string;
  readonly name: string;
  readonly attempts?: number;
}

function builtInChecks({ type, runtime }: ServiceRow): readonly BuiltIn[] {
  switch (type) {
    case 'CODE':
      return [
        { type: 'TCP', name: 'port' },
        { type: 'HTTP', name: 'http' },
      ];
    case 'DATABASE':
    case 'CACHE': {
      const kind = findEngineKind(runtime);
      return kind === undefined ? [] : [{ type: kind.check, name: kind.runtime.toLowerCase() }];
    }
    case 'SERVICE_PROXY':
      return [{ type: 'TCP', name: 'port' }];
    case 'MONITORING':
      return [{ type: 'MONITOR', name: 'monitor', attempts: 1 }];
  }
}

export async function insertBuiltInChecks({ tx }: Change, service: ServiceRow): Promise<void> {
  const { id: serviceId, environmentId } = service;
  const rows = builtInChecks(service).map(({ type, name, attempts }) => {
    const kind = type === 'MONITOR' ? monitorItself : checkTypes.get(type);
    if (kind === undefined) throw new Error(`there is no check type ${type}`);
    return {
      id: newId(),
      environmentId,
      serviceId,
      type,
      name,
      settings: kind.settings,
      thresholds: [],
      ...kind.standard,
      attempts: attempts ?? checkLimits.attempts.standard,
      builtIn: true,
    };
  });
  await insertChecks(tx, rows);
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
