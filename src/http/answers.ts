// Short answers and the headers that every answer has.
import type { IncomingMessage, ServerResponse } from 'node:http';

/** What runs nowhere, is framed nowhere and is kept nowhere, unless a part of the server says otherwise. */
export function setSafeHeaders(response: ServerResponse): void {
  response.setHeader('x-content-type-options', 'nosniff');
  response.setHeader('content-security-policy', "default-src 'none'; frame-ancestors 'none'");
  response.setHeader('x-frame-options', 'DENY');
  response.setHeader('referrer-policy', 'no-referrer');
  response.setHeader('cache-control', 'no-store');
}

export interface RefusedRequest {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A refusal before GraphQL, in the shape of one of GraphQL. */
export function refuseGraphql(
  request: IncomingMessage,
  response: ServerResponse,
  refused: RefusedRequest,
): void {
  const { status, code, message, headers } = refused;
  const modern = request.headers.accept?.includes('application/graphql-response+json') === true;
  const type = modern ? 'application/graphql-response+json' : 'application/json';
  const body = JSON.stringify({ errors: [{ message, extensions: { code } }] });
  answer(request, response, status, body, { 'content-type': `${type}; charset=utf-8`, ...headers });
}

export function answerText(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  sentence: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  const type = { 'content-type': 'text/plain; charset=utf-8' };
  answer(request, response, status, `${sentence}\n`, { ...type, ...headers });
}

/** Whoever is still sending is read out for a while by Node; a connection with a rest unread isn't used again. */
export function answer(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  content: string | Buffer,
  headers: Readonly<Record<string, string>>,
): void {
  if (response.headersSent || response.destroyed) return;
  // Node writes a long text far slower than its bytes.
  const body = typeof content === 'string' ? Buffer.from(content) : content;
  if (!request.complete) {
    response.setHeader('connection', 'close');
    request.resume();
  }
  response.writeHead(status, { ...headers, 'content-length': body.length });
  response.end(request.method === 'HEAD' ? undefined : body);
}
