// GraphQL over WebSocket (graphql-transport-ws). Operations pass the same pipeline as over HTTP; here are the door (origin,
// token, counts) and the protocol. Nothing an operation does closes its socket: errors go to the operation. A socket ends
// with 4401 when its token does, which tells clients not to come back with it.
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type ExecutionResult, GraphQLError } from 'graphql';
import { type Context as Connection, handleProtocols, makeServer, type SubscribePayload } from 'graphql-ws';
import { type WebSocket, WebSocketServer } from 'ws';
import { limitError } from '../graphql/limits.ts';
import { formatError, formatResult, type Mask } from '../graphql/masking.ts';
import {
  type AdmissionOptions,
  type Admitted,
  endOperations,
  makeAdmission,
  type Params,
} from './admission.ts';
import { addressOf } from './identify.ts';
import type { EdgeLimits } from './limits.ts';
import { isAllowedOrigin } from './origins.ts';
import { type Carried, type Pipeline, type PreparedOperation, prepare, run } from './pipeline.ts';
import type { Ending } from './subscriptions.ts';
import { closeCodes, guard, type Transport } from './transport.ts';

export interface SocketOptions extends AdmissionOptions {
  readonly pipeline: Pipeline;
  readonly allowedOrigins: readonly string[];
}

export interface Sockets {
  /** Answers a request for an upgrade, whatever it asks for. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  close(): Promise<void>;
}

export function acceptSockets(options: SocketOptions): Sockets {
  const { limits, allowedOrigins } = options;
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: limits.messageBytes,
    perMessageDeflate: false,
    handleProtocols: (protocols) => handleProtocols(protocols),
  });
  const protocol = makeProtocol(options);
  const transports = new Map<WebSocket, Transport>();

  function open(socket: WebSocket, request: IncomingMessage): void {
    const transport = guard(socket, limits);
    transports.set(socket, transport);
    // A message that is too long or malformed: ws closes with the fitting code by itself.
    socket.on('error', () => {});
    const extra: Admitted = {
      ...{ transport, address: addressOf(request), operations: new Map() },
      ...{ caller: undefined, release: undefined, gone: false },
    };
    const closed = protocol.opened(
      {
        protocol: socket.protocol,
        send: transport.send,
        close: transport.close,
        onMessage: (receive) => {
          socket.on('message', (data) => {
            receive(String(data)).catch((error: unknown) => closeForError(transport, error, options.mask));
          });
        },
      },
      extra,
    );
    socket.once('close', (code, reason) => {
      transports.delete(socket);
      extra.gone = true;
      extra.release?.();
      endOperations(extra, 'LEFT');
      closed(code, String(reason)).catch((error: unknown) => options.mask(error));
    });
  }

  return {
    upgrade: (request, socket, head) => {
      socket.on('error', () => socket.destroy());
      const refused = refuseUpgrade(request, allowedOrigins);
      if (refused !== undefined) {
        socket.end(refused, () => socket.destroy());
        return;
      }
      server.handleUpgrade(request, socket, head, (accepted) => open(accepted, request));
    },
    close: async () => {
      const gone = [...transports.keys()].map((socket) => new Promise((done) => socket.once('close', done)));
      for (const transport of transports.values()) transport.close(closeCodes.goingAway, 'Going away');
      await Promise.all(gone);
    },
  };
}

function refuseUpgrade(request: IncomingMessage, allowedOrigins: readonly string[]): string | undefined {
  const path = request.url?.split('?', 1)[0];
  const status =
    path !== '/graphql'
      ? '404 Not Found'
      : isAllowedOrigin(request, allowedOrigins)
        ? undefined
        : '403 Forbidden';
  return status && `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`;
}

/** A kind of message that only servers send is the client's mistake; anything else is ours, and it may come back. */
function closeForError(transport: Transport, error: unknown, mask: Mask): void {
  if (error instanceof Error && error.message.startsWith('Unexpected message of type')) {
    transport.close(closeCodes.badRequest, 'Invalid message received');
    return;
  }
  mask(error);
  transport.close(closeCodes.tryAgainLater, 'Something failed on our side');
}

function makeProtocol(options: SocketOptions) {
  const { limits, mask } = options;
  return makeServer<Params, Admitted>({
    connectionInitWaitTimeout: limits.initMs,
    onConnect: makeAdmission(options),
    onSubscribe: async (connection, id, payload) => {
      try {
        return refuseOperation(connection, id, limits) ?? (await accept(options, connection, payload));
      } catch (error) {
        return [mask(error)];
      }
    },
    execute: (args) => run(args as PreparedOperation, mask),
    subscribe: (args) => run(args as PreparedOperation, mask),
    onNext: (_connection, _id, _payload, _args, result) => formatResult(result as ExecutionResult),
    // The library wraps what a stream throws, and puts what it wrapped beneath as the cause.
    onError: (_connection, _id, _payload, errors) =>
      errors.map((error) => formatError(mask(error.cause ?? error))),
    onComplete: ({ extra }, _id, payload) => {
      extra.operations.get(payload)?.abort('LEFT' satisfies Ending);
      extra.operations.delete(payload);
    },
  });
}

function refuseOperation(
  { subscriptions }: Connection<Params, Admitted>,
  id: string,
  { operationIdCharacters, subscriptionsPerSocket }: EdgeLimits,
): GraphQLError[] | undefined {
  if (id.length > operationIdCharacters) {
    const message = `An operation's id has at most ${operationIdCharacters} characters.`;
    return [limitError(message, 'OPERATION_ID', operationIdCharacters, id.length)];
  }
  // The one that asks is among them already.
  const live = Object.keys(subscriptions).length;
  if (live <= subscriptionsPerSocket) return undefined;
  const message = `A socket has at most ${subscriptionsPerSocket} operations under way. Complete one first.`;
  return [limitError(message, 'SUBSCRIPTIONS', subscriptionsPerSocket, live)];
}

function unnamedOperation(): GraphQLError {
  const message = 'It must be told by operationName which operation of the document is meant.';
  return new GraphQLError(message, { extensions: { code: 'BAD_REQUEST' } });
}

async function accept(
  { pipeline }: SocketOptions,
  { extra }: Connection<Params, Admitted>,
  payload: SubscribePayload,
): Promise<PreparedOperation | readonly GraphQLError[]> {
  const ending = new AbortController();
  const carried: Carried = { caller: extra.caller, lastEventId: undefined, ending };
  const operation = await prepare(pipeline, carried, payload);
  if ('errors' in operation) return operation.errors;
  // The library would answer by itself, and never say that it is over.
  if (operation.type === undefined) return [unnamedOperation()];
  extra.operations.set(payload, ending);
  if (extra.gone) endOperations(extra, 'LEFT');
  return operation;
}
