// A server at a free port over a control room of its own, and clients that show what comes over the wire.
import { join } from 'node:path';
import { type Logger, pino } from 'pino';
import { WebSocket } from 'ws';
import { openRepositories, type Repositories } from '../../src/build/git.ts';
import { type Served, type ServeOptions, serve } from '../../src/http/server.ts';
import { type ControlWorld, openControl } from '../support/control.ts';

export interface Edge extends ControlWorld {
  readonly server: Served;
  readonly repositories: Repositories;
  /** Lines that were logged, as JSON. */
  readonly logged: string[];
}

export type EdgeOptions = Partial<Omit<ServeOptions, 'control' | 'repositories' | 'logger'>>;

export async function openEdge(options: EdgeOptions = {}): Promise<Edge> {
  const world = await openControl();
  const repositories = await openRepositories({
    directory: join(world.directory, 'git'),
    hookSocketPath: join(world.directory, 'push.sock'),
  });
  const logged: string[] = [];
  const server = await serveWorld(world, repositories, { logger: recording(logged), ...options });
  return {
    ...world,
    server,
    repositories,
    logged,
    close: async () => {
      await server.close();
      await world.close();
    },
  };
}

export function serveWorld(
  { control }: Pick<ControlWorld, 'control'>,
  repositories: Repositories,
  options: Partial<ServeOptions> & Pick<ServeOptions, 'logger'>,
): Promise<Served> {
  return serve({
    control,
    repositories,
    health: async () => ({ healthy: true, parts: { database: { healthy: true, message: 'It answers.' } } }),
    host: '127.0.0.1',
    port: 0,
    development: false,
    allowedOrigins: [],
    ...options,
  });
}

/** A log whose lines can be looked at. */
export function recording(lines: string[] = []): Logger {
  return pino({ level: 'info', base: null }, { write: (line: string) => void lines.push(line) });
}

export const json = { 'content-type': 'application/json' };

export function bearer(secret: string): { authorization: string } {
  return { authorization: `Bearer ${secret}` };
}

export interface GraphqlAnswer {
  readonly data?: Record<string, unknown> | null;
  readonly errors?: readonly {
    message: string;
    path?: unknown;
    extensions?: Record<string, unknown>;
  }[];
}

/** Asks by POST; an answer that isn't JSON fails the test. */
export async function ask(
  edge: Pick<Edge, 'server'>,
  query: string,
  options: { token?: string; variables?: object; headers?: Record<string, string> } = {},
): Promise<{ status: number; headers: Headers; body: GraphqlAnswer }> {
  const { token, variables, headers } = options;
  const response = await fetch(`${edge.server.url}/graphql`, {
    method: 'POST',
    headers: { ...json, ...(token === undefined ? {} : bearer(token)), ...headers },
    body: JSON.stringify({ query, variables }),
  });
  return {
    status: response.status,
    headers: response.headers,
    body: (await response.json()) as GraphqlAnswer,
  };
}

export function codeOf(answer: GraphqlAnswer): unknown {
  return answer.errors?.[0]?.extensions?.code;
}

export interface Message {
  readonly type: string;
  readonly id?: string;
  readonly payload?: GraphqlAnswer & GraphqlAnswer['errors'];
}

export interface TestSocket {
  readonly socket: WebSocket;
  readonly messages: Message[];
  readonly closed: Promise<{ code: number; reason: string }>;
  send(message: object): void;
  subscribe(id: string, query: string, variables?: object): void;
  /** Resolves with the first message that fits, also one that came before. */
  message(fits: (message: Message) => boolean): Promise<Message>;
}

/** A client that does what it is told and nothing by itself. */
export async function connect(
  url: string,
  options: { token?: string; headers?: Record<string, string>; protocol?: string } = {},
): Promise<TestSocket> {
  const { token, headers, protocol = 'graphql-transport-ws' } = options;
  const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, protocol, { headers: headers ?? {} });
  const messages: Message[] = [];
  const waiting = new Set<() => void>();
  socket.on('message', (data) => {
    messages.push(JSON.parse(String(data)) as Message);
    for (const look of waiting) look();
  });
  const closed = new Promise<{ code: number; reason: string }>((resolve) =>
    socket.once('close', (code, reason) => resolve({ code, reason: String(reason) })),
  );
  await new Promise<void>((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('error', reject);
  });
  socket.on('error', () => {});
  const send = (message: object) => socket.send(JSON.stringify(message));
  const message: TestSocket['message'] = (fits) =>
    new Promise((resolve) => {
      let looked = 0;
      const look = () => {
        for (; looked < messages.length; looked++) {
          const found = messages[looked];
          if (found === undefined || !fits(found)) continue;
          waiting.delete(look);
          return resolve(found);
        }
      };
      waiting.add(look);
      look();
    });
  const opened: TestSocket = {
    ...{ socket, messages, closed, send, message },
    subscribe: (id, query, variables) => send({ type: 'subscribe', id, payload: { query, variables } }),
  };
  if (token === undefined) return opened;
  send({ type: 'connection_init', payload: { Authorization: `Bearer ${token}` } });
  await Promise.race([message(({ type }) => type === 'connection_ack'), closed]);
  return opened;
}

export interface ServerEvent {
  readonly event: string;
  readonly id: string | undefined;
  readonly data: string;
}

/** Reads events until `enough`; ends quietly when the server ends. */
export async function* readEvents(response: Response): AsyncGenerator<ServerEvent> {
  let text = '';
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    text += Buffer.from(chunk).toString('utf8');
    const blocks = text.split('\n\n');
    text = blocks.pop() ?? '';
    for (const block of blocks) {
      const fields = new Map(
        block.split('\n').map((line): [string, string] => {
          const at = line.indexOf(':');
          return [line.slice(0, at), line.slice(at + 1).trim()];
        }),
      );
      yield { event: fields.get('event') ?? '', id: fields.get('id'), data: fields.get('data') ?? '' };
    }
  }
}

export function openStream(
  edge: Pick<Edge, 'server'>,
  query: string,
  options: {
    token?: string;
    variables?: object;
    headers?: Record<string, string>;
    signal?: AbortSignal;
  } = {},
): Promise<Response> {
  const { token, variables, headers, signal } = options;
  return fetch(`${edge.server.url}/graphql`, {
    method: 'POST',
    headers: {
      ...json,
      accept: 'text/event-stream',
      ...(token === undefined ? {} : bearer(token)),
      ...headers,
    },
    body: JSON.stringify({ query, variables }),
    ...(signal === undefined ? {} : { signal }),
  });
}
