// Translation of errors at the edge. A Refusal keeps its sentence, code and path; an error of GraphQL itself stays as it
// is; everything else is a fault: the client gets an id, and the log gets the fault under that id, once. A fault of a part
// that Berth stands on (unavailable.ts) is told as such, because trying again may help there.
import { randomUUID } from 'node:crypto';
import {
  type ExecutionResult,
  type FormattedExecutionResult,
  GraphQLError,
  type GraphQLFormattedError,
} from 'graphql';
import { LimitReached, Refusal } from '../errors.ts';
import type { Log } from '../log.ts';
import { sentences, unavailablePart } from './unavailable.ts';

export type Mask = (error: unknown) => GraphQLError;

export function makeMask(logger: Log): Mask {
  const reported = new WeakMap<object, string>();
  function report(fault: unknown): string {
    const key = typeof fault === 'object' && fault !== null ? fault : undefined;
    const known = key && reported.get(key);
    if (known !== undefined) return known;
    const id = randomUUID();
    if (key !== undefined) reported.set(key, id);
    logger.error({ err: fault, id }, 'a request failed');
    return id;
  }
  return (error) => {
    const root = rootOf(error);
    if (root instanceof Refusal) return located(error, root.message, refusalExtensions(root));
    if (root instanceof GraphQLError) return withoutCause(root, error);
    if (isAbort(root)) return located(error, 'The connection has ended.', { code: 'CANCELED' });
    const id = report(root);
    const part = unavailablePart(root);
    const message = part === undefined ? 'Something failed on our side.' : sentences[part];
    const code = part === undefined ? 'INTERNAL' : 'UNAVAILABLE';
    // `unexpected` is for the HTTP status and never sent.
    const extensions = { code, id, unexpected: true };
    return located(error, `${message} An operator finds it in the log as ${id}.`, extensions);
  };
}

/** What was thrown at first, beneath the errors that only say where. */
function rootOf(error: unknown): unknown {
  let root = error;
  for (let depth = 0; depth < 10 && root instanceof GraphQLError; depth++) {
    const beneath: unknown = root.originalError ?? root.cause;
    if (beneath === undefined || beneath === null) return root;
    root = beneath;
  }
  return root;
}

function refusalExtensions(refusal: Refusal): Record<string, unknown> {
  const { code, inputPath: path } = refusal;
  const counts = refusal instanceof LimitReached ? { limit: refusal.limit, current: refusal.current } : {};
  return { code, path, ...counts };
}

function located(error: unknown, message: string, extensions: Record<string, unknown>): GraphQLError {
  if (!(error instanceof GraphQLError)) return new GraphQLError(message, { extensions });
  const { nodes, source, positions, path } = error;
  return new GraphQLError(message, { nodes, source, positions, path, extensions });
}

/** Errors of GraphQL and of the server's own checks; some bring the text of what a parser threw, which isn't passed on. */
function withoutCause(root: GraphQLError, error: unknown): GraphQLError {
  const { originalError, ...extensions } = root.extensions;
  if (root === error && originalError === undefined) return root;
  if (originalError === undefined) return located(error, root.message, extensions);
  // For the HTTP layer `spec` would mean an error of GraphQL, answered with 200; this one is of the request itself.
  const http = { ...(extensions.http as object | undefined), spec: false };
  return located(error, root.message, { ...extensions, http });
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError';
}

/** As it is sent: without what is meant for the HTTP layer. */
export function formatResult({ errors, ...result }: ExecutionResult): FormattedExecutionResult {
  return errors === undefined ? result : { ...result, errors: errors.map(formatError) };
}

export function formatError(error: GraphQLError): GraphQLFormattedError {
  const { extensions, ...rest } = error.toJSON();
  if (extensions === undefined) return rest;
  const { http: _http, unexpected: _unexpected, originalError: _original, ...shown } = extensions;
  return Object.keys(shown).length === 0 ? rest : { ...rest, extensions: shown };
}
