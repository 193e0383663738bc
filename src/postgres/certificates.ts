// Rows of certificates. Chain and key are a secret of the environment's service proxy; only their facts stand here.
import { and, asc, count, eq, inArray, isNotNull, isNull, notInArray, sql } from 'drizzle-orm';
import type { Reader, Store, Transaction } from './open.ts';
import { type PageRequest, pagesByParent } from './pages.ts';
import { certificates, challenges, sites } from './tables/sites.ts';

export type CertificateRow = typeof certificates.$inferSelect;
export type CertificatePatch = Partial<typeof certificates.$inferInsert>;

export async function insertCertificate(
  tx: Transaction,
  row: typeof certificates.$inferInsert,
): Promise<CertificateRow> {
  const [made] = await tx.insert(certificates).values(row).returning();
  if (made === undefined) throw new Error('the certificate was not inserted');
  return made;
}

export function listCertificatesById(reader: Reader, ids: readonly string[]): Promise<CertificateRow[]> {
  return reader
    .select()
    .from(certificates)
    .where(inArray(certificates.id, [...ids]));
}

/** A living certificate of this environment. */
export async function findCertificate(
  reader: Reader,
  environmentId: string,
  id: string,
): Promise<CertificateRow | undefined> {
  const [row] = await reader
    .select()
    .from(certificates)
    .where(
      and(
        eq(certificates.id, id),
        eq(certificates.environmentId, environmentId),
        isNull(certificates.deletedAt),
      ),
    );
  return row;
}

export function pageCertificates(
  reader: Reader,
  environmentIds: readonly string[],
  request: PageRequest,
): Promise<Map<string, CertificateRow[]>> {
  return pagesByParent(reader, environmentIds, livingPages, request);
}

const livingPages = {
  table: certificates,
  key: certificates.id,
  parent: certificates.environmentId,
  where: isNull(certificates.deletedAt),
};

export async function countCertificates(reader: Reader, environmentId: string): Promise<number> {
  const living = and(eq(certificates.environmentId, environmentId), isNull(certificates.deletedAt));
  const [row] = await reader.select({ count: count() }).from(certificates).where(living);
  return row?.count ?? 0;
}

/** The living sites that are served with it. */
export async function listHostsServedWith(reader: Reader, certificateId: string): Promise<string[]> {
  const rows = await reader
    .select({ host: sites.host })
    .from(sites)
    .where(and(eq(sites.certificateId, certificateId), isNull(sites.deletedAt)))
    .orderBy(asc(sites.host));
  return rows.map((row) => row.host);
}

/** Undefined when it was removed meanwhile. */
export async function updateCertificate(
  tx: Transaction,
  id: string,
  set: CertificatePatch,
): Promise<CertificateRow | undefined> {
  const [row] = await tx
    .update(certificates)
    .set(set)
    .where(and(eq(certificates.id, id), isNull(certificates.deletedAt)))
    .returning();
  return row;
}

/** They are renewed no more. */
export async function removeCertificatesOfEnvironment(tx: Transaction, environmentId: string): Promise<void> {
  await tx
    .update(certificates)
    .set({ deletedAt: sql`now()`, dueAt: null })
    .where(and(eq(certificates.environmentId, environmentId), isNull(certificates.deletedAt)));
}

/** What the certificates of an environment are at present. */
export async function listFingerprints(
  reader: Reader,
  environmentId: string,
): Promise<Record<string, string>> {
  const rows = await reader
    .select({ id: certificates.id, fingerprint: certificates.fingerprint })
    .from(certificates)
    .where(
      and(
        eq(certificates.environmentId, environmentId),
        isNotNull(certificates.fingerprint),
        isNull(certificates.deletedAt),
      ),
    );
  return Object.fromEntries(rows.map(({ id, fingerprint }) => [id, fingerprint ?? '']));
}

/**
 * To be obtained or renewed by now: of each environment but those excepted the one that failed least and waits longest, in
 * the same order. So none that fails again and again is in the way of another's.
 */
export function listCertificatesDue(
  reader: Reader,
  most: number,
  except: readonly string[],
): Promise<CertificateRow[]> {
  const { environmentId, tries, dueAt, deletedAt } = certificates;
  const isDue = and(sql`${dueAt} <= now()`, isNull(deletedAt), notInArray(environmentId, [...except]));
  const first = reader
    .selectDistinctOn([environmentId])
    .from(certificates)
    .where(isDue)
    .orderBy(environmentId, asc(tries), asc(dueAt))
    .as('first');
  return reader.select().from(first).orderBy(asc(first.tries), asc(first.dueAt)).limit(most);
}

export async function insertChallenge(
  tx: Transaction,
  row: { readonly token: string; readonly environmentId: string; readonly answer: string },
): Promise<void> {
  await tx.insert(challenges).values(row).onConflictDoNothing();
}

export async function deleteChallenge(tx: Transaction, environmentId: string, token: string): Promise<void> {
  await tx
    .delete(challenges)
    .where(and(eq(challenges.environmentId, environmentId), eq(challenges.token, token)));
}

/** What a process that died had not withdrawn; no authority asks for so long. */
export async function pruneChallenges({ db }: Store): Promise<void> {
  await db.delete(challenges).where(sql`${challenges.createdAt} < now() - interval '1 day'`);
}
