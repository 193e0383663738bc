// Which web pages may speak to this server: those it served itself and those on the list. Requests without an Origin come
// from programs, which nothing here could stop or needs to. No cookie is ever taken, so none is allowed to be sent along.
import type { IncomingMessage, ServerResponse } from 'node:http';

export function isAllowedOrigin(request: IncomingMessage, allowed: readonly string[]): boolean {
  const { origin, host } = request.headers;
  if (origin === undefined || allowed.includes(origin)) return true;
  return URL.canParse(origin) && new URL(origin).host === host && host !== '';
}

/** Tells a browser what a listed origin may do. Others get no such header, which is a no. */
export function setCorsHeaders(
  request: IncomingMessage,
  response: ServerResponse,
  allowed: readonly string[],
): void {
  response.setHeader('vary', 'Origin');
  const { origin } = request.headers;
  if (origin === undefined || !allowed.includes(origin)) return;
  response.setHeader('access-control-allow-origin', origin);
  response.setHeader('access-control-expose-headers', 'retry-after');
  if (request.method !== 'OPTIONS') return;
  response.setHeader('access-control-allow-methods', 'GET, POST');
  response.setHeader('access-control-allow-headers', 'authorization, content-type, last-event-id');
  response.setHeader('access-control-max-age', '600');
}
