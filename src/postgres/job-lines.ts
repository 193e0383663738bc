// Kept lines of output: builds whole, other jobs' last ones.
import { and, asc, desc, eq, gt, sql } from 'drizzle-orm';
import type { Reader, Transaction } from './open.ts';
import { jobLines } from './tables/jobs.ts';

export type JobLineRow = typeof jobLines.$inferSelect;

export async function appendLines(
  tx: Pick<Transaction, 'insert'>,
  rows: readonly JobLineRow[],
): Promise<void> {
  if (rows.length > 0)
    await tx
      .insert(jobLines)
      .values([...rows])
      .onConflictDoNothing();
}

/** Stands for the lines of a job whose container was gone before they could be kept. It is none of them. */
export function goneMark(jobId: string): JobLineRow {
  return { jobId, seq: 0, timeNanos: 0n, stream: 'STDERR', text: '' };
}

export async function isOutputGone(reader: Reader, jobId: string): Promise<boolean> {
  const rows = await reader
    .select({ seq: jobLines.seq })
    .from(jobLines)
    .where(and(eq(jobLines.jobId, jobId), eq(jobLines.seq, 0)));
  return rows.length > 0;
}

export function listLines(
  reader: Reader,
  jobId: string,
  afterSeq: number,
  limit: number,
): Promise<JobLineRow[]> {
  return reader
    .select()
    .from(jobLines)
    .where(and(eq(jobLines.jobId, jobId), gt(jobLines.seq, afterSeq)))
    .orderBy(asc(jobLines.seq))
    .limit(limit);
}

export async function listLastLines(reader: Reader, jobId: string, count: number): Promise<JobLineRow[]> {
  const rows = await reader
    .select()
    .from(jobLines)
    .where(and(eq(jobLines.jobId, jobId), gt(jobLines.seq, 0)))
    .orderBy(desc(jobLines.seq))
    .limit(count);
  return rows.reverse();
}

export async function lastLineSeq(reader: Reader, jobId: string): Promise<number> {
  const [row] = await reader
    .select({ seq: sql<number>`coalesce(max(${jobLines.seq}), 0)`.mapWith(Number) })
    .from(jobLines)
    .where(eq(jobLines.jobId, jobId));
  return row?.seq ?? 0;
}
