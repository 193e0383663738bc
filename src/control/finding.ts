// Finding by name: what a caller sees under a namespace and label.
import type { Caller } from '../model/callers.ts';
import { type EnvironmentRow, findEnvironmentByNamespace } from '../postgres/environments.ts';
import { findServiceByLabel, type ServiceRow } from '../postgres/services.ts';
import type { Control } from './control.ts';
import { visibleEnvironment } from './loading.ts';

export async function findEnvironment(
  control: Control,
  caller: Caller,
  namespace: string,
): Promise<EnvironmentRow | undefined> {
  const row = await findEnvironmentByNamespace(control.store.db, namespace);
  return row !== undefined && visibleEnvironment(control, caller, row.id) ? row : undefined;
}

export async function findService(
  control: Control,
  caller: Caller,
  namespace: string,
  label: string,
): Promise<ServiceRow | undefined> {
  const placed = await findServiceByLabel(control.store.db, namespace, { label });
  if (placed === undefined) return undefined;
  return visibleEnvironment(control, caller, placed.service.environmentId) ? placed.service : undefined;
}
