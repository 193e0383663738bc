// A container's log through the API of Docker Engine, each line once and none missing: the engine's own follow may repeat
// lines, end early and stop at the container's end before all is told. So it is asked again from a little earlier whenever
// it ends, and once more without follow after the container has. Pull-based: nothing is read ahead of the consumer but what
// the sockets hold. What a line is stands in docker-log-lines.ts, which ones are new in docker-log-window.ts.
import { setTimeout as sleep } from 'node:timers/promises';
import { type Engine, pathOf } from './docker-call.ts';
import { lookAt, lookAtId } from './docker-containers.ts';
import { engineTime, newLineReader } from './docker-log-lines.ts';
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
 * is gone; throws EngineFault when the engine doesn't answer, and can then be called again from the last line's time.
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
  const reading = { engine, name, id: container.id, options, window: newLogWindow() };
  try {
    if (!options.follow) {
      yield* readOnce(reading, false);
      return;
    }
    for (let running = true; running && !signal.aborted; ) {
      yield* readOnce(reading, true);
      const now = await lookAtId(engine, name, container.id);
      if (!now) return;
      running = now.state !== 'EXITED';
      if (running) await sleep(followAgainMs, undefined, { signal });
    }
    yield* readOnce(reading, false);
  } catch (cause) {
    if (!signal.aborted) throw cause;
  }
}

interface Reading {
  readonly engine: Engine;
  readonly name: string;
  readonly id: string;
  readonly options: LogOptions;
  readonly window: LogWindow;
}

/** One request. Following, a connection that breaks is an end like any other: whether it was one shows afterwards. */
async function* readOnce(reading: Reading, follow: boolean): AsyncGenerator<LogLine, void> {
  const { engine, name, id, options, window } = reading;
  const operation = `read the log of ${name}`;
  const question = {
    operation,
    method: 'GET',
    path: pathOf`/containers/${id}/logs`,
    query: { stdout: true, stderr: true, timestamps: true, follow, ...boundsOf(options, window) },
    deadlineMs: engine.deadlines.look,
  } as const;
  const lines = newLineReader();
  window.restart();
  try {
    const response = await engine.stream(question, options.signal);
    for await (const chunk of readChunks(
      operation,
      response,
      follow ? undefined : engine.deadlines.silence,
    )) {
      for (const line of lines.read(chunk)) if (window.accept(line)) yield line;
    }
  } catch (cause) {
    if (cause instanceof EngineFault && cause.statusCode === 404) return;
    if (options.signal.aborted || !follow || !isBroken(cause)) throw cause;
  }
  for (const line of lines.end()) if (window.accept(line)) yield line;
}

/** The first request is bounded as the caller asked; later ones begin shortly before the newest line. */
function boundsOf(options: LogOptions, window: LogWindow): { since?: string; tail?: number } {
  const resume = window.resumeNanos();
  if (resume !== undefined) return { since: engineTime(resume) };
  return {
    ...(options.sinceNanos !== undefined && { since: engineTime(options.sinceNanos) }),
    ...(options.tail !== undefined && { tail: options.tail }),
  };
}

function isBroken(cause: unknown): boolean {
  return cause instanceof EngineFault && cause.statusCode === undefined;
}
