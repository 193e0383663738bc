// Reads the lines of JSON in which the engine tells of a build, a pull, an import and of events. Pull-based: nothing is
// read before it is asked for. It knows the shape of the lines and nothing of what they mean.
import type { IncomingMessage } from 'node:http';
import { EngineFault } from './runtime.ts';

export interface ProgressEvent {
  readonly stream?: string;
  readonly status?: string;
  readonly id?: string;
  readonly progressDetail?: { readonly current?: number; readonly total?: number };
  readonly error?: string;
  readonly aux?: { readonly ID?: string };
}

/** More than any line the engine writes. */
const longestLine = 8 * 1024 * 1024;

/** Throws EngineFault when the answer breaks off, stays silent for longer than allowed, or isn't JSON. */
export async function* readJsonLines<Line>(
  operation: string,
  response: IncomingMessage,
  silenceMs: number | undefined,
): AsyncGenerator<Line, void, undefined> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of readChunks(operation, response, silenceMs)) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > longestLine) throw new EngineFault(operation, `${operation}: a line without end.`);
    for (const line of lines) if (line.trim() !== '') yield parseLine(operation, line);
  }
  if (rest.trim() !== '') yield parseLine(operation, rest);
}

function parseLine<Line>(operation: string, line: string): Line {
  try {
    return JSON.parse(line) as Line;
  } catch {
    throw new EngineFault(operation, `${operation}: the engine's answer is not JSON.`);
  }
}

/** The bytes of an answer, with a bound on silence. However the reading ends, the connection is gone afterwards. */
export async function* readChunks(
  operation: string,
  response: IncomingMessage,
  silenceMs: number | undefined,
): AsyncGenerator<Buffer, void, undefined> {
  let silent = false;
  const chunks = response.iterator({ destroyOnReturn: true });
  try {
    for (;;) {
      const timer =
        silenceMs === undefined
          ? undefined
          : setTimeout(() => {
              silent = true;
              response.destroy(new Error('silent'));
            }, silenceMs);
      const next: IteratorResult<Buffer> = await chunks.next().finally(() => clearTimeout(timer));
      if (next.done) break;
      yield next.value;
    }
    if (!response.complete) throw new Error('the answer broke off');
  } catch (cause) {
    const why = silent
      ? `nothing came for ${silenceMs} ms`
      : cause instanceof Error
        ? cause.message
        : String(cause);
    throw new EngineFault(operation, `${operation}: ${why}`);
  } finally {
    response.destroy();
  }
}
