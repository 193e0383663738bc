// Finding by name: what a caller sees under a namespace and label.
import { type Caller, sees } from '../model/callers.ts';
import { isLabel } from '../model/rules.ts';
import { type EnvironmentRow, findEnvironmentByNamespace } from '../postgres/environments.ts';
import { findServiceByLabel, type ServiceRow } from '../postgres/services.ts';
import type { Control } from './control.ts';

export async function findEnvironment(
  control: Control,
  caller: Caller,
  namespace: string,
): Promise<EnvironmentRow | undefined> {
  if (!isLabel(namespace)) return undefined;
  const row = await findEnvironmentByNamespace(control.store.db, namespace);
  return row !== undefined && sees(caller, { ...row, environmentId: row.id }) ? row : undefined;
}

export async function findService(
  control: Control,
  caller: Caller,
  namespace: string,
  label: string,
): Promise<ServiceRow | undefined> {
  if (!isLabel(namespace) || !isLabel(label)) return undefined;
  const placed = await findServiceByLabel(control.store.db, namespace, { label });
  if (placed === undefined) return undefined;
  const { service, organizationId } = placed;
  return sees(caller, { organizationId, environmentId: service.environmentId }) ? service : undefined;
}
