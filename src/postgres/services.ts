// Rows of services, their worker counts and volumes.
import { and, asc, eq, inArray, isNotNull, isNull, type SQL, sql } from 'drizzle-orm';
import type { Reader, Transaction } from './open.ts';
import { among, type PageRequest, pagesByParent } from './pages.ts';
import { dueNow } from './replicas.ts';
import { environments } from './tables/environments.ts';
import { services, volumes, workerTargets } from './tables/services.ts';

export type ServiceRow = typeof services.$inferSelect;
export type ServicePatch = Partial<typeof services.$inferInsert>;

export async function insertService(tx: Transaction, row: typeof services.$inferInsert): Promise<ServiceRow> {
  const [made] = await tx.insert(services).values(row).returning();
  if (made === undefined) throw new Error('the service was not inserted');
  return made;
}

export function listServicesById(reader: Reader, ids: readonly string[]): Promise<ServiceRow[]> {
  return reader
    .select()
    .from(services)
    .where(inArray(services.id, [...ids]));
}

export interface PlacedService {
  readonly service: ServiceRow;
  readonly organizationId: string;
  readonly namespace: string;
}

/** A living service, locked against every other change (the orchestrator's included) until the transaction ends. */
export async function lockService(tx: Transaction, id: string): Promise<PlacedService | undefined> {
  const [row] = await tx
    .select({
      service: services,
      organizationId: environments.organizationId,
      namespace: environments.namespace,
    })
    .from(services)
    .innerJoin(environments, eq(environments.id, services.environmentId))
    .where(and(eq(services.id, id), isNull(services.deletedAt)))
    .for('no key update', { of: services });
  return row;
}

export async function findServiceByLabel(
  reader: Reader,
  namespace: string,
  where: { readonly label: string } | { readonly dnsName: string },
): Promise<PlacedService | undefined> {
  const matches = 'label' in where ? eq(services.label, where.label) : eq(services.dnsName, where.dnsName);
  const [row] = await reader
    .select({
      service: services,
      organizationId: environments.organizationId,
      namespace: environments.namespace,
    })
    .from(services)
    .innerJoin(environments, eq(environments.id, services.environmentId))
    .where(
      and(
        eq(environments.namespace, namespace),
        isNull(environments.deletedAt),
        matches,
        isNull(services.deletedAt),
      ),
    );
  return row;
}

/** Living services of one environment, oldest first. */
export function listServicesOf(reader: Reader, environmentId: string): Promise<ServiceRow[]> {
  return reader
    .select()
    .from(services)
    .where(and(eq(services.environmentId, environmentId), isNull(services.deletedAt)))
    .orderBy(asc(services.id));
}

/** The same, locked like one alone. The environment's row is locked before: so no two wait for each other's services. */
export async function lockServicesOf(tx: Transaction, environmentId: string): Promise<ServiceRow[]> {
  return tx
    .select()
    .from(services)
    .where(and(eq(services.environmentId, environmentId), isNull(services.deletedAt)))
    .orderBy(asc(services.id))
    .for('no key update');
}

/** A living service, and the time by the database at which it was so. */
export async function readServiceNow(
  reader: Reader,
  id: string,
): Promise<{ readonly service: ServiceRow; readonly now: Date } | undefined> {
  const [row] = await reader
    .select({ service: services, now: sql<string>`clock_timestamp()::text` })
    .from(services)
    .where(and(eq(services.id, id), isNull(services.deletedAt)));
  return row && { service: row.service, now: new Date(row.now) };
}

/** All living code services, for looking after their repositories. */
export function listCodeServices(reader: Reader): Promise<ServiceRow[]> {
  return reader
    .select()
    .from(services)
    .where(
      and(sql`${services.type} = 'CODE'`, isNull(services.deletedAt), isNull(services.deletionRequestedAt)),
    );
}

export function pageServices(
  reader: Reader,
  environmentIds: readonly string[],
  type: string | undefined,
  request: PageRequest,
): Promise<Map<string, ServiceRow[]>> {
  return pagesByParent(reader, environmentIds, livingPages, request, { types: type ? [type] : null });
}

