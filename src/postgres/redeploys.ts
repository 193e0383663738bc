// Rows of redeploys and releases.
import { and, desc, eq, inArray, isNotNull, isNull, type SQL, sql } from 'drizzle-orm';
import { phaseEnded, runningPhase, withPhaseEnded } from '../model/phases.ts';
import { openStates } from '../model/redeploy.ts';
import type { Change } from './change.ts';
import { type Database, type Reader, readClock, type Transaction } from './open.ts';
import { type PageRequest, pagesByParent } from './pages.ts';
import { redeploys, releases } from './tables/redeploys.ts';
import { services } from './tables/services.ts';

export type RedeployRow = typeof redeploys.$inferSelect;
export type ReleaseRow = typeof releases.$inferSelect;

type Patch = Partial<typeof redeploys.$inferInsert>;

const isOpen = inArray(redeploys.state, [...openStates]);

export async function insertRedeploy(
  tx: Transaction,
  row: Omit<typeof redeploys.$inferInsert, 'deadlineAt'> & { readonly deadlineSeconds: number },
): Promise<RedeployRow> {
  const { deadlineSeconds, ...values } = row;
  const [made] = await tx
    .insert(redeploys)
    .values({ ...values, deadlineAt: sql`now() + make_interval(secs => ${deadlineSeconds})` })
    .returning();
  if (made === undefined) throw new Error('the redeploy was not inserted');
  return made;
}

/** Ends the service's open redeploy, if there is one, and tells of it. The caller holds the service's lock. */
export async function endOpenRedeploy(
  { tx, emit }: Change,
  serviceId: string,
  state: 'SUPERSEDED' | 'CANCELED',
  message: string,
): Promise<void> {
  const ofService = and(eq(redeploys.serviceId, serviceId), isOpen);
  const [open] = await tx.select().from(redeploys).where(ofService).for('update');
  if (open === undefined) return;
  const { environmentId, id: redeployId } = open;
  const at = { environmentId, serviceId, redeployId };
  const running = runningPhase(open.phases);
  if (running !== undefined) {
    const data = { phase: running.phase, succeeded: false };
    emit({ ...at, type: 'PHASE_ENDED', data, message: phaseEnded(running, false) });
  }
  const phases = withPhaseEnded(open.phases, false, await readClock(tx));
  await tx.update(redeploys).set({ state, phases, endedAt: sql`now()` }).where(eq(redeploys.id, redeployId));
  emit({ ...at, type: 'REDEPLOY_ENDED', data: { state, cause: null }, message });
}

export async function findOpenRedeploys(
  reader: Reader,
  serviceIds: readonly string[],
): Promise<Map<string, RedeployRow>> {
  const rows = await reader
    .select()
    .from(redeploys)
    .where(and(inArray(redeploys.serviceId, [...serviceIds]), isOpen));
  return new Map(rows.map((row) => [row.serviceId, row]));
}

/**
 * Changes an open redeploy; undefined when it has ended in the meantime (an end state is never left). With `seen`, also when
 * it has moved on since it was read so: two steps decided from one reading must not both be its next.
 */
export async function updateRedeploy(
  tx: Transaction,
  id: string,
  set: { readonly [K in keyof Patch]: Patch[K] | SQL },
  seen?: Pick<RedeployRow, 'phases' | 'cause' | 'cancelRequested'>,
): Promise<RedeployRow | undefined> {
  const unmoved =
    seen &&
    and(
      sql`jsonb_array_length(${redeploys.phases}) = ${seen.phases.length}`,
      seen.cause === null ? isNull(redeploys.cause) : isNotNull(redeploys.cause),
      eq(redeploys.cancelRequested, seen.cancelRequested),
    );
  const [row] = await tx
    .update(redeploys)
    .set(set)
    .where(and(eq(redeploys.id, id), isOpen, unmoved))
    .returning();
  return row;
}

export function listRedeploysById(reader: Reader, ids: readonly string[]): Promise<RedeployRow[]> {
  return reader
    .select()
    .from(redeploys)
    .where(inArray(redeploys.id, [...ids]));
}

export function pageRedeploys(
  reader: Reader,
  of: 'service' | 'environment',
  ids: readonly string[],
  request: PageRequest,
): Promise<Map<string, RedeployRow[]>> {
  return pagesByParent(reader, ids, redeployPages[of], request);
}

const newestRedeploys = { table: redeploys, key: redeploys.id, newestFirst: true };
const redeployPages = {
  service: { ...newestRedeploys, parent: redeploys.serviceId },
  environment: { ...newestRedeploys, parent: redeploys.environmentId },
};

export async function insertRelease(tx: Transaction, row: typeof releases.$inferInsert): Promise<ReleaseRow> {
  const [made] = await tx.insert(releases).values(row).returning();
  if (made === undefined) throw new Error('the release was not inserted');
  return made;
}

export function listReleasesById(reader: Reader, ids: readonly string[]): Promise<ReleaseRow[]> {
  return reader
    .select()
    .from(releases)
    .where(inArray(releases.id, [...ids]));
}

export function pageReleases(
  reader: Reader,
  serviceIds: readonly string[],
  request: PageRequest,
): Promise<Map<string, ReleaseRow[]>> {
  return pagesByParent(reader, serviceIds, releasePages, request);
}

const releasePages = { table: releases, key: releases.id, parent: releases.serviceId, newestFirst: true };

/** Releases beyond the newest `keep`, oldest last. */
export async function listReleasesBeyond(
  reader: Reader,
  serviceId: string,
  keep: number,
): Promise<ReleaseRow[]> {
  return reader
    .select()
    .from(releases)
    .where(eq(releases.serviceId, serviceId))
    .orderBy(desc(releases.id))
    .offset(keep);
}

/** Removes those that neither run nor are being deployed; answers with the removed ones whose image nothing keeps. */
export async function deleteReleases(
  db: Database,
  serviceId: string,
  rows: readonly ReleaseRow[],
): Promise<ReleaseRow[]> {
  if (rows.length === 0) return [];
  const ids = rows.map((row) => row.id);
  const used = sql`(
    select ${services.runningSpec} -> 'image' ->> 'releaseId' from ${services} where ${services.id} = ${serviceId}
    union select ${services.releaseId}::text from ${services} where ${services.id} = ${serviceId}
    union select ${redeploys.spec} -> 'image' ->> 'releaseId' from ${redeploys}
      where ${redeploys.serviceId} = ${serviceId} and ${isOpen})`;
  const gone = await db
    .delete(releases)
    .where(
      and(
        inArray(releases.id, ids),
        sql`${releases.id}::text not in (select * from ${used} as used(id) where id is not null)`,
      ),
    )
    .returning();
  // A commit that was pushed again has a newer release under the same tag.
  const kept = await db
    .select({ commit: releases.commit })
    .from(releases)
    .where(eq(releases.serviceId, serviceId));
  const commits = new Set(kept.map((row) => row.commit));
  return gone.filter((row) => !commits.has(row.commit));
}

/** The redeploy that the release of a build caused. */
export async function findRedeployOfRelease(
  reader: Reader,
  buildJobId: string,
): Promise<RedeployRow | undefined> {
  const [row] = await reader
    .select({ redeploy: redeploys })
    .from(redeploys)
    .innerJoin(
      releases,
      sql`${redeploys.spec} -> 'image' ->> 'releaseId' = ${releases.id}::text and ${redeploys.serviceId} = ${releases.serviceId}`,
    )
    .where(and(eq(releases.buildJobId, buildJobId), eq(redeploys.reason, 'CODE_PUSH')));
  return row?.redeploy;
}
