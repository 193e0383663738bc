// Reading checks, results and incidents for a caller; see loading.ts.
import type { Caller } from '../model/callers.ts';
import type { CheckState } from '../model/monitoring/observations.ts';
import { type CheckRow, listChecksById, pageChecks } from '../postgres/checks.ts';
import {
  type IncidentRow,
  listIncidentsById,
  listMaintenanceWindowsById,
  type MaintenanceWindowRow,
  pageIncidents,
  pageMaintenanceWindows,
} from '../postgres/incidents.ts';
import type { PageRequest } from '../postgres/pages.ts';
import { listLatestResults, listResultEpochs, pageResults, type ResultRow } from '../postgres/result-log.ts';
import type { Control } from './control.ts';
import { byId, visible } from './loading.ts';

type Ids = readonly string[];
type ById<T> = Promise<Map<string, T>>;

export async function loadChecks(control: Control, caller: Caller | undefined, ids: Ids): ById<CheckRow> {
  return byId(await visible(control, caller, await listChecksById(control.store.db, ids)));
}

export async function loadIncidents(
  control: Control,
  caller: Caller | undefined,
  ids: Ids,
): ById<IncidentRow> {
  return byId(await visible(control, caller, await listIncidentsById(control.store.db, ids)));
}

export async function loadMaintenanceWindows(
  control: Control,
  caller: Caller | undefined,
  ids: Ids,
): ById<MaintenanceWindowRow> {
  return byId(await visible(control, caller, await listMaintenanceWindowsById(control.store.db, ids)));
}

/** By check. */
export async function loadLatestResults(control: Control, checks: readonly CheckRow[]): ById<ResultRow> {
  const rows = await listLatestResults(control.store.db, checks);
  return new Map(rows.map((row) => [row.checkId, row]));
}

/** By environment. */
export function loadResultEpochs(control: Control, environmentIds: Ids): ById<string> {
  return listResultEpochs(control.store.db, environmentIds);
}

export function checksPage(
  control: Control,
  of: 'environment' | 'service',
  ids: Ids,
  states: readonly CheckState[] | null,
  request: PageRequest,
) {
  return pageChecks(control.store.db, of, ids, states, request);
}

export function resultsPage(control: Control, checkIds: Ids, request: PageRequest) {
  return pageResults(control.store.db, checkIds, request);
}

export function incidentsPage(
  control: Control,
  of: 'environment' | 'check',
  ids: Ids,
  open: boolean | undefined,
  request: PageRequest,
) {
  return pageIncidents(control.store.db, of, ids, open, request);
}

export function maintenanceWindowsPage(control: Control, environmentIds: Ids, request: PageRequest) {
  return pageMaintenanceWindows(control.store.db, environmentIds, request);
}