const livingPages = {
  table: services,
  key: services.id,
  parent: services.environmentId,
  where: and(isNull(services.deletedAt), among(services.type, 'types')),
  brief: [
    'id',
    'environmentId',
    'type',
    'runtime',
    'version',
    'label',
    'dnsName',
    'scale',
    'revision',
    'createdAt',
  ] satisfies readonly (keyof ServiceRow)[],
};

/** Changes the row; `due` also asks the orchestrator to look at it. */
export async function updateService(
  tx: Transaction,
  id: string,
  set: { readonly [K in keyof ServicePatch]: ServicePatch[K] | SQL },
  due = false,
): Promise<ServiceRow> {
  const [row] = await tx
    .update(services)
    .set({ ...set, ...(due ? dueNow() : {}), revision: sql`${services.revision} + 1` })
    .where(eq(services.id, id))
    .returning();
  if (row === undefined) throw new Error(`service ${id} vanished under its lock`);
  return row;
}

/** Asks the orchestrator to look, without a change of the service itself. */
export async function markDue(tx: Pick<Transaction, 'update'>, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  await tx
    .update(services)
    .set(dueNow())
    .where(and(inArray(services.id, [...ids]), isNull(services.deletedAt)));
}

export async function listWorkers(
  reader: Reader,
  serviceIds: readonly string[],
): Promise<Map<string, Record<string, number>>> {
  const rows = await reader
    .select()
    .from(workerTargets)
    .where(inArray(workerTargets.serviceId, [...serviceIds]))
    .orderBy(asc(workerTargets.target));
  const found = new Map<string, Record<string, number>>(serviceIds.map((id) => [id, {}]));
  for (const { serviceId, target, count } of rows) {
    const counts = found.get(serviceId);
    if (counts !== undefined) counts[target] = count;
  }
  return found;
}

/** Undefined removes the target. */
export async function saveWorkerCount(
  tx: Transaction,
  serviceId: string,
  target: string,
  count: number | undefined,
): Promise<void> {
  if (count === undefined) {
    await tx
      .delete(workerTargets)
      .where(and(eq(workerTargets.serviceId, serviceId), eq(workerTargets.target, target)));
    return;
  }
  await tx
    .insert(workerTargets)
    .values({ serviceId, target, count })
    .onConflictDoUpdate({ target: [workerTargets.serviceId, workerTargets.target], set: { count } });
}

export async function insertVolume(tx: Transaction, name: string, serviceId: string): Promise<void> {
  await tx.insert(volumes).values({ name, serviceId }).onConflictDoNothing();
}

export async function retireVolumes(tx: Transaction, serviceId: string, afterSeconds: number): Promise<void> {
  await tx
    .update(volumes)
    .set({ removeAt: sql`now() + make_interval(secs => ${afterSeconds})` })
    .where(and(eq(volumes.serviceId, serviceId), isNull(volumes.removedAt)));
}

/** Volumes whose waiting time is over and whose service is gone. */
export async function listVolumesDue(reader: Reader): Promise<string[]> {
  const rows = await reader
    .select({ name: volumes.name })
    .from(volumes)
    .innerJoin(services, eq(services.id, volumes.serviceId))
    .where(
      sql`${volumes.removeAt} <= now() and ${volumes.removedAt} is null and ${services.deletedAt} is not null`,
    );
  return rows.map((row) => row.name);
}

/** Those of the names whose volumes were removed. */
export async function listVolumesRemoved(reader: Reader, names: readonly string[]): Promise<string[]> {
  if (names.length === 0) return [];
  const removed = and(inArray(volumes.name, [...names]), isNotNull(volumes.removedAt));
  const rows = await reader.select({ name: volumes.name }).from(volumes).where(removed);
  return rows.map((row) => row.name);
}

export async function markVolumeRemoved(tx: Pick<Transaction, 'update'>, name: string): Promise<void> {
  await tx.update(volumes).set({ removedAt: sql`now()` }).where(eq(volumes.name, name));
}
