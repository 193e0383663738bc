// Fetching an image from its registry through Docker Engine. Tells apart what a caller can act on: the registry doesn't
// give the image (ImageMissing, try the next way) and the engine itself fails (EngineFault, look again).
import type { IncomingMessage } from 'node:http';
import { type Engine, isStatus, wordsOf } from './docker-call.ts';
import { findImage, splitReference } from './docker-images.ts';
import { type ProgressEvent, readJsonLines } from './docker-progress.ts';
import { EngineFault, ImageMissing, type ImageProgress } from './runtime.ts';

/** When the signal fires the engine is told to stop and the signal's reason is thrown. */
export async function pullImage(
  engine: Engine,
  reference: string,
  onProgress: (progress: ImageProgress) => void,
  signal: AbortSignal,
): Promise<string> {
  const operation = `pull image ${reference}`;
  const limit = AbortSignal.any([signal, AbortSignal.timeout(engine.deadlines.transfer)]);
  try {
    const response = await beginPull(engine, operation, reference, limit);
    for await (const event of readJsonLines<ProgressEvent>(operation, response, engine.deadlines.silence)) {
      if (event.error !== undefined) throw refusal(operation, reference, event.error);
      onProgress(progressOf(event));
    }
  } catch (cause) {
    signal.throwIfAborted();
    throw await explain(engine, operation, reference, cause);
  }
  const imageId = await findImage(engine, reference);
  if (imageId !== undefined) return imageId;
  throw new ImageMissing(reference, `The registry was asked for ${reference}; it gave no image.`);
}

function beginPull(
  engine: Engine,
  operation: string,
  reference: string,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  // Without any version the engine would fetch every one there is.
  const { repository, version } = splitReference(reference);
  const fromImage = reference.includes('@') ? reference : `${repository}:${version}`;
  const query = { fromImage };
  return engine.stream(
    { operation, method: 'POST', path: '/images/create', query, deadlineMs: engine.deadlines.silence },
    signal,
  );
}

function progressOf(event: ProgressEvent): ImageProgress {
  const { current, total } = event.progressDetail ?? {};
  const text = event.status ?? event.stream ?? '';
  return {
    text: event.id === undefined ? text : `${event.id}: ${text}`,
    ...(current !== undefined && { current }),
    ...(total !== undefined && { total }),
  };
}

/** What the engine says when its own disk is at fault; it says everything else about the registry. */
const engineTrouble = /no space left on device|read-only file system|input\/output error|out of memory/i;

function refusal(operation: string, reference: string, said: string): Error {
  if (engineTrouble.test(said)) return new EngineFault(operation, `${operation}: ${said}`);
  return new ImageMissing(reference, `The registry was asked for ${reference} and did not give it: ${said}`);
}

async function explain(
  engine: Engine,
  operation: string,
  reference: string,
  cause: unknown,
): Promise<unknown> {
  if (!(cause instanceof EngineFault)) return cause;
  if (isStatus(cause, 400, 401, 403, 404, 500)) return refusal(operation, reference, wordsOf(cause));
  if (cause.statusCode !== undefined) return cause;
  // Silence: if the engine still answers, it is the registry that is silent.
  const version = await engine
    .ask({ operation: 'ping', method: 'GET', path: '/version', deadlineMs: engine.deadlines.look })
    .catch(() => undefined);
  if (version === undefined) return cause;
  return refusal(operation, reference, wordsOf(cause));
}
