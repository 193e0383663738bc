// GraphiQL for browsers, in development only. The page holds all it needs; nothing is fetched from elsewhere. Queries and
// subscriptions (as events) take the token from the headers editor, which isn't kept in the browser.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { renderGraphiQL } from '@graphql-yoga/render-graphiql';
import { answer } from './answers.ts';

const defaultQuery = `# Put your token behind "Bearer" in the Headers tab below.
# The book icon on the left describes the whole API.
# Ctrl-Enter runs the operation under the cursor.

query Environments {
  environments(first: 20) {
    nodes {
      id
      name
      namespace
      status
    }
  }
}

# Everything that happens in an environment, live: give the id of one.
subscription Watch($environmentId: ID!) {
  environmentEvents(environmentId: $environmentId) {
    __typename
    ... on Event {
      occurredAt
      message
    }
  }
}
`;

/** What the page needs: its inline script, editors' workers from blobs, and this server. */
const policy = [
  "default-src 'none'",
  "script-src 'unsafe-inline' blob:",
  'worker-src blob:',
  "style-src 'unsafe-inline'",
  'font-src data:',
  'img-src data:',
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

let page: Buffer | undefined;

export function wantsGraphiql(request: IncomingMessage): boolean {
  return request.method === 'GET' && request.headers.accept?.includes('text/html') === true;
}

export function serveGraphiql(request: IncomingMessage, response: ServerResponse): void {
  page ??= Buffer.from(
    renderGraphiQL({
      title: 'Berth',
      defaultQuery,
      defaultHeaders: '{ "Authorization": "Bearer " }',
      shouldPersistHeaders: false,
      subscriptionsProtocol: 'SSE',
      credentials: 'omit',
    }),
  );
  answer(request, response, 200, page, {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': policy,
  });
}
