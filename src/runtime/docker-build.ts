// Building an image from a tar stream on Docker Engine, with the classic builder: it holds a build to its memory and CPU,
// which BuildKit doesn't. Tells the build's own fault (BuildFailed) from the engine's (EngineFault).
import type { Readable } from 'node:stream';
import { type Engine, isStatus, wordsOf } from './docker-call.ts';
import { findImage } from './docker-images.ts';
import { cpuLimits } from './docker-limits.ts';
import { type ProgressEvent, readJsonLines } from './docker-progress.ts';
import { BuildFailed, type BuildOptions, EngineFault } from './runtime.ts';

/** Build output without a line end is handed on in pieces of this many characters. */
const longestOutputLine = 16 * 1024;

/**
 * A quiet step is no failure; only the time in all is bounded. When the signal fires the build stops and the signal's
 * reason is thrown.
 */
export async function buildImage(
  engine: Engine,
  context: Readable,
  options: BuildOptions,
  onLine: (line: string) => void,
  signal: AbortSignal,
): Promise<string> {
  const operation = `build image ${options.tag}`;
  const limit = AbortSignal.any([signal, AbortSignal.timeout(engine.deadlines.transfer)]);
  try {
    const question = {
      operation,
      method: 'POST',
      path: '/build',
      query: buildQuery(options),
      upload: context,
      deadlineMs: engine.deadlines.transfer,
    } as const;
    const response = await engine.stream(question, limit);
    const events = readJsonLines<ProgressEvent>(operation, response, undefined);
    return await followBuild(engine, operation, options.tag, events, onLine);
  } catch (cause) {
    signal.throwIfAborted();
    if (isBuildsOwnFault(cause)) throw new BuildFailed(wordsOf(cause));
    throw cause;
  } finally {
    context.destroy();
  }
}

function buildQuery(options: BuildOptions): object {
  const { cpuPeriod, cpuQuota } = cpuLimits(options.cpuMillis);
  return {
    t: options.tag,
    dockerfile: options.dockerfile,
    labels: options.labels,
    buildargs: options.buildArgs,
    memory: options.memoryBytes,
    memswap: options.memoryBytes,
    cpuperiod: cpuPeriod,
    cpuquota: cpuQuota,
    rm: true,
    forcerm: true,
  };
}

async function followBuild(
  engine: Engine,
  operation: string,
  tag: string,
  events: AsyncIterable<ProgressEvent>,
  onLine: (line: string) => void,
): Promise<string> {
  let imageId: string | undefined;
  let tagged = false;
  let rest = '';
  for await (const event of events) {
    if (event.aux?.ID !== undefined) imageId = event.aux.ID;
    if (event.stream?.startsWith('Successfully tagged')) tagged = true;
    const lines = (rest + outputOf(event)).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) onLine(line.replace(/\r$/, ''));
    if (rest.length > longestOutputLine || event.error !== undefined) {
      if (rest !== '') onLine(rest);
      rest = '';
    }
    if (event.error !== undefined) throw new BuildFailed(event.error);
  }
  if (rest !== '') onLine(rest);
  // The tag alone proves nothing: it may still be an earlier build's.
  imageId ??= tagged ? await findImage(engine, tag) : undefined;
  if (imageId === undefined) throw new EngineFault(operation, `${operation}: ended without an image.`);
  return imageId;
}

/** Progress of a base image's layers repeats by the second: only what is said once is output. */
function outputOf(event: ProgressEvent): string {
  if (event.stream !== undefined) return event.stream;
  if (event.status === undefined || event.progressDetail?.total !== undefined) return '';
  return `${event.id === undefined ? '' : `${event.id}: `}${event.status}\n`;
}

/** A Dockerfile that can't be read is refused before the first step, with a status instead of an event. */
function isBuildsOwnFault(cause: unknown): cause is EngineFault {
  if (!(cause instanceof EngineFault)) return false;
  return isStatus(cause, 400) || (isStatus(cause, 500) && /dockerfile/i.test(cause.message));
}
