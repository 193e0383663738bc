// Rows of incidents and of planned maintenance windows.
import { and, asc, eq, gte, inArray, lte, ne, sql } from 'drizzle-orm';
import { incidentStates, type Resolution } from '../model/monitoring/incidents.ts';
import { databaseNow, type Reader, type Transaction } from './open.ts';
import { among, type PageRequest, pagesByParent } from './pages.ts';
import { incidents, maintenanceWindows } from './tables/checks.ts';

export type IncidentRow = typeof incidents.$inferSelect;
export type MaintenanceWindowRow = typeof maintenanceWindows.$inferSelect;

export async function insertIncident(
  tx: Transaction,
  row: typeof incidents.$inferInsert,
): Promise<IncidentRow> {
  const [made] = await tx.insert(incidents).values(row).returning();
  if (made === undefined) throw new Error('the incident was not inserted');
  return made;
}

export function listIncidentsById(reader: Reader, ids: readonly string[]): Promise<IncidentRow[]> {
  return reader
    .select()
    .from(incidents)
    .where(inArray(incidents.id, [...ids]));
}

export function listOpenIncidents(reader: Reader, checkIds: readonly string[]): Promise<IncidentRow[]> {
  return reader
    .select()
    .from(incidents)
    .where(and(inArray(incidents.checkId, [...checkIds]), ne(incidents.state, 'RESOLVED')));
}

const pages = {
  table: incidents,
  key: incidents.id,
  where: among(incidents.state, 'states'),
  newestFirst: true,
} as const;
const ofEnvironment = { ...pages, parent: incidents.environmentId };
const ofCheck = { ...pages, parent: incidents.checkId };

export function pageIncidents(
  reader: Reader,
  of: 'environment' | 'check',
  ids: readonly string[],
  open: boolean | undefined,
  request: PageRequest,
): Promise<Map<string, IncidentRow[]>> {
  const states = open === undefined ? null : incidentStates.filter((each) => (each !== 'RESOLVED') === open);
  return pagesByParent(reader, ids, of === 'environment' ? ofEnvironment : ofCheck, request, { states });
}

/** Undefined when it isn't OPEN any more. */
export async function acknowledge(
  tx: Transaction,
  id: string,
  set: { readonly acknowledgedBy: string; readonly note: string | null },
): Promise<IncidentRow | undefined> {
  const [row] = await tx
    .update(incidents)
    .set({ ...set, state: 'ACKNOWLEDGED', acknowledgedAt: databaseNow() })
    .where(and(eq(incidents.id, id), eq(incidents.state, 'OPEN')))
    .returning();
  return row;
}

/** Those of the checks that were open, as they are now. */
export async function resolveIncidents(
  tx: Transaction,
  checkIds: readonly string[],
  resolution: Resolution,
  at: Date | undefined,
): Promise<IncidentRow[]> {
  if (checkIds.length === 0) return [];
  return tx
    .update(incidents)
    .set({
      state: 'RESOLVED',
      resolution,
      // Opened by the clock of whoever made the check, which may be ahead.
      resolvedAt: sql`greatest(${incidents.openedAt}, ${at === undefined ? databaseNow() : at.toISOString()})`,
    })
    .where(and(inArray(incidents.checkId, [...checkIds]), ne(incidents.state, 'RESOLVED')))
    .returning();
}

export async function markWorst(tx: Transaction, id: string, worst: IncidentRow['worst']): Promise<void> {
  await tx.update(incidents).set({ worst }).where(eq(incidents.id, id));
}

export async function insertMaintenanceWindow(
  tx: Transaction,
  row: typeof maintenanceWindows.$inferInsert,
): Promise<MaintenanceWindowRow> {
  const [made] = await tx.insert(maintenanceWindows).values(row).returning();
  if (made === undefined) throw new Error('the window was not inserted');
  return made;
}

export function listMaintenanceWindowsById(
  reader: Reader,
  ids: readonly string[],
): Promise<MaintenanceWindowRow[]> {
  return reader
    .select()
    .from(maintenanceWindows)
    .where(inArray(maintenanceWindows.id, [...ids]));
}

export async function endMaintenanceWindow(tx: Transaction, id: string): Promise<void> {
  await tx
    .update(maintenanceWindows)
    .set({
      endsAt: sql`least(${maintenanceWindows.endsAt}, greatest(${maintenanceWindows.startsAt}, now()))`,
    })
    .where(eq(maintenanceWindows.id, id));
}

/** Those of the environment that touch the time from `from` to `to`. */
export function listWindowsWithin(
  reader: Reader,
  environmentId: string,
  from: Date,
  to: Date,
): Promise<MaintenanceWindowRow[]> {
  const within = and(gte(maintenanceWindows.endsAt, from), lte(maintenanceWindows.startsAt, to));
  return reader
    .select()
    .from(maintenanceWindows)
    .where(and(eq(maintenanceWindows.environmentId, environmentId), within))
    .orderBy(asc(maintenanceWindows.startsAt));
}

export function pageMaintenanceWindows(
  reader: Reader,
  environmentIds: readonly string[],
  request: PageRequest,
): Promise<Map<string, MaintenanceWindowRow[]>> {
  return pagesByParent(reader, environmentIds, windowPages, request);
}

const windowPages = {
  table: maintenanceWindows,
  key: maintenanceWindows.id,
  parent: maintenanceWindows.environmentId,
  newestFirst: true,
} as const;
