// Where the lines of a job's output are read, and how it shows that some are missing. A build's lines, and those of a job
// whose container was cleared away, stand in the database; a living job's are read from its container, whose engine drops
// old files of it without a word: then the line at which a reader stands is no longer there.
import { hasEnded } from '../model/jobs.ts';
import { firstPlace, isAfter, type LinePlace, type OutputLine, placeAfter } from '../model/output.ts';
import { isOutputGone, listLines } from '../postgres/job-lines.ts';
import type { JobRow } from '../postgres/jobs.ts';
import type { Control } from './control.ts';

/** How far a reader has come. Kept lines are read on from `keptSeq`, so that a long log isn't read again for each line. */
export interface Reading {
  place: LinePlace;
  keptSeq: number;
  keptPlace: LinePlace;
}

/** In place of lines that can't be given; the reader stands behind them then. */
export interface MissingLines {
  readonly missing: 'LINES_CUT' | 'CONTAINER_GONE';
  readonly from: LinePlace;
}

const batch = 500;
/** A line of the other stream may bear an earlier time than one that was written before it. */
const overlapNanos = 1_000_000_000n;
/** The place behind all that a container has written. */
const lastOrdinal = 999_999_999;

export function readingFrom(place: LinePlace): Reading {
  return { place, keptSeq: 0, keptPlace: firstPlace };
}

export function isLiving(job: JobRow): boolean {
  return job.type !== 'BUILD' && job.containerId !== null && !hasEnded(job.state);
}

export async function* linesAfter(
  control: Control,
  job: JobRow,
  reading: Reading,
  follow: boolean,
  signal: AbortSignal,
): AsyncGenerator<OutputLine | MissingLines, void, undefined> {
  if (job.type === 'BUILD' || job.cleaned) {
    yield* keptAfter(control, job.id, reading, signal);
    if (reading.keptSeq === 0) yield* goneAfter(control, job, reading);
    return;
  }
  const begin = reading.place;
  const since = begin.timeNanos > overlapNanos ? begin.timeNanos - overlapNanos : undefined;
  let found = begin.timeNanos === 0n;
  let place = firstPlace;
  for await (const line of control.output(job, { since, follow }, signal)) {
    place = placeAfter(place, line);
    found ||= place.timeNanos === begin.timeNanos;
    if (!isAfter(place, reading.place)) continue;
    if (!found) {
      found = true;
      reading.place = beforeLine(place);
      yield { missing: 'LINES_CUT', from: begin };
    }
    reading.place = place;
    yield line;
  }
}

async function* keptAfter(
  control: Control,
  jobId: string,
  reading: Reading,
  signal: AbortSignal,
): AsyncGenerator<OutputLine | MissingLines, void, undefined> {
  while (!signal.aborted) {
    const rows = await listLines(control.store.db, jobId, reading.keptSeq, batch);
    for (const row of rows) {
      // The first kept line has number 2 when older ones were left out.
      const cut = reading.keptSeq === 0 && row.seq === 2 && row.timeNanos > reading.place.timeNanos;
      reading.keptSeq = row.seq;
      reading.keptPlace = placeAfter(reading.keptPlace, row);
      if (cut) {
        const from = reading.place;
        reading.place = beforeLine(reading.keptPlace);
        yield { missing: 'LINES_CUT', from };
      }
      if (!isAfter(reading.keptPlace, reading.place)) continue;
      reading.place = reading.keptPlace;
      yield { timeNanos: row.timeNanos, stream: row.stream, text: row.text };
    }
    if (rows.length < batch) return;
  }
}

/** Told to each reader once: its next cursor stands behind all that there was. */
async function* goneAfter(
  { store }: Control,
  job: JobRow,
  reading: Reading,
): AsyncGenerator<MissingLines, void, undefined> {
  const from = reading.place;
  if (from.ordinal === lastOrdinal || !(await isOutputGone(store.db, job.id))) return;
  const stopped = BigInt(job.stoppedAt?.getTime() ?? 0) * 1_000_000n;
  reading.place = {
    timeNanos: stopped > from.timeNanos ? stopped : from.timeNanos,
    ordinal: lastOrdinal,
  };
  yield { missing: 'CONTAINER_GONE', from };
}

function beforeLine({ timeNanos, ordinal }: LinePlace): LinePlace {
  return { timeNanos, ordinal: ordinal - 1 };
}
