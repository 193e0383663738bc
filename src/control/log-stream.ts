// Log streams of one job's output: everything after a cursor, in order, each line once, and a Gap where lines are missing.
// Where the lines are read is in log-lines.ts.
import { setTimeout as sleep } from 'node:timers/promises';
import { waitForAny } from '../clock.ts';
import { InvalidInput, NotFound } from '../errors.ts';
import { authorise, type Caller } from '../model/callers.ts';
import { hasEnded } from '../model/jobs.ts';
import { firstPlace, type LinePlace, type OutputLine } from '../model/output.ts';
import { type JobRow, listJobsById } from '../postgres/jobs.ts';
import type { Control } from './control.ts';
import { readLineCursor, writeLineCursor } from './cursors.ts';
import { isLiving, linesAfter, type MissingLines, readingFrom } from './log-lines.ts';
import { heartbeatMs, type StreamItem } from './numbered-stream.ts';
import { placeOf } from './visibility.ts';

export type LogItem = StreamItem<OutputLine & { readonly jobId: string }>;

const pollMs = 1_000;

export async function jobForOutput(
  control: Control,
  caller: Caller,
  jobId: string,
  path = ['jobId'],
): Promise<JobRow> {
  const [job] = await listJobsById(control.store.db, [jobId]);
  const place = job && (await placeOf(control, job.environmentId));
  if (job === undefined || place === undefined) throw new NotFound('job', path);
  authorise(caller, 'READ', place, 'job', path);
  return job;
}

export async function* streamOutput(
  control: Control,
  jobId: string,
  after: string | null | undefined,
  signal: AbortSignal,
): AsyncGenerator<LogItem, void, undefined> {
  const reading = readingFrom(startPlace(jobId, after));
  const cursor = () => writeLineCursor({ jobId, ...reading.place });
  const hints = listenFor(control, jobId);
  let caughtUp = false;
  let quietSince = performance.now();
  try {
    while (!signal.aborted) {
      const hint = hints.next();
      const [job] = await listJobsById(control.store.db, [jobId]);
      if (job === undefined) return;
      const follow = caughtUp && isLiving(job);
      for await (const line of withPauses(linesAfter(control, job, reading, follow, signal), heartbeatMs)) {
        if (line === 'PAUSE') yield { kind: 'HEARTBEAT', cursor: cursor() };
        else yield itemOf(jobId, cursor(), line);
        quietSince = performance.now();
        if (signal.aborted) return;
      }
      if (!caughtUp) yield { kind: 'CAUGHT_UP', cursor: cursor() };
      caughtUp = true;
      // Nothing can follow: the job had ended before the lines were read, and they are where they stay.
      if (hasEnded(job.state) && job.cleaned) return;
      if (isLiving(job) && !follow) continue;
      await waitForAny([hint], pollMs, signal);
      if (performance.now() - quietSince < heartbeatMs || signal.aborted) continue;
      quietSince = performance.now();
      yield { kind: 'HEARTBEAT', cursor: cursor() };
    }
  } finally {
    hints.stop();
  }
}

function itemOf(jobId: string, cursor: string, line: OutputLine | MissingLines): LogItem {
  if (!('missing' in line)) return { kind: 'ITEM', cursor, item: { ...line, jobId } };
  const from = line.from.timeNanos === 0n ? null : writeLineCursor({ jobId, ...line.from });
  return { kind: 'GAP', cursor, from, to: cursor, reason: line.missing };
}

/** The same, with PAUSE whenever nothing has come for so long. */
async function* withPauses<T>(source: AsyncGenerator<T>, milliseconds: number): AsyncGenerator<T | 'PAUSE'> {
  let next = source.next();
  try {
    for (;;) {
      const over = new AbortController();
      const pause = sleep(milliseconds, 'PAUSE' as const, { signal: over.signal }).catch(
        () => 'PAUSE' as const,
      );
      const result = await Promise.race([next, pause]);
      over.abort();
      if (result === 'PAUSE') yield 'PAUSE';
      else if (result.done) return;
      else {
        yield result.value;
        next = source.next();
      }
    }
  } finally {
    void next.catch(() => {});
    void source.return(undefined).catch(() => {});
  }
}

function startPlace(jobId: string, after: string | null | undefined): LinePlace {
  if (after == null) return firstPlace;
  const given = readLineCursor(after);
  if (given.jobId !== jobId) throw new InvalidInput(['after'], "is a cursor of another job's log.");
  return given;
}

function listenFor(control: Control, jobId: string) {
  let woken = Promise.withResolvers<void>();
  const stop = control.nudges.listen((topic) => {
    if (topic !== undefined && topic !== `lines:${jobId}`) return;
    woken.resolve();
    woken = Promise.withResolvers();
  });
  return {
    next: () => woken.promise,
    stop,
  };
}

/** A page of lines after a cursor, for the query. */
export async function readOutputPage(
  control: Control,
  job: JobRow,
  after: string | null | undefined,
  limit: number,
): Promise<{ readonly items: LogItem[]; readonly endCursor: string; readonly hasNextPage: boolean }> {
  const stop = new AbortController();
  const reading = readingFrom(startPlace(job.id, after));
  const items: LogItem[] = [];
  let endCursor = writeLineCursor({ jobId: job.id, ...reading.place });
  let hasNextPage = false;
  try {
    for await (const line of linesAfter(control, job, reading, false, stop.signal)) {
      hasNextPage = items.length >= limit;
      if (hasNextPage) break;
      endCursor = writeLineCursor({ jobId: job.id, ...reading.place });
      items.push(itemOf(job.id, endCursor, line));
    }
  } finally {
    stop.abort();
  }
  return { items, endCursor, hasNextPage };
}
