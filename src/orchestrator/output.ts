// Output of a job's container as clients may see it: values of its variables taken out.
import { containerName } from '../model/jobs.ts';
import type { OutputLine } from '../model/output.ts';
import type { JobRow } from '../postgres/jobs.ts';
import type { Deps } from './deps.ts';
import { redactorFor } from './kept-lines.ts';

export async function* readOutput(
  deps: Pick<Deps, 'store' | 'vault' | 'runtime'>,
  job: JobRow,
  options: { readonly since: bigint | undefined; readonly tail?: number; readonly follow: boolean },
  signal: AbortSignal,
): AsyncGenerator<OutputLine, void, undefined> {
  if (job.containerId === null) return;
  const redact = await redactorFor(deps, job);
  const { since, tail, follow } = options;
  const wanted = {
    follow,
    signal,
    ...(since === undefined ? {} : { sinceNanos: String(since) }),
    ...(tail === undefined ? {} : { tail }),
  };
  for await (const line of deps.runtime.readLogs(containerName(job.id), wanted))
    yield { timeNanos: BigInt(line.timeNanos), stream: line.stream, text: redact(line.text) };
}
