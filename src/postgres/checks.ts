// Rows of checks and of the numbers that belong to an environment's monitor.
import {
  and,
  asc,
  count,
  eq,
  inArray,
  isNotNull,
  isNull,
  lte,
  ne,
  notInArray,
  type SQL,
  sql,
} from 'drizzle-orm';
import { newMemory } from '../model/monitoring/check-state.ts';
import type { CheckState } from '../model/monitoring/observations.ts';
import { databaseNow, type Reader, type Transaction } from './open.ts';
import { among, type PageRequest, pagesByParent } from './pages.ts';
import { checks, resultStreams } from './tables/checks.ts';

export type CheckRow = typeof checks.$inferSelect;

export async function createResultStream(
  tx: Transaction,
  environmentId: string,
  epoch: string,
): Promise<void> {
  await tx.insert(resultStreams).values({ environmentId, epoch });
}

/** For a column of time: some moment within so many seconds, the same for all that are made at one time for one service. */
export function dueWithin(seconds: number, serviceId: string): SQL {
  const share = sql`(hashtext(${serviceId})::bigint & 65535) / 65536.0`;
  return sql`now() + make_interval(secs => (${share} * ${seconds})::float8)`;
}

/** Values, or what the database makes of them. */
type NewCheck = Omit<typeof checks.$inferInsert, 'dueAt'> & { readonly dueAt?: SQL | null };

export async function insertChecks(tx: Transaction, rows: readonly NewCheck[]): Promise<CheckRow[]> {
  return rows.length === 0
    ? []
    : tx
        .insert(checks)
        .values([...rows])
        .returning();
}

/** Undefined when a living check of the service has the name. */
export async function insertCheck(tx: Transaction, row: NewCheck): Promise<CheckRow | undefined> {
  const [made] = await tx.insert(checks).values(row).onConflictDoNothing().returning();
  return made;
}

export function listChecksById(reader: Reader, ids: readonly string[]): Promise<CheckRow[]> {
  return reader
    .select()
    .from(checks)
    .where(inArray(checks.id, [...ids]));
}

const living = isNull(checks.deletedAt);

/** Living ones, oldest first. */
export function listChecksOf(reader: Reader, environmentId: string): Promise<CheckRow[]> {
  return reader
    .select()
    .from(checks)
    .where(and(eq(checks.environmentId, environmentId), living))
    .orderBy(asc(checks.id));
}

export async function findCheckByName(
  reader: Reader,
  serviceId: string,
  name: string,
): Promise<CheckRow | undefined> {
  const found = and(eq(checks.serviceId, serviceId), eq(checks.name, name), living);
  return (await reader.select().from(checks).where(found))[0];
}

export async function countChecks(reader: Reader, environmentId: string): Promise<number> {
  const [row] = await reader
    .select({ count: count() })
    .from(checks)
    .where(and(eq(checks.environmentId, environmentId), living));
  return row?.count ?? 0;
}

/** What the checks of an environment come to: the characters of their settings, and runs a second. */
export async function weighChecks(
  reader: Reader,
  environmentId: string,
): Promise<{ readonly settingsBytes: number; readonly runsPerSecond: number }> {
  const [row] = await reader
    .select({
      settingsBytes: sql<number>`coalesce(sum(octet_length(${checks.settings}::text)), 0)::float8`,
      runsPerSecond: sql<number>`coalesce(sum(1.0 / ${checks.intervalSeconds}) filter (where not ${checks.paused}), 0)::float8`,
    })
    .from(checks)
    .where(and(eq(checks.environmentId, environmentId), living));
  return row ?? { settingsBytes: 0, runsPerSecond: 0 };
}

export async function updateCheck(
  tx: Transaction,
  id: string,
  set: Partial<typeof checks.$inferInsert>,
): Promise<CheckRow> {
  // Not by `least`, for which nothing is no time: those that others make have none.
  const dueAt = sql`case when ${checks.dueAt} is not null then now() end`;
  const [row] = await tx
    .update(checks)
    .set({ ...set, revision: sql`${checks.revision} + 1`, dueAt })
    .where(eq(checks.id, id))
    .returning();
  if (row === undefined) throw new Error(`check ${id} vanished under its lock`);
  return row;
}

