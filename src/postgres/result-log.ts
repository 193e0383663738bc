// The log of check results: its tables, its pages by check, and its retention. How a log is read is numbered-log.ts's.
import { and, asc, eq, gt, inArray, sql } from 'drizzle-orm';
import type { Nudges } from './nudges.ts';
import { type NumberedLog, openLog } from './numbered-log.ts';
import type { Reader, Store } from './open.ts';
import { type PageRequest, pagesByParent } from './pages.ts';
import { pruneLog } from './retention.ts';
import { checkResults, resultStreams } from './tables/checks.ts';

export type ResultRow = typeof checkResults.$inferSelect;

/** A part is what belongs to one check, by its id. */
export type ResultLog = NumberedLog<ResultRow, string>;

export function openResultLog(store: Store, nudges: Nudges): ResultLog {
  return openLog<ResultRow, string>(store, nudges, {
    topic: 'results',
    heads: (ids) =>
      store.db
        .select({ id: resultStreams.environmentId, lastSeq: resultStreams.lastSeq })
        .from(resultStreams)
        .where(inArray(resultStreams.environmentId, [...ids])),
    state: async (environmentId) => {
      const { epoch, firstSeq, lastSeq } = resultStreams;
      const rows = store.db.select({ epoch, firstSeq, lastSeq }).from(resultStreams);
      return (await rows.where(eq(resultStreams.environmentId, environmentId)))[0];
    },
    query: (environmentId, seq, limit, checkId) => {
      const ofCheck = checkId === undefined ? undefined : eq(checkResults.checkId, checkId);
      return store.db
        .select()
        .from(checkResults)
        .where(and(eq(checkResults.environmentId, environmentId), gt(checkResults.seq, seq), ofCheck))
        .orderBy(asc(checkResults.seq))
        .limit(limit)
        .execute();
    },
    belongs: (result, checkId) => result.checkId === checkId,
  });
}

/** Results of each check, newest first. */
export function pageResults(
  reader: Reader,
  checkIds: readonly string[],
  request: PageRequest,
): Promise<Map<string, ResultRow[]>> {
  return pagesByParent(reader, checkIds, pages, request);
}

const pages = {
  table: checkResults,
  key: checkResults.seq,
  parent: checkResults.checkId,
  newestFirst: true,
} as const;

/** Of checks as they were read, the results that they name as their newest. */
export async function listLatestResults(
  reader: Reader,
  checks: readonly { readonly environmentId: string; readonly latestSeq: number | null }[],
): Promise<ResultRow[]> {
  const places = checks.flatMap(({ environmentId, latestSeq }) =>
    latestSeq === null ? [] : [sql`(${environmentId}::uuid, ${latestSeq}::bigint)`],
  );
  if (places.length === 0) return [];
  return reader
    .select()
    .from(checkResults)
    .where(sql`(${checkResults.environmentId}, ${checkResults.seq}) in (${sql.join(places, sql`, `)})`);
}

export async function listResultEpochs(
  reader: Reader,
  environmentIds: readonly string[],
): Promise<Map<string, string>> {
  const rows = await reader
    .select({ id: resultStreams.environmentId, epoch: resultStreams.epoch })
    .from(resultStreams)
    .where(inArray(resultStreams.environmentId, [...environmentIds]));
  return new Map(rows.map(({ id, epoch }) => [id, epoch]));
}

/** Removes results past their retention; the newest `keep` of each environment stay whatever their age. */
export function pruneResults(store: Store, keep: number, days: number, batch?: number): Promise<void> {
  return pruneLog(
    store,
    { streams: resultStreams, items: checkResults, madeAt: checkResults.recordedAt },
    { keep, days, batch },
  );
}
