// Log streams of one job's output: everything after a cursor, in order, each line once. A build's lines, and those of a
// job whose container was cleared away, stand in the database; a living job's are read from its container.
import { setTimeout as sleep } from 'node:timers/promises';
import { InvalidInput, NotFound } from '../errors.ts';
import { authorise, type Caller } from '../model/callers.ts';
import { hasEnded } from '../model/jobs.ts';
import { firstPlace, isAfter, type LinePlace, type OutputLine, placeAfter } from '../model/output.ts';
import { listLines } from '../postgres/job-lines.ts';
import { type JobRow, listJobsById } from '../postgres/jobs.ts';
import { waitForAny } from '../wait.ts';
import type { Control } from './control.ts';
import { readLineCursor, writeLineCursor } from './cursors.ts';
import { heartbeatMs, type StreamItem } from './event-stream.ts';
import { placeOf } from './visibility.ts';

export type LogItem = StreamItem<OutputLine & { readonly jobId: string }>;

const batch = 500;
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
  const reading: Reading = { place: startPlace(jobId, after), keptSeq: 0, keptPlace: firstPlace };
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
        else if (line === 'CUT')
          yield { kind: 'GAP', cursor: cursor(), from: after ?? null, to: cursor(), reason: 'LINES_CUT' };
        else yield { kind: 'ITEM', cursor: cursor(), item: { ...line, jobId } };
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

/** How far a reader has come. Kept lines are read on from `keptSeq`, so that a long log isn't read again for each line. */
interface Reading {
  place: LinePlace;
  keptSeq: number;
  keptPlace: LinePlace;
}

function isLiving(job: JobRow): boolean {
  return job.type !== 'BUILD' && job.containerId !== null && !hasEnded(job.state);
}

async function* linesAfter(
  control: Control,
  job: JobRow,
  reading: Reading,
  follow: boolean,
  signal: AbortSignal,
): AsyncGenerator<OutputLine | 'CUT', void, undefined> {
  if (job.type === 'BUILD' || job.cleaned) return yield* keptAfter(control, job.id, reading, signal);
  const since = reading.place.timeNanos === 0n ? undefined : reading.place.timeNanos;
  let place = firstPlace;
  for await (const line of control.output(job, { since, follow }, signal)) {
    place = placeAfter(place, line);
    if (!isAfter(place, reading.place)) continue;
    reading.place = place;
    yield line;
  }
}

async function* keptAfter(
  control: Control,
  jobId: string,
  reading: Reading,
  signal: AbortSignal,
): AsyncGenerator<OutputLine | 'CUT', void, undefined> {
  while (!signal.aborted) {
    const rows = await listLines(control.store.db, jobId, reading.keptSeq, batch);
    for (const row of rows) {
      // The first kept line has number 2 when older ones were left out.
      const cut = reading.keptSeq === 0 && row.seq === 2 && row.timeNanos > reading.place.timeNanos;
      reading.keptSeq = row.seq;
      reading.keptPlace = placeAfter(reading.keptPlace, row);
      if (cut) yield 'CUT';
      if (!isAfter(reading.keptPlace, reading.place)) continue;
      reading.place = reading.keptPlace;
      yield { timeNanos: row.timeNanos, stream: row.stream, text: row.text };
    }
    if (rows.length < batch) return;
  }
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
  const reading: Reading = { place: startPlace(job.id, after), keptSeq: 0, keptPlace: firstPlace };
  const items: LogItem[] = [];
  let endCursor = writeLineCursor({ jobId: job.id, ...reading.place });
  let hasNextPage = false;
  try {
    for await (const line of linesAfter(control, job, reading, false, stop.signal)) {
      hasNextPage = items.length >= limit;
      if (hasNextPage) break;
      endCursor = writeLineCursor({ jobId: job.id, ...reading.place });
      if (line === 'CUT')
        items.push({
          kind: 'GAP',
          cursor: endCursor,
          from: after ?? null,
          to: endCursor,
          reason: 'LINES_CUT',
        });
      else items.push({ kind: 'ITEM', cursor: endCursor, item: { ...line, jobId: job.id } });
    }
  } finally {
    stop.abort();
  }
  return { items, endCursor, hasNextPage };
}
