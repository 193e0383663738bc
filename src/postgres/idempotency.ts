// Idempotency keys: the first call with a key writes its row in its own transaction; a second one waits at the unique
// index until the first has committed, and then finds its answer.
import { and, eq, sql } from 'drizzle-orm';
import type { Store, Transaction } from './open.ts';
import { idempotencyKeys } from './tables/access.ts';

export interface KeyUse {
  readonly organizationId: string;
  readonly tokenId: string;
  readonly mutation: string;
  readonly key: string;
  readonly bodyDigest: string;
}

export type KeyAnswer =
  | { readonly kind: 'FIRST' }
  | { readonly kind: 'SAME'; readonly result: Record<string, string> }
  | { readonly kind: 'DIFFERENT' };

export async function takeKey(tx: Transaction, use: KeyUse): Promise<KeyAnswer> {
  const taken = await tx
    .insert(idempotencyKeys)
    .values(use)
    .onConflictDoNothing()
    .returning({ key: idempotencyKeys.key });
  if (taken.length > 0) return { kind: 'FIRST' };
  const [row] = await tx.select().from(idempotencyKeys).where(isUse(use));
  if (row === undefined) throw new Error('an idempotency key vanished between two statements');
  if (row.bodyDigest !== use.bodyDigest) return { kind: 'DIFFERENT' };
  return { kind: 'SAME', result: row.result ?? {} };
}

export async function keepResult(
  tx: Pick<Transaction, 'update'>,
  use: KeyUse,
  result: Record<string, string>,
): Promise<void> {
  await tx.update(idempotencyKeys).set({ result }).where(isUse(use));
}

/** Keys are kept for a day at least. */
export async function pruneKeys(store: Store): Promise<void> {
  await store.db.delete(idempotencyKeys).where(sql`${idempotencyKeys.createdAt} < now() - interval '2 days'`);
}

function isUse(use: KeyUse) {
  return and(
    eq(idempotencyKeys.tokenId, use.tokenId),
    eq(idempotencyKeys.mutation, use.mutation),
    eq(idempotencyKeys.key, use.key),
  );
}
