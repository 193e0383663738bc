// The form in which nearly every request comes: a POST of JSON that says its length and takes JSON as the answer. It goes
// to the pipeline without the objects of the Fetch API around it, which would cost more than most queries. Whatever is wrong
// with it or unusual as a request is left, before anything of it ran, to yoga's own carrier.
import type { IncomingMessage } from 'node:http';
import type { ExecutionResult } from 'graphql';
import { processRegularResult } from 'graphql-yoga';
import type { Mask } from '../graphql/masking.ts';
import type { EdgeLimits } from './limits.ts';
import { type Carried, type OperationParams, type Pipeline, prepare, run } from './pipeline.ts';

export interface PlainAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** The type of the answer it takes; undefined when it isn't of this form, and nothing of it was read. */
export function answerTypeOf(request: IncomingMessage, { bodyBytes }: EdgeLimits): string | undefined {
  const { method, url, headers } = request;
  if (method !== 'POST' || url !== '/graphql' || headers['content-encoding'] !== undefined) return undefined;
  const length = headers['content-length'];
  if (length === undefined || Number(length) > bodyBytes) return undefined;
  return answerTypes.get(headers.accept ?? '*/*');
}

const [legacy, modern] = ['application/json', 'application/graphql-response+json'];
const answerTypes: ReadonlyMap<string, string> = new Map([
  ['*/*', legacy],
  ...[legacy, `${legacy}, */*`, `${legacy}, text/plain, */*`].map((accept) => [accept, legacy] as const),
  ...[modern, `${modern}, ${legacy}`, `${modern},${legacy};q=0.9`, `${modern}, ${legacy};q=0.9`].map(
    (accept) => [accept, modern] as const,
  ),
]);

/** Undefined when it did not arrive whole: then nobody waits for an answer. */
export function bodyOf(request: IncomingMessage): Promise<string | undefined> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.once('end', () => resolve(Buffer.concat(chunks).toString('utf8')));
    request.once('error', () => resolve(undefined));
    request.once('close', () => resolve(undefined));
  });
}

export async function answerPlain(
  pipeline: Pipeline,
  carried: Carried,
  asked: { readonly body: string; readonly type: string; readonly mask: Mask },
): Promise<PlainAnswer | undefined> {
  const operation = await prepared(pipeline, carried, asked.body);
  if (operation === undefined) return undefined;
  const result = 'errors' in operation ? { errors: operation.errors } : await run(operation, asked.mask);
  return formatted(result, asked.type);
}

/** Undefined for what is no such request or names no operation, and for subscriptions. */
async function prepared(pipeline: Pipeline, carried: Carried, body: string) {
  try {
    const params: unknown = JSON.parse(body);
    const operation = isRegular(params) ? await prepare(pipeline, carried, params) : undefined;
    return operation?.type === undefined || operation.type === 'subscription' ? undefined : operation;
  } catch {
    return undefined;
  }
}

function isRegular(params: unknown): params is OperationParams {
  if (!isObject(params)) return false;
  const { query, operationName, variables, extensions, ...rest } = params;
  return (
    typeof query === 'string' &&
    (operationName == null || typeof operationName === 'string') &&
    (variables == null || isObject(variables)) &&
    (extensions == null || isObject(extensions)) &&
    Object.keys(rest).length === 0
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Status and text are made by yoga, with this in the place of a response of the Fetch API. */
function formatted(result: ExecutionResult, type: string): PlainAnswer {
  class Response {
    readonly answer: PlainAnswer;
    constructor(body: string, init: Omit<PlainAnswer, 'body'>) {
      this.answer = { ...init, body };
    }
  }
  const made: unknown = processRegularResult(result, { Response } as never, type);
  return (made as Response).answer;
}
