// The one server: GraphQL over HTTP, as events and over WebSocket; git; health. It binds, routes and closes; each part is
// in a file of its own.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { GraphQLSchema } from 'graphql';
import type { Repositories } from '../build/git.ts';
import type { Control } from '../control/control.ts';
import { watchTokens } from '../control/token-watch.ts';
import { type Mask, makeMask } from '../graphql/masking.ts';
import { buildSchema } from '../graphql/schema.ts';
import type { Log } from '../log.ts';
import { answerText, refuseGraphql, setSafeHeaders } from './answers.ts';
import { serveRepository } from './git.ts';
import { serveGraphiql, wantsGraphiql } from './graphiql.ts';
import { serveGraphql } from './graphql.ts';
import { countGuesses } from './guesses.ts';
import { type HealthReport, serveHealth, shareLooks } from './health.ts';
import { makeIdentify } from './identify.ts';
import { type EdgeLimits, edgeLimits } from './limits.ts';
import { makePipeline } from './pipeline.ts';
import type { Ending } from './subscriptions.ts';
import { acceptSockets } from './websocket.ts';

export interface ServeOptions {
  readonly control: Control;
  readonly repositories: Repositories;
  readonly health: () => Promise<HealthReport>;
  readonly host: string;
  /** 0 for any that is free. */
  readonly port: number;
  /** Serves GraphiQL to browsers. */
  readonly development: boolean;
  /** Origins of other servers whose pages may use this one, such as https://console.example.org. */
  readonly allowedOrigins: readonly string[];
  readonly logger: Log;
  /** Tests bring their own. */
  readonly schema?: GraphQLSchema;
  readonly limits?: Partial<EdgeLimits>;
}

export interface Served {
  readonly url: string;
  readonly port: number;
  /** Ends everything within two seconds: sockets with 1001 and streams unfinished, so that clients come back. */
  close(): Promise<void>;
}

/** How long requests under way may take to end once the server closes. */
const closeMs = 1_500;

export async function serve(options: ServeOptions): Promise<Served> {
  const { control, repositories, allowedOrigins, logger } = options;
  const limits: EdgeLimits = { ...edgeLimits, ...options.limits };
  const schema = options.schema ?? buildSchema();
  const tokens = watchTokens(control);
  const mask = makeMask(logger);
  const identify = makeIdentify(control, countGuesses(limits));
  const pipeline = makePipeline({ control, schema, tokens, mask, limits });
  const shared = { pipeline, identify, tokens, mask, limits, allowedOrigins };
  const sockets = acceptSockets(shared);
  const health = shareLooks(options.health);
  const open = new Set<AbortController>();

  async function route(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url?.split('?', 1)[0] ?? '';
    if (path === '/graphql' && options.development && wantsGraphiql(request))
      return serveGraphiql(request, response);
    if (path === '/graphql') return serveGraphql(request, response, { ...shared, open });
    if (path === '/health') return serveHealth(request, response, health);
    if (path.startsWith('/git/'))
      return serveRepository(request, response, { control, repositories, identify, tokens });
    answerText(request, response, 404, 'Not found.');
  }

  const server = createServer(serverOptions, (request, response) => {
    setSafeHeaders(response);
    response.on('error', () => {});
    route(request, response).catch((error: unknown) => failed(request, response, mask, error));
  });
  server.on('upgrade', sockets.upgrade);
  const port = await listen(server, options);
  return {
    port,
    url: `http://${printableHost(options.host)}:${port}`,
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      const timer = setTimeout(() => server.closeAllConnections(), closeMs);
      for (const ending of open) ending.abort('CLOSING' satisfies Ending);
      server.closeIdleConnections();
      await Promise.all([closed, sockets.close()]);
      clearTimeout(timer);
      tokens.close();
    },
  };
}

/** A push may take long to arrive and has no other deadline; bodies of GraphQL have one of their own. */
const serverOptions = {
  headersTimeout: 15_000,
  requestTimeout: 30 * 60_000,
  keepAliveTimeout: 65_000,
  connectionsCheckingInterval: 5_000,
  maxHeaderSize: 16 * 1024,
  noDelay: true,
};

function failed(request: IncomingMessage, response: ServerResponse, mask: Mask, error: unknown): void {
  const { message, extensions } = mask(error);
  if (response.headersSent) response.destroy();
  else if (extensions.code === 'UNAVAILABLE')
    refuseGraphql(request, response, { status: 503, code: 'UNAVAILABLE', message });
  else refuseGraphql(request, response, { status: 500, code: 'INTERNAL', message });
}

function listen(server: Server, { host, port }: ServeOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve((server.address() as AddressInfo).port);
    });
  });
}

function printableHost(host: string): string {
  if (host === '0.0.0.0' || host === '::') return 'localhost';
  return host.includes(':') ? `[${host}]` : host;
}
