// Rows of environments.
import { and, eq, inArray, isNotNull, isNull, notExists, sql } from 'drizzle-orm';
import type { Reader, Transaction } from './open.ts';
import { among, type PageRequest, pagesByParent } from './pages.ts';
import { environments } from './tables/environments.ts';
import { services } from './tables/services.ts';

export type EnvironmentRow = typeof environments.$inferSelect;

export async function insertEnvironment(
  tx: Transaction,
  row: typeof environments.$inferInsert,
): Promise<EnvironmentRow | undefined> {
  const [made] = await tx.insert(environments).values(row).onConflictDoNothing().returning();
  return made;
}

/** The smallest place at the pod's edge that is free. Whoever gets the same at the same moment waits for the other. */
export async function takeEdgeSlot(
  tx: Transaction,
  podId: string,
  environmentId: string,
  most: number,
): Promise<number | undefined> {
  await tx.execute(sql`select pg_advisory_xact_lock(hashtext('edge slots'), hashtext(${podId}))`);
  const free = sql`(select min(n) from generate_series(0, ${most - 1}) n where not exists (
    select 1 from ${environments} taken where taken.pod_id = ${podId} and taken.edge_slot = n and taken.deleted_at is null))`;
  const [row] = await tx
    .update(environments)
    .set({ edgeSlot: free })
    .where(eq(environments.id, environmentId))
    .returning({ slot: environments.edgeSlot });
  return row?.slot ?? undefined;
}

/** Living environments of the pod with a service proxy that no edge leads to. */
export async function listWithoutEdgeSlot(reader: Reader, podId: string): Promise<string[]> {
  const rows = await reader
    .select({ id: environments.id })
    .from(environments)
    .innerJoin(services, eq(services.environmentId, environments.id))
    .where(
      and(
        eq(environments.podId, podId),
        isNull(environments.edgeSlot),
        isNull(environments.deletedAt),
        eq(services.type, 'SERVICE_PROXY'),
        isNull(services.deletedAt),
      ),
    )
    .orderBy(environments.id);
  return rows.map((row) => row.id);
}

export async function listEnvironmentsById(
  reader: Reader,
  ids: readonly string[],
): Promise<EnvironmentRow[]> {
  return reader
    .select()
    .from(environments)
    .where(inArray(environments.id, [...ids]));
}

/** Locked against every other change until the transaction ends. */
export async function lockEnvironment(tx: Transaction, id: string): Promise<EnvironmentRow | undefined> {
  const [row] = await tx
    .select()
    .from(environments)
    .where(and(eq(environments.id, id), isNull(environments.deletedAt)))
    .for('no key update');
  return row;
}

/** The same lock for who needs nothing of the row, which may be deleted. */
export async function waitForEnvironment(tx: Transaction, id: string): Promise<void> {
  await tx
    .select({ id: environments.id })
    .from(environments)
    .where(eq(environments.id, id))
    .for('no key update');
}

export async function findEnvironmentByNamespace(
  reader: Reader,
  namespace: string,
): Promise<EnvironmentRow | undefined> {
  const [row] = await reader
    .select()
    .from(environments)
    .where(and(eq(environments.namespace, namespace), isNull(environments.deletedAt)));
  return row;
}

export async function pageEnvironments(
  reader: Reader,
  organizationId: string,
  onlyId: string | null,
  request: PageRequest,
): Promise<EnvironmentRow[]> {
  const ids = onlyId === null ? null : [onlyId];
  const found = await pagesByParent(reader, [organizationId], livingPages, request, { ids });
  return found.get(organizationId) ?? [];
}

const livingPages = {
  table: environments,
  key: environments.id,
  parent: environments.organizationId,
  where: and(isNull(environments.deletedAt), among(environments.id, 'ids')),
};

export async function updateEnvironment(
  tx: Transaction,
  id: string,
  set: Partial<Pick<EnvironmentRow, 'name'>>,
): Promise<EnvironmentRow> {
  const [row] = await tx
    .update(environments)
    .set({ ...set, revision: sql`${environments.revision} + 1` })
    .where(eq(environments.id, id))
    .returning();
  if (row === undefined) throw new Error(`environment ${id} vanished under its lock`);
  return row;
}

export async function markEnvironmentDeleting(tx: Transaction, id: string): Promise<void> {
  await tx
    .update(environments)
    .set({ deletionRequestedAt: sql`now()`, revision: sql`${environments.revision} + 1` })
    .where(eq(environments.id, id));
}

/** Environments to be deleted whose services are all gone. */
export async function listEmptyDeleting(reader: Reader): Promise<EnvironmentRow[]> {
  const living = (reader as Transaction)
    .select({ id: services.id })
    .from(services)
    .where(and(eq(services.environmentId, environments.id), isNull(services.deletedAt)));
  return reader
    .select()
    .from(environments)
    .where(
      and(isNotNull(environments.deletionRequestedAt), isNull(environments.deletedAt), notExists(living)),
    );
}

export async function markEnvironmentDeleted(tx: Transaction, id: string): Promise<boolean> {
  const rows = await tx
    .update(environments)
    .set({ deletedAt: sql`now()` })
    .where(and(eq(environments.id, id), isNull(environments.deletedAt)))
    .returning({ id: environments.id });
  return rows.length > 0;
}
