// A job's last lines of output: for the cause of a failure, and kept when its container is cleared away. Values of its
// variables are taken out before anything is written down.
import { keptLineLength, keptLines } from '../model/failures.ts';
import { containerName } from '../model/jobs.ts';
import { redactor } from '../model/redaction.ts';
import { type JobLineRow, listLastLines } from '../postgres/job-lines.ts';
import type { JobRow } from '../postgres/jobs.ts';
import { openSecrets } from '../postgres/variables.ts';
import { EngineFault, ForeignObject, type LogLine } from '../runtime/runtime.ts';
import type { Deps, Hold } from './deps.ts';

/** How many lines of an ended job are kept, and how large all of them may be. */
const keptTail = 1_000;
const keptBytes = 512 * 1024;

export async function lastLinesOf(hold: Hold, job: JobRow): Promise<string[]> {
  const fromEngine = await tail(hold, job, keptLines).catch((error: unknown) => {
    if (error instanceof EngineFault) return [];
    throw error;
  });
  const lines =
    fromEngine.length > 0 ? fromEngine : await listLastLines(hold.deps.store.db, job.id, keptLines);
  return lines.slice(-keptLines).map((line) => line.text.slice(0, keptLineLength));
}

/** Rows to keep. The first has number 2 when older lines were left out. */
export async function tailToKeep(hold: Hold, job: JobRow): Promise<JobLineRow[]> {
  const lines = await tail(hold, job, keptTail);
  let bytes = 0;
  const kept = lines.reverse().filter((line) => {
    bytes += line.text.length;
    return bytes <= keptBytes;
  });
  kept.reverse();
  const first = kept.length === lines.length && lines.length < keptTail ? 1 : 2;
  return kept.map(({ timeNanos, stream, text }, index) => ({
    jobId: job.id,
    seq: first + index,
    timeNanos: BigInt(timeNanos),
    stream,
    text,
  }));
}

async function tail({ deps, signal }: Hold, job: JobRow, count: number): Promise<LogLine[]> {
  if (job.containerId === null) return [];
  const redact = await redactorFor(deps, job);
  const lines: LogLine[] = [];
  try {
    const options = { tail: count, follow: false, signal };
    for await (const line of deps.runtime.readLogs(containerName(job.id), options))
      lines.push({ ...line, text: redact(line.text) });
  } catch (error) {
    if (!(error instanceof ForeignObject)) throw error;
  }
  return lines;
}

export async function redactorFor(
  deps: Pick<Deps, 'store' | 'vault'>,
  job: JobRow,
): Promise<(text: string) => string> {
  const refs = Object.entries(job.spec?.variables ?? {});
  const values = await openSecrets(
    deps.store.db,
    deps.vault,
    refs.map(([, ref]) => ref.secretId),
  );
  const named = refs.map(([name, ref]): [string, string] => [name, values.get(ref.secretId) ?? '']);
  return redactor(named);
}
