// Retention of numbered logs: what is old enough and past the newest that are kept goes, in batches: however much has
// gathered, no transaction is long and no writer waits for more than one of them.
import { and, asc, eq, lte, sql } from 'drizzle-orm';
import type { PgColumn, PgTable } from 'drizzle-orm/pg-core';
import type { Store } from './open.ts';

export interface PrunedLog {
  readonly streams: PgTable & Readonly<Record<'environmentId' | 'firstSeq' | 'lastSeq', PgColumn>>;
  readonly items: PgTable & Readonly<Record<'environmentId' | 'seq', PgColumn>>;
  readonly madeAt: PgColumn;
}

export interface Retention {
  /** The newest of each environment stay whatever their age. */
  readonly keep: number;
  readonly days: number;
  readonly batch?: number | undefined;
}

export async function pruneLog(store: Store, log: PrunedLog, retention: Retention): Promise<void> {
  const { environmentId, firstSeq, lastSeq } = log.streams;
  const { keep } = retention;
  const streams = await store.db
    .select({
      id: sql<string>`${environmentId}`,
      bound: sql<number>`${lastSeq} - ${keep}`.mapWith(Number),
    })
    .from(log.streams)
    .where(sql`${lastSeq} - ${firstSeq} >= ${keep}`);
  for (const { id, bound } of streams) while (await pruneBatch(store, log, id, bound, retention));
}

/** Removes the oldest, up to the first that is too young; says if there may be more. */
async function pruneBatch(
  store: Store,
  { streams, items, madeAt }: PrunedLog,
  id: string,
  bound: number,
  { days, batch = 2_000 }: Retention,
): Promise<boolean> {
  const isOld = sql<boolean>`${madeAt} < now() - make_interval(days => ${days})`;
  const oldest = await store.db
    .select({ seq: sql<number>`${items.seq}`.mapWith(Number), isOld })
    .from(items)
    .where(and(eq(items.environmentId, id), lte(items.seq, bound)))
    .orderBy(asc(items.seq))
    .limit(batch);
  const young = oldest.findIndex((item) => !item.isOld);
  const last = oldest.at(young === -1 ? -1 : young - 1)?.seq;
  if (last === undefined || young === 0) return false;
  await store.db.transaction(async (tx) => {
    // Another replica may be ahead: what is gone stays gone, and the beginning never moves back.
    await tx.delete(items).where(and(eq(items.environmentId, id), lte(items.seq, last)));
    await tx
      .update(streams)
      .set({ firstSeq: sql`greatest(${streams.firstSeq}, ${last + 1})` })
      .where(eq(streams.environmentId, id));
  });
  return young === -1 && oldest.length === batch;
}
