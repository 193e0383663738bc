// The log of a build, kept whole as lines of its job: written in batches, told by a hint, values of the service's
// variables taken out, terminal control characters too.
import { plainLine } from '../build/plain-text.ts';
import { appendLines, type JobLineRow, lastLineSeq } from '../postgres/job-lines.ts';
import type { Deps } from './deps.ts';

const flushEveryMs = 100;
const longestLine = 16 * 1024;
/** A build that says more than this is cut off in its log, not in its work. */
const mostLines = 50_000;
/** Of one attempt. */
const mostCharacters = 4_000_000;

export interface BuildLog {
  line(text: string): void;
  /** Everything said so far is in the table. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

export async function openBuildLog(
  deps: Pick<Deps, 'store' | 'nudges'>,
  jobId: string,
  redact: (text: string) => string,
): Promise<BuildLog> {
  let seq = await lastLineSeq(deps.store.db, jobId);
  let said = 0;
  let lastNanos = 0n;
  let pending: JobLineRow[] = [];
  let unwritten: JobLineRow[] = [];
  let writing = Promise.resolve();

  function line(text: string): void {
    if (seq >= mostLines || said >= mostCharacters) return;
    seq += 1;
    // Ever later, so that a cursor by time is a place.
    const now = BigInt(Date.now()) * 1_000_000n;
    lastNanos = now > lastNanos ? now : lastNanos + 1n;
    const plain = plainLine(redact(text)).slice(0, longestLine);
    said += plain.length;
    const isLast = seq === mostLines || said >= mostCharacters;
    const shown = isLast ? '… the rest of this log is left out.' : plain;
    pending.push({ jobId, seq, timeNanos: lastNanos, stream: 'STDOUT', text: shown });
  }
  function flush(): Promise<void> {
    writing = writing.then(async () => {
      // A batch that couldn't be written is written again with the next: rows have their numbers, none comes twice.
      const rows = [...unwritten, ...pending];
      pending = [];
      unwritten = rows;
      if (rows.length === 0) return;
      for (let from = 0; from < rows.length; from += 1_000)
        await appendLines(deps.store.db, rows.slice(from, from + 1_000));
      unwritten = [];
      deps.nudges.send([`lines:${jobId}`]);
    });
    const written = writing;
    writing = writing.catch(() => {});
    return written;
  }
  const timer = setInterval(() => void flush().catch(() => {}), flushEveryMs);
  return {
    line,
    flush,
    close: async () => {
      clearInterval(timer);
      await flush();
    },
  };
}
