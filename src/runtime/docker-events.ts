// What Docker Engine tells of our containers as it happens. Hints only: the engine forgets its history when it restarts, so
// whoever listens must also list and compare. To help with that the first hint of each connection says that it stands.
import type { Engine } from './docker-call.ts';
import { readJsonLines } from './docker-progress.ts';
import { type EngineEvent, EngineFault, labels } from './runtime.ts';

/** So many hints wait for a slow consumer; further ones are dropped, for those already say "look". */
const mostWaiting = 1000;

const connected: EngineEvent = { action: 'OTHER', containerName: '', labels: {} };

interface EventLine {
  readonly Action?: string;
  readonly Actor?: { readonly Attributes?: Readonly<Record<string, string>> };
}

/**
 * Listens from the call on, not from the first read. Begins with a hint without a name once the engine listens to us; ends
 * when the connection does or the signal fires, and throws EngineFault when there is none to begin with.
 */
export function events(
  engine: Engine,
  installation: string,
  signal: AbortSignal,
): AsyncIterable<EngineEvent> {
  const ended = new AbortController();
  const queue = newQueue();
  const limit = AbortSignal.any([signal, ended.signal]);
  void listen(engine, installation, limit, queue.put).then(
    () => queue.end(undefined),
    (cause: unknown) => queue.end(limit.aborted ? undefined : cause),
  );
  return {
    [Symbol.asyncIterator]: () => ({
      next: queue.take,
      async return() {
        ended.abort();
        return { done: true, value: undefined };
      },
    }),
  };
}

async function listen(
  engine: Engine,
  installation: string,
  signal: AbortSignal,
  put: (event: EngineEvent) => void,
): Promise<void> {
  const operation = 'listen to events';
  const filters = { type: ['container'], label: [`${labels.installation}=${installation}`] };
  const question = { operation, method: 'GET', path: '/events', query: { filters } } as const;
  const response = await engine.stream({ ...question, deadlineMs: engine.deadlines.look }, signal);
  put(connected);
  try {
    for await (const line of readJsonLines<EventLine>(operation, response, undefined)) put(eventOf(line));
  } catch (cause) {
    // However an open connection ends, it has ended.
    if (!(cause instanceof EngineFault)) throw cause;
  }
}

function eventOf(line: EventLine): EngineEvent {
  const { name = '', ...attributes } = line.Actor?.Attributes ?? {};
  return { action: actionOf(line.Action), containerName: name, labels: attributes };
}

function actionOf(action: string | undefined): EngineEvent['action'] {
  if (action === 'start') return 'START';
  if (action === 'die') return 'DIE';
  return action === 'destroy' ? 'DESTROY' : 'OTHER';
}

type Taken = IteratorResult<EngineEvent, undefined>;

/** A bounded queue of one consumer. What was put before the end is still taken. */
function newQueue() {
  const waiting: EngineEvent[] = [];
  let wake = Promise.withResolvers<void>();
  let end: { cause: unknown } | undefined;
  return {
    put(event: EngineEvent) {
      if (waiting.length < mostWaiting) waiting.push(event);
      wake.resolve();
    },
    end(cause: unknown) {
      end = { cause };
      wake.resolve();
    },
    async take(): Promise<Taken> {
      for (;;) {
        const value = waiting.shift();
        if (value) return { done: false, value };
        if (end?.cause !== undefined) throw end.cause;
        if (end) return { done: true, value: undefined };
        wake = Promise.withResolvers<void>();
        await wake.promise;
      }
    },
  };
}
