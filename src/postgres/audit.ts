// The audit chain: one row per accepted mutation, each with the hash of the one before, so that a row changed or removed
// afterwards breaks the chain visibly. Values are never written, only keyed digests that the caller has made.
import { createHash } from 'node:crypto';
import { and, asc, eq, gt, sql } from 'drizzle-orm';
import type { Caller } from '../model/callers.ts';
import { type Reader, type Transaction, together } from './open.ts';
import { type PageRequest, pagesByParent } from './pages.ts';
import { audit, auditHeads } from './tables/access.ts';

export type AuditRow = typeof audit.$inferSelect;

export interface AuditEntry {
  readonly caller: Pick<Caller, 'organizationId' | 'tokenId' | 'tokenName' | 'address'>;
  readonly action: string;
  readonly environmentId: string | null;
  readonly subjectType: string;
  readonly subjectId: string;
  readonly before?: string | null;
  readonly after?: string | null;
}

const beginning = '0'.repeat(64);

export async function writeAudit(tx: Transaction, entry: AuditEntry): Promise<void> {
  const { organizationId } = entry.caller;
  // Made or found, and locked, in one statement.
  const [head] = await tx
    .insert(auditHeads)
    .values({ organizationId, hash: beginning })
    .onConflictDoUpdate({ target: auditHeads.organizationId, set: { seq: sql`${auditHeads.seq}` } })
    .returning({ seq: auditHeads.seq, hash: auditHeads.hash, now: sql<string>`clock_timestamp()::text` });
  if (head === undefined) throw new Error('the audit chain has no head');
  const row = {
    organizationId,
    seq: head.seq + 1,
    environmentId: entry.environmentId,
    tokenId: entry.caller.tokenId,
    actor: entry.caller.tokenName,
    address: entry.caller.address ?? null,
    action: entry.action,
    subjectType: entry.subjectType,
    subjectId: entry.subjectId,
    outcome: 'ACCEPTED',
    before: entry.before ?? null,
    after: entry.after ?? null,
    occurredAt: new Date(head.now),
    previousHash: head.hash,
  };
  const hash = hashOf(row);
  const next = { seq: row.seq, hash };
  await together([
    tx.insert(audit).values({ ...row, hash }),
    tx.update(auditHeads).set(next).where(eq(auditHeads.organizationId, organizationId)),
  ]);
}

export function pageAudit(
  reader: Reader,
  environmentIds: readonly string[],
  request: PageRequest,
): Promise<Map<string, AuditRow[]>> {
  const page = { table: audit, key: audit.seq, parent: audit.environmentId, newestFirst: true };
  return pagesByParent(reader, environmentIds, page, request);
}

/** The number of the first row that doesn't fit the chain; undefined when the whole chain holds. */
export async function findBreakInChain(reader: Reader, organizationId: string): Promise<number | undefined> {
  let previous = beginning;
  let seq = 0;
  for (;;) {
    const rows = await reader
      .select()
      .from(audit)
      .where(and(eq(audit.organizationId, organizationId), gt(audit.seq, seq)))
      .orderBy(asc(audit.seq))
      .limit(1000);
    for (const { hash, ...row } of rows) {
      if (row.seq !== seq + 1 || row.previousHash !== previous || hashOf(row) !== hash) return seq + 1;
      previous = hash;
      seq = row.seq;
    }
    if (rows.length < 1000) break;
  }
  const [head] = await reader.select().from(auditHeads).where(eq(auditHeads.organizationId, organizationId));
  return head !== undefined && (head.seq !== seq || head.hash !== previous) ? seq + 1 : undefined;
}

function hashOf(row: Omit<AuditRow, 'hash'>): string {
  const fields = [
    row.organizationId,
    row.seq,
    row.environmentId,
    row.tokenId,
    row.actor,
    row.address,
    row.action,
    row.subjectType,
    row.subjectId,
    row.outcome,
    row.before,
    row.after,
    row.occurredAt.toISOString(),
    row.previousHash,
  ];
  return createHash('sha256').update(JSON.stringify(fields)).digest('hex');
}
