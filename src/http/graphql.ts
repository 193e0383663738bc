// GraphQL over HTTP: who may ask, in which form, and the answer of the pipeline back to the client. Bodies are JSON and
// nothing else: a page of a foreign origin can't send JSON without asking first, and is told no.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Mask } from '../graphql/masking.ts';
import type { Caller } from '../model/callers.ts';
import { answer, type RefusedRequest, refuseGraphql } from './answers.ts';
import { addressOf, bearerToken, type Identify } from './identify.ts';
import type { EdgeLimits } from './limits.ts';
import { isAllowedOrigin, setCorsHeaders } from './origins.ts';
import type { Pipeline } from './pipeline.ts';
import { answerPlain, answerTypeOf, bodyOf } from './plain-request.ts';
import type { Ending } from './subscriptions.ts';

export interface GraphqlOptions {
  readonly pipeline: Pipeline;
  readonly identify: Identify;
  readonly mask: Mask;
  readonly limits: EdgeLimits;
  readonly allowedOrigins: readonly string[];
  /** Operations under way, to be ended when the server closes. */
  readonly open: Set<AbortController>;
}

export async function serveGraphql(
  request: IncomingMessage,
  response: ServerResponse,
  options: GraphqlOptions,
): Promise<void> {
  const { allowedOrigins, limits, open } = options;
  setCorsHeaders(request, response, allowedOrigins);
  const refused = refusal(request, allowedOrigins);
  if (refused !== undefined) return refuseGraphql(request, response, refused);
  if (request.method === 'OPTIONS') return answer(request, response, 204, '', {});
  const timer = setTimeout(() => tooSlow(request, response), limits.bodyMs);
  request.once('end', () => clearTimeout(timer));
  const ending = new AbortController();
  open.add(ending);
  response.once('close', () => {
    clearTimeout(timer);
    open.delete(ending);
    ending.abort('LEFT' satisfies Ending);
  });
  const caller = await identified(request, response, options.identify);
  if (caller === refusedAlready) return;
  await respond(request, response, { caller, ending, options });
}

const refusedAlready = Symbol('refused');

function refusal(request: IncomingMessage, allowedOrigins: readonly string[]): RefusedRequest | undefined {
  if (!isAllowedOrigin(request, allowedOrigins))
    return {
      status: 403,
      code: 'FORBIDDEN',
      message: 'Pages of this origin may not use this server. An operator can allow it.',
    };
  if (request.method !== 'POST') return undefined;
  const [type = '', ...parameters] = (request.headers['content-type'] ?? '').toLowerCase().split(';');
  const charset = parameters.find((each) => each.trim().startsWith('charset='))?.split('=')[1];
  const isJson = type.trim() === 'application/json';
  if (isJson && /^("?utf-8"?)?$/.test(charset?.trim() ?? '')) return undefined;
  return {
    status: 415,
    code: 'BAD_REQUEST',
    message: 'The body must be JSON in UTF-8: send Content-Type: application/json.',
  };
}

function tooSlow(request: IncomingMessage, response: ServerResponse): void {
  if (request.complete) return;
  response.once('finish', () => request.destroy());
  refuseGraphql(request, response, {
    status: 408,
    code: 'BAD_REQUEST',
    message: 'The body did not arrive in time.',
  });
}

async function identified(
  request: IncomingMessage,
  response: ServerResponse,
  identify: Identify,
): Promise<Caller | undefined | typeof refusedAlready> {
  const identity = await identify(bearerToken(request.headers.authorization), addressOf(request));
  if (identity.kind === 'NONE') return undefined;
  if (identity.kind === 'CALLER') return identity.caller;
  if (identity.kind === 'INVALID')
    refuseGraphql(request, response, {
      status: 401,
      code: 'UNAUTHENTICATED',
      message: 'The token is unknown, was revoked or has expired. Send Authorization: Bearer <token>.',
      headers: { 'www-authenticate': 'Bearer realm="Berth"' },
    });
  else
    refuseGraphql(request, response, {
      status: 429,
      code: 'LIMIT',
      message: `Too many wrong tokens came from this address. Try again in ${identity.seconds} s.`,
      headers: { 'retry-after': String(identity.seconds) },
    });
  return refusedAlready;
}

interface Asked {
  readonly caller: Caller | undefined;
  readonly ending: AbortController;
  readonly options: GraphqlOptions;
}

/** Event streams are written by the pipeline's own carrier; any other answer is short and written here. */
async function respond(
  request: IncomingMessage,
  response: ServerResponse,
  { caller, ending, options }: Asked,
): Promise<void> {
  const { pipeline, limits, mask } = options;
  // A URL is made of it, and no other part of the pipeline needs it.
  request.headers.host = 'localhost';
  const given = request.headers['last-event-id'];
  const lastEventId = typeof given === 'string' && given !== '' ? given : undefined;
  const carried = { req: request, res: response, caller, ending, lastEventId };
  const type = answerTypeOf(request, limits);
  if (type === undefined)
    return pass(request, response, await pipeline.handleNodeRequestAndResponse(request, response, carried));
  const body = await bodyOf(request);
  if (body === undefined) return;
  const plain = await answerPlain(pipeline, carried, { body, type, mask });
  if (plain !== undefined) return answer(request, response, plain.status, plain.body, plain.headers);
  const init = { method: 'POST', headers: request.headers as Record<string, string>, body };
  await pass(request, response, await pipeline.fetch('http://localhost/graphql', init, carried));
}

async function pass(request: IncomingMessage, response: ServerResponse, result: Response): Promise<void> {
  if (response.headersSent || response.destroyed) return;
  const body = Buffer.from(await result.arrayBuffer());
  if (body.length === 0 && result.status >= 400)
    return refuseGraphql(request, response, {
      status: result.status,
      code: 'BAD_REQUEST',
      message: 'Answers are JSON: send Accept: application/json or application/graphql-response+json.',
    });
  answer(request, response, result.status, body, Object.fromEntries(result.headers));
}
