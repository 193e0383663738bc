// Log streams of one job's output: everything after a cursor, in order, each line once. A build's lines, and those of a
// job whose container was cleared away, stand in the database; a living job's are read from its container.
import { setTimeout as sleep } from 'node:timers/promises';
import { InvalidInput, NotFound } from '../errors.ts';
import { authorise, type Caller } from '../model/callers.ts';
import { hasEnded } from '../model/jobs.ts';
import { firstPlace, isAfter, type LinePlace, type OutputLine, placeAfter } from '../model/output.ts';
import { type JobLineRow, type JobRow, listJobsById, listLines } from '../postgres/jobs.ts';
import type { Control } from './control.ts';
import { readLineCursor, writeLineCursor } from './cursors.ts';
import { heartbeatMs, type StreamItem } from './event-stream.ts';

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
  if (job === undefined) throw new NotFound('job', path);
  const place = { organizationId: control.installation.organizationId, environmentId: job.environmentId };
  authorise(caller, 'READ', place, 'job', path);
  return job;
}

export async function* streamOutput(
  control: Control,
  jobId: string,
  after: string | null | undefined,
  signal: AbortSignal,
): AsyncGenerator<LogItem, void, undefined> {
  let place = startPlace(jobId, after);
  const cursor = () => writeLineCursor({ jobId, ...place });
  const listening = listenFor(control, jobId);
  let caughtUp = false;
  let quietSince = performance.now();
  try {
    while (!signal.aborted) {
      const [job] = await listJobsById(control.store.db, [jobId]);
      if (job === undefined) return;
      const woken = listening.next();
      const before = place;
      for await (const [line, at] of linesAfter(control, job, place, signal)) {
        if (line === 'CUT') {
          const to = writeLineCursor({ jobId, ...at });
          yield { kind: 'GAP', cursor: to, from: cursor(), to, reason: 'LINES_CUT' };
          continue;
        }
        place = at;
        yield { kind: 'ITEM', cursor: cursor(), item: { ...line, jobId } };
        if (signal.aborted) return;
      }
      if (isAfter(place, before)) quietSince = performance.now();
      if (!caughtUp) {
        caughtUp = true;
        yield { kind: 'CAUGHT_UP', cursor: cursor() };
      }
      if (isComplete(job)) return;
      if (performance.now() - quietSince > heartbeatMs) {
        quietSince = performance.now();
        yield { kind: 'HEARTBEAT', cursor: cursor() };
      }
      await listening.wait(woken, waitFor(job), signal);
    }
  } finally {
    listening.stop();
  }
}

/** Nothing can follow: the job ended, and its last lines are where they stay. */
function isComplete(job: JobRow): boolean {
  return hasEnded(job.state) && job.cleaned;
}

/** A container's output gives no hint: it is looked at again soon. */
function waitFor(job: JobRow): number {
  return job.type === 'BUILD' ? pollMs : 100;
}

async function* linesAfter(
  control: Control,
  job: JobRow,
  from: LinePlace,
  signal: AbortSignal,
): AsyncGenerator<[OutputLine | 'CUT', LinePlace], void, undefined> {
  let place = firstPlace;
  const lines =
    job.type === 'BUILD' || job.cleaned ? kept(control, job.id, signal) : living(control, job, from, signal);
  for await (const line of lines) {
    const cut =
      'seq' in line &&
      line.seq === 2 &&
      place === firstPlace &&
      !isAfter(from, { timeNanos: line.timeNanos, ordinal: 0 });
    if (cut) yield ['CUT', { timeNanos: line.timeNanos, ordinal: 0 }];
    place = placeAfter(place, line);
    if (isAfter(place, from)) yield [line, place];
  }
}

async function* kept(control: Control, jobId: string, signal: AbortSignal): AsyncGenerator<JobLineRow> {
  let seq = 0;
  while (!signal.aborted) {
    const rows = await listLines(control.store.db, jobId, seq, batch);
    yield* rows;
    seq = rows.at(-1)?.seq ?? seq;
    if (rows.length < batch) return;
  }
}

function living(
  control: Control,
  job: JobRow,
  from: LinePlace,
  signal: AbortSignal,
): AsyncIterable<OutputLine> {
  const since = from.timeNanos === 0n ? undefined : from.timeNanos;
  return control.output(job, { since, follow: false }, signal);
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
    wait: async (hint: Promise<void>, milliseconds: number, signal: AbortSignal) => {
      const over = new AbortController();
      const tick = sleep(milliseconds, undefined, { signal: AbortSignal.any([over.signal, signal]) }).catch(
        () => {},
      );
      await Promise.race([hint, tick]);
      over.abort();
    },
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
  let place = startPlace(job.id, after);
  const items: LogItem[] = [];
  let hasNextPage = false;
  try {
    for await (const [line, at] of linesAfter(control, job, place, stop.signal)) {
      const cursor = writeLineCursor({ jobId: job.id, ...at });
      if (line === 'CUT') {
        items.push({ kind: 'GAP', cursor, from: null, to: cursor, reason: 'LINES_CUT' });
        continue;
      }
      if (items.length >= limit) {
        hasNextPage = true;
        break;
      }
      place = at;
      items.push({ kind: 'ITEM', cursor, item: { ...line, jobId: job.id } });
    }
  } finally {
    stop.abort();
  }
  return { items, endCursor: writeLineCursor({ jobId: job.id, ...place }), hasNextPage };
}
