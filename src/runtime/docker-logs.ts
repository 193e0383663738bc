// A container's log through the API of Docker Engine, each line once and none missing. The engine's own follow may repeat
// lines, skip some, end early and stop at the container's end before all is told. So it follows only while little is written
// (docker-log-pace.ts), is asked again from a little earlier whenever it ends, and once more without follow after the
// container has. Pull-based: nothing is read ahead of the consumer but what the sockets hold. What a line is stands in
// docker-log-lines.ts, which ones are new in docker-log-window.ts.
import { setTimeout as sleep } from 'node:timers/promises';
import { type Engine, isStatus, pathOf, type Question } from './docker-call.ts';
import { lookAt, lookAtId } from './docker-containers.ts';
import { engineTime, newLineReader } from './docker-log-lines.ts';
import { hurryBytes, newLogPace } from './docker-log-pace.ts';
import { type LogWindow, newLogWindow } from './docker-log-window.ts';
import { readChunks } from './docker-progress.ts';
import { EngineFault, type LogLine } from './runtime.ts';

export interface LogOptions {
  readonly sinceNanos?: string;
  readonly tail?: number;
  readonly follow: boolean;
  readonly signal: AbortSignal;
}

/** Between two tries to follow a container that has written nothing, or hasn't been started yet. */
const followAgainMs = 200;

/**
 * `sinceNanos` is inclusive. Without `follow` it ends with what is there. Ends quietly when the signal fires or the container
 * is gone, also before lines that don't follow those handed on (the engine has dropped what lay between): whoever asks again
 * from the last line's time sees by its absence that some are missing. Throws EngineFault when the engine doesn't answer, and can then be called again from the last line's time.
 */
export async function* readLogs(
  engine: Engine,
  name: string,
  options: LogOptions,
): AsyncGenerator<LogLine, void> {
  const { signal } = options;
  if (signal.aborted) return;
  const container = await lookAt(engine, name);
  if (!container) return;
  const reading: Reading = {
    engine,
    name,
    id: container.id,
    options,
    window: newLogWindow(),
    newest: undefined,
    torn: false,
    openSince: undefined,
  };
  try {
    if (options.follow) yield* followToEnd(reading);
    if (!reading.torn) yield* readOnce(reading, 'LAST');
  } catch (cause) {
    if (!signal.aborted) throw cause;
  }
}

/** Until the container has exited or is gone. */
async function* followToEnd(reading: Reading): AsyncGenerator<LogLine, void> {
  const { engine, name, id, options } = reading;
  for (;;) {
    while (yield* readOnce(reading, 'CATCH_UP'));
    if (reading.torn) return;
    if (yield* readOnce(reading, 'FOLLOW')) continue;
    if (reading.torn) return;
    const now = await lookAtId(engine, name, id);
    if (now === undefined || now.state === 'EXITED') return;
    await sleep(followAgainMs, undefined, { signal: options.signal });
  }
}

/** What is there already, what comes, or what is there after the end. */
type Round = 'CATCH_UP' | 'FOLLOW' | 'LAST';

interface Reading {
  readonly engine: Engine;
  readonly name: string;
  readonly id: string;
  readonly options: LogOptions;
  readonly window: LogWindow;
  /** The newest time that was handed on; undefined before the first line. */
  newest: bigint | undefined;
  /** Lines are missing after it: the engine has dropped the file it stood in. */
  torn: boolean;
  /** The time of a line that was read in part when the last round ended; the next one must read it whole. */
  openSince: string | undefined;
}

/**
 * One request. Answers whether much more may have been written meanwhile. Following, a connection that breaks is an end like
 * any other: whether the container has ended shows afterwards.
 */
async function* readOnce(reading: Reading, round: Round): AsyncGenerator<LogLine, boolean> {
  const { engine, name, options, window } = reading;
  const operation = `read the log of ${name}`;
  const follow = round === 'FOLLOW';
  const lines = newLineReader();
  const pace = newLogPace(performance.now());
  let freshInAll = 0;
  // What was handed on last must come again at the beginning of every later round.
  const before = reading.newest;
  let joined = before === undefined;
  const question = questionOf(reading, operation, follow);
  window.restart();
  try {
    const response = await engine.stream(question, options.signal);
    for await (const chunk of readChunks(
      operation,
      response,
      follow ? undefined : engine.deadlines.silence,
    )) {
      const begin = performance.now();
      let fresh = 0;
      for (const line of lines.read(chunk)) {
        const time = BigInt(line.timeNanos);
        joined ||= time <= (before ?? time);
        reading.torn ||= !joined;
        if (reading.torn) return false;
        if (!window.accept(line)) continue;
        if (reading.newest === undefined || time > reading.newest) reading.newest = time;
        fresh += line.text.length;
        yield line;
      }
      freshInAll += fresh;
      const now = performance.now();
      if (follow && pace.isBehind(chunk.length, fresh, now - begin, now)) return true;
    }
  } catch (cause) {
    // A container that is being removed has no log any more, shortly before it is gone.
    if (isStatus(cause, 404) || isStatus(cause, 409)) return false;
    if (options.signal.aborted || !follow || !isBroken(cause)) throw cause;
  } finally {
    reading.openSince = lines.openSince();
  }
  if (round === 'LAST' && joined) for (const line of lines.end()) if (window.accept(line)) yield line;
  return round === 'CATCH_UP' && freshInAll > hurryBytes;
}

function questionOf(reading: Reading, operation: string, follow: boolean): Question {
  return {
    operation,
    method: 'GET',
    path: pathOf`/containers/${reading.id}/logs`,
    query: { stdout: true, stderr: true, timestamps: true, follow, ...boundsOf(reading) },
    deadlineMs: reading.engine.deadlines.look,
  };
}

/** The first request is bounded as the caller asked; later ones begin shortly before the newest line. */
function boundsOf({ options, window, openSince }: Reading): { since?: string; tail?: number } {
  const resume = window.resumeNanos();
  if (resume !== undefined) {
    const earlier = openSince !== undefined && BigInt(openSince) < BigInt(resume) ? openSince : resume;
    return { since: engineTime(earlier) };
  }
  return {
    ...(options.sinceNanos !== undefined && { since: engineTime(options.sinceNanos) }),
    ...(options.tail !== undefined && { tail: options.tail }),
  };
}

function isBroken(cause: unknown): boolean {
  return cause instanceof EngineFault && cause.statusCode === undefined;
}