export async function removeCheck(tx: Transaction, id: string): Promise<void> {
  await tx.update(checks).set({ deletedAt: databaseNow() }).where(eq(checks.id, id));
}

export async function requestRun(tx: Transaction, id: string): Promise<void> {
  await tx.update(checks).set({ runRequestedAt: databaseNow() }).where(eq(checks.id, id));
}

/** They are no longer made: what is known of them no longer holds. */
export async function forgetStates(tx: Transaction, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  await tx
    .update(checks)
    .set({ ...newMemory, since: databaseNow() })
    .where(and(inArray(checks.id, [...ids]), ne(checks.state, 'PENDING')));
}

/** Those that were due were made, or had no need to be. They stay in step: times that were missed are left out. */
export async function moveOn(tx: Transaction, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  const passed = sql`floor(extract(epoch from now() - ${checks.dueAt}) / ${checks.intervalSeconds}) + 1`;
  const next = sql`${checks.dueAt} + make_interval(secs => ${checks.intervalSeconds} * (${passed}))`;
  await tx
    .update(checks)
    .set({ dueAt: next })
    .where(and(inArray(checks.id, [...ids]), lte(checks.dueAt, sql`now()`)));
}

export async function removeChecksOfService(tx: Transaction, serviceId: string): Promise<CheckRow[]> {
  return tx
    .update(checks)
    .set({ deletedAt: databaseNow() })
    .where(and(eq(checks.serviceId, serviceId), living))
    .returning();
}

const pages = {
  table: checks,
  key: checks.id,
  where: and(living, among(checks.state, 'states')),
} as const;
const ofEnvironment = { ...pages, parent: checks.environmentId };
const ofService = { ...pages, parent: checks.serviceId };

export function pageChecks(
  reader: Reader,
  of: 'environment' | 'service',
  ids: readonly string[],
  states: readonly CheckState[] | null,
  request: PageRequest,
): Promise<Map<string, CheckRow[]>> {
  return pagesByParent(reader, ids, of === 'environment' ? ofEnvironment : ofService, request, { states });
}

/** Hard states other than OK of the living checks of these services, by service. */
export async function listBadStates(
  reader: Reader,
  serviceIds: readonly string[],
): Promise<Map<string, CheckState[]>> {
  const rows = await reader
    .select({ serviceId: checks.serviceId, state: checks.state })
    .from(checks)
    .where(
      and(
        inArray(checks.serviceId, [...serviceIds]),
        living,
        eq(checks.paused, false),
        eq(checks.hard, true),
        inArray(checks.state, ['WARNING', 'CRITICAL', 'UNKNOWN']),
      ),
    );
  const byService = Map.groupBy(rows, (row) => row.serviceId);
  return new Map([...byService].map(([id, found]) => [id, found.map(({ state }) => state)]));
}

/** Those that somebody wants to be run now, but for these types. */
export function listRunRequests(
  reader: Reader,
  others: readonly string[],
  except: readonly string[],
): Promise<CheckRow[]> {
  const [otherTypes, underWay] = [notInArray(checks.type, [...others]), notInArray(checks.id, [...except])];
  return reader
    .select()
    .from(checks)
    .where(and(isNotNull(checks.runRequestedAt), living, otherTypes, underWay))
    .orderBy(asc(checks.runRequestedAt))
    .limit(100);
}

/** Unless it was asked for again meanwhile. A moment that was read has lost what is below its milliseconds. */
export async function markRunTaken(
  tx: Pick<Transaction, 'update'>,
  id: string,
  requestedAt: Date,
): Promise<void> {
  await tx
    .update(checks)
    .set({ runRequestedAt: null })
    .where(
      and(
        eq(checks.id, id),
        sql`date_trunc('milliseconds', ${checks.runRequestedAt}) = ${requestedAt.toISOString()}`,
      ),
    );
}

export async function findCheckOfType(
  reader: Reader,
  environmentId: string,
  type: string,
): Promise<CheckRow | undefined> {
  const found = and(eq(checks.environmentId, environmentId), eq(checks.type, type), living);
  return (await reader.select().from(checks).where(found).limit(1))[0];
}
