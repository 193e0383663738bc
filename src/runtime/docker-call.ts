// The one wrapper around every word spoken to the Docker Engine. It holds the deadlines, because the library has none that
// can be relied on: a body cut off after its headers would hang for ever. Whatever isn't an answer becomes EngineFault,
// "unknown: look again". It dials the library's modem itself, since the library's own methods put a body into the URL too
// (the values of a container's variables among it) and gather logs whole in memory. It knows no container and no image.
import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import type Docker from 'dockerode';
import { chooseApiVersion, type DockerClients, openDockerHost } from './docker-host.ts';
import { EngineFault } from './runtime.ts';

/** How long each kind of call may take, in milliseconds. */
export interface Deadlines {
  /** Ping, list, inspect, and until a stream begins. */
  readonly look: number;
  /** Create, start, connect. */
  readonly change: number;
  readonly remove: number;
  /** Beyond the grace period of a stop. */
  readonly stopBeyondGrace: number;
  /** Without progress of a pull, or without a byte of what isn't waiting for anybody. */
  readonly silence: number;
  /** A build, a pull or an import in all. */
  readonly transfer: number;
  /** One wait for a container's end; it is asked again after that. */
  readonly wait: number;
}

export const usualDeadlines: Deadlines = {
  look: 5_000,
  change: 30_000,
  remove: 30_000,
  stopBeyondGrace: 15_000,
  silence: 60_000,
  transfer: 30 * 60_000,
  wait: 60_000,
};

export interface Question {
  /** What is tried, for a person: `start container x`. */
  readonly operation: string;
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Parts that come from a caller are encoded by `pathOf`. */
  readonly path: string;
  readonly query?: object;
  readonly body?: object;
  readonly upload?: Readable;
  readonly deadlineMs: number;
}

export interface Engine {
  readonly deadlines: Deadlines;
  /** The whole answer. 304 counts as success. */
  ask<Answer>(question: Question): Promise<Answer>;
  /** Like `ask`, with undefined for 404. */
  askIfThere<Answer>(question: Question): Promise<Answer | undefined>;
  /** The answer as it comes; the deadline ends at its headers. The signal destroys it; before that it throws the reason. */
  stream(question: Question, signal: AbortSignal): Promise<IncomingMessage>;
  close(): void;
}

/** A path whose holes are filled with encoded values: nothing from a caller becomes a path. */
export function pathOf(pieces: TemplateStringsArray, ...values: readonly string[]): string {
  return String.raw({ raw: pieces }, ...values.map(encodeURIComponent));
}

export function openEngine(host: string | undefined, deadlines: Deadlines = usualDeadlines): Engine {
  const place = openDockerHost(host);
  const closing = new AbortController();
  let agreed: Promise<DockerClients> | undefined;

  function clients(): Promise<DockerClients> {
    agreed ??= agree().catch((cause) => {
      agreed = undefined;
      throw cause;
    });
    return agreed;
  }

  async function agree(): Promise<DockerClients> {
    const question = { operation: 'agree on an API version', method: 'GET', path: '/version' } as const;
    const versions = await withDeadline(question.operation, deadlines.look, closing.signal, (signal) =>
      dial<Docker.DockerVersion>(place.bare, { ...question, deadlineMs: deadlines.look }, signal, false),
    );
    const chosen = chooseApiVersion(versions.ApiVersion, versions.MinAPIVersion);
    if (chosen) return place.clientsFor(chosen);
    throw new EngineFault(
      question.operation,
      `Docker Engine ${versions.Version} is too old: API 1.41 is needed, it has ${versions.ApiVersion}.`,
    );
  }

  async function ask<Answer>(question: Question): Promise<Answer> {
    const { calls } = await clients();
    return withDeadline(question.operation, question.deadlineMs, closing.signal, (signal) =>
      dial<Answer>(calls, question, signal, false),
    );
  }

  return {
    deadlines,
    ask,
    async askIfThere<Answer>(question: Question) {
      try {
        return await ask<Answer>(question);
      } catch (cause) {
        if (isStatus(cause, 404)) return undefined;
        throw cause;
      }
    },
    async stream(question, signal) {
      signal.throwIfAborted();
      const { streams } = await clients();
      return withDeadline(question.operation, question.deadlineMs, signal, (limit) =>
        dial<IncomingMessage>(streams, question, limit, true),
      );
    },
    close() {
      closing.abort(new EngineFault('close', 'The connection to the engine has been closed.'));
      place.close();
    },
  };
}

/** What the engine said, without what was tried. */
export function wordsOf(fault: EngineFault): string {
  const before = `${fault.operation}: `;
  return fault.message.startsWith(before) ? fault.message.slice(before.length) : fault.message;
}

export function isStatus(cause: unknown, ...statusCodes: readonly number[]): boolean {
  return cause instanceof EngineFault && statusCodes.includes(cause.statusCode ?? 0);
}

/**
 * Races the work against its deadline and the caller's signal. The race doesn't rely on the work to notice either: it is
 * told by its own signal, and left behind if it doesn't listen. The work's signal still follows the caller's afterwards.
 */
export async function withDeadline<Result>(
  operation: string,
  deadlineMs: number,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  signal.throwIfAborted();
  const late = new AbortController();
  const timer = setTimeout(() => {
    late.abort(
      new EngineFault(operation, `${operation}: the engine gave no answer within ${deadlineMs} ms.`),
    );
  }, deadlineMs);
  const limit = AbortSignal.any([signal, late.signal]);
  const { promise: stopped, reject: stop } = Promise.withResolvers<never>();
  const onLimit = () => stop(limit.reason);
  limit.addEventListener('abort', onLimit, { once: true });
  try {
    return await Promise.race([work(limit), stopped]);
  } catch (cause) {
    if (!limit.aborted) throw toFault(operation, cause);
    throw isTimeout(limit.reason) ? toFault(operation, limit.reason) : limit.reason;
  } finally {
    clearTimeout(timer);
    limit.removeEventListener('abort', onLimit);
  }
}

function isTimeout(reason: unknown): boolean {
  return reason instanceof DOMException && reason.name === 'TimeoutError';
}

const successes = { 200: true, 201: true, 204: true, 304: true };

function dial<Answer>(
  docker: Docker,
  question: Question,
  signal: AbortSignal,
  isStream: boolean,
): Promise<Answer> {
  return new Promise<Answer>((resolve, reject) => {
    const options = {
      method: question.method,
      path: `${question.path}?`,
      options: { _query: question.query ?? {}, _body: question.body ?? {} },
      file: question.upload,
      isStream,
      statusCodes: successes,
      abortSignal: signal,
    };
    docker.modem.dial(options, (cause, answer) => {
      if (cause) reject(cause);
      else resolve(answer as Answer);
    });
  });
}

function toFault(operation: string, cause: unknown): Error {
  if (cause instanceof EngineFault) return cause;
  const message = cause instanceof Error ? cause.message : String(cause);
  const statusCode = cause instanceof Error && 'statusCode' in cause ? Number(cause.statusCode) : undefined;
  // The library puts its own table's words before what the engine said.
  const said = message.replace(/^\(HTTP code \d+\) [^-]* - /, '').trim();
  return new EngineFault(operation, `${operation}: ${said}`, statusCode);
}
