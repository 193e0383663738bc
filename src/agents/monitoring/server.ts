// The agent's door: HTTPS for those who bear a client's certificate of the one authority that may connect, and silence for
// everybody else in the network. Whoever is slow, greedy or hangs meets a bound of his own: connections are counted by
// address, and each of their parts has a deadline. What a request means stands in routes.ts.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { type ErrorCode, LimitReached, Refusal } from '../../errors.ts';
import type { Log } from '../../log.ts';
import { monitoringAgent } from '../../model/monitoring/agent.ts';
import type { Routes } from './routes.ts';

export interface ServerOptions {
  readonly host: string;
  readonly port: number;
  /** Certificate and key. */
  readonly serverPem: string;
  /** Who issues the certificates of clients. */
  readonly authorityPem: string;
  readonly routes: Routes;
  readonly log: Log;
}

export interface AgentServer {
  readonly port: number;
  /** Who waits is answered; who doesn't listen is cut off. */
  close(): Promise<void>;
}

const longestBody = 16 * 1024 * 1024;
const mostConnectionsOfAnAddress = 16;
const closeGraceMs = 2_000;

const deadlines = {
  handshakeTimeout: 5_000,
  headersTimeout: 5_000,
  requestTimeout: 10_000,
  keepAliveTimeout: 60_000,
  connectionsCheckingInterval: 1_000,
} as const;
const silenceMs = monitoringAgent.longestWaitMs + 5_000;

const statuses: Readonly<Record<ErrorCode, number>> = {
  INVALID: 400,
  FORBIDDEN: 403,
  NOT_FOUND: 404,
  CONFLICT: 409,
  STALE: 409,
  LIMIT: 413,
  NOT_REDEPLOYABLE: 409,
  UNAVAILABLE: 503,
};

export async function openServer({ host, port, ...options }: ServerOptions): Promise<AgentServer> {
  const stopping = new AbortController();
  const server = createServer(
    {
      key: options.serverPem,
      cert: options.serverPem,
      ca: options.authorityPem,
      requestCert: true,
      rejectUnauthorized: true,
      minVersion: 'TLSv1.3',
      maxHeaderSize: 8 * 1024,
      ...deadlines,
    },
    (request, response) => void answer(options, request, response, stopping.signal),
  );
  server.timeout = silenceMs;
  boundConnections(server);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      stopping.abort();
      server.closeIdleConnections();
      const cutOff = setTimeout(() => server.closeAllConnections(), closeGraceMs);
      await closed;
      clearTimeout(cutOff);
    },
  };
}

/** Before the handshake: any container of the network may open connections, and none may use up the places of others. */
function boundConnections(server: ReturnType<typeof createServer>): void {
  const counts = new Map<string, number>();
  const count = (address: string, by: number): number => {
    const now = (counts.get(address) ?? 0) + by;
    if (now === 0) counts.delete(address);
    else counts.set(address, now);
    return now;
  };
  server.on('connection', (socket: Socket) => {
    const { remoteAddress = '' } = socket;
    socket.once('close', () => count(remoteAddress, -1));
    if (count(remoteAddress, 1) > mostConnectionsOfAnAddress) socket.destroy();
  });
}

async function answer(
  { routes, log }: Pick<ServerOptions, 'routes' | 'log'>,
  request: IncomingMessage,
  response: ServerResponse,
  stopping: AbortSignal,
): Promise<void> {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  const say = (status: number, body: object, close = status >= 400): void => {
    if (response.destroyed) return;
    response.writeHead(status, {
      'content-type': 'application/json',
      ...(close ? { connection: 'close' } : {}),
    });
    response.end(JSON.stringify(body));
  };
  try {
    const [path = '', search] = (request.url ?? '').split('?', 2);
    const route = routes.get(`${request.method} ${path}`);
    if (route === undefined) return say(...refusalOf(routes, path));
    const body = await bodyOf(request);
    const signal = AbortSignal.any([gone.signal, stopping]);
    say(
      200,
      await route({ query: Object.fromEntries(new URLSearchParams(search)), body, signal }),
      stopping.aborted,
    );
  } catch (fault) {
    if (fault instanceof Refusal) return say(statuses[fault.code], { error: fault.message });
    if (gone.signal.aborted || !request.complete) return;
    log.error({ err: fault, path: request.url }, 'A request failed.');
    say(500, { error: 'The agent failed. Its log says why.' });
  }
}

function refusalOf(routes: Routes, path: string): [number, object] {
  const methods = [...routes.keys()].flatMap((each) => (each.endsWith(` ${path}`) ? each.split(' ')[0] : []));
  if (methods.length === 0) return [404, { error: 'There is nothing at this path.' }];
  return [405, { error: `This path takes ${methods.join(', ')} only.` }];
}

/** The request is left open when its body is too long, so that the refusal can be sent. */
async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = Number(request.headers['content-length'] ?? 0);
  const tooLong = () => new LimitReached('The body is too long.', [], longestBody, bytes);
  if (bytes > longestBody) throw tooLong();
  bytes = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    bytes += chunk.length;
    if (bytes > longestBody) throw tooLong();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
