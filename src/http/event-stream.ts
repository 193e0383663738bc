// Server-sent events: a result of the GraphQL pipeline written to the client one item at a time. An item is made when the
// one before was handed to the kernel, so nothing piles up for a client that doesn't read; one that takes nothing for too
// long is cut off, and comes back with Last-Event-ID. Without `complete` at its end a stream was cut, not finished. After
// a token's end the last item is an error UNAUTHENTICATED, and the stream completes, as coming back would be in vain.
import type { ServerResponse } from 'node:http';
import { type ExecutionResult, GraphQLError } from 'graphql';
import { isAsyncIterable, type Plugin } from 'graphql-yoga';
import type { TokenWatch } from '../control/token-watch.ts';
import type { Context } from '../graphql/context.ts';
import { formatResult } from '../graphql/masking.ts';
import type { EdgeLimits } from './limits.ts';
import type { Ending, Operation } from './subscriptions.ts';

export interface StreamContext extends Operation, Pick<Context, 'caller' | 'cursor'> {
  readonly res: ServerResponse;
}

type Result = ExecutionResult | AsyncIterable<ExecutionResult>;

export function useEventStream(tokens: TokenWatch, limits: EdgeLimits): Plugin<StreamContext, StreamContext> {
  return {
    onSubscribe({ args, setResultAndStopExecution }) {
      const { request } = args.contextValue;
      // Over WebSocket there is no request.
      if (request === undefined || wantsEvents(request)) return;
      setResultAndStopExecution({ errors: [noStream()] });
    },
    onResultProcess({ request, result, serverContext, setResultProcessor }) {
      const orJson = /json|\*\/\*/i.test(request.headers.get('accept') ?? '');
      if (!wantsEvents(request) || (orJson && !isAsyncIterable(result))) return;
      // Written here and not given back as a body, because only the response knows when an item was taken.
      setResultProcessor(async (processed, { Response }) => {
        await writeStream(serverContext, processed as Result, tokens, limits);
        return new Response(null);
      }, 'text/event-stream');
    },
  };
}

function wantsEvents(request: Request): boolean {
  return /text\/event-stream/i.test(request.headers.get('accept') ?? '');
}

function noStream(): GraphQLError {
  const message = 'A subscription is answered as a stream: send Accept: text/event-stream, or use WebSocket.';
  return new GraphQLError(message, { extensions: { code: 'BAD_REQUEST', http: { status: 406 } } });
}

async function writeStream(
  context: StreamContext,
  result: Result,
  tokens: TokenWatch,
  { sendMs, pingMs }: EdgeLimits,
): Promise<void> {
  const { res: response, ending, caller } = context;
  const { signal } = ending;
  let letGo: NodeJS.Timeout | undefined;
  const release =
    caller &&
    tokens.watch(caller.tokenId, () => {
      ending.abort(tokenInvalid);
      // Whoever takes nothing is not waited for.
      letGo = setTimeout(() => response.destroy(), goodbyeMs);
    });
  const items = isAsyncIterable(result) ? result[Symbol.asyncIterator]() : [result].values();
  response.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'x-accel-buffering': 'no',
  });
  response.flushHeaders();
  try {
    for (;;) {
      context.cursor = undefined;
      // State streams can be quiet for days; a comment tells whether the client is still there, and it that we are.
      const beating = setInterval(() => void send(response, ':\n\n', sendMs), pingMs);
      const { done, value } = await Promise.resolve(items.next()).finally(() => clearInterval(beating));
      if (done === true || signal.aborted) break;
      if (!(await send(response, eventOf(value, context.cursor), sendMs))) return;
    }
    if (signal.reason === tokenInvalid) await send(response, eventOf(tokenEnded, undefined), sendMs);
    if (!signal.aborted || signal.reason === tokenInvalid)
      await send(response, 'event: complete\ndata:\n\n', sendMs);
  } finally {
    release?.();
    clearTimeout(letGo);
    await items.return?.();
    if (!response.destroyed) response.end();
  }
}

const tokenInvalid = 'TOKEN_INVALID' satisfies Ending;
const goodbyeMs = 400;

const tokenEnded: ExecutionResult = {
  errors: [
    new GraphQLError('The token was revoked or has expired. Use another one.', {
      extensions: { code: 'UNAUTHENTICATED' },
    }),
  ],
};

/** The cursor is an id only where it fits on a line, which all of ours do. */
function eventOf(result: ExecutionResult, cursor: string | undefined): string {
  const id = cursor !== undefined && /^[\x21-\x7e]+$/.test(cursor) ? `id: ${cursor}\n` : '';
  return `event: next\n${id}data: ${JSON.stringify(formatResult(result))}\n\n`;
}

/** True once the kernel has taken it; false when the client has gone, or was let go for taking nothing in time. */
function send(response: ServerResponse, text: string, deadlineMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    if (response.destroyed) return resolve(false);
    const onClose = () => settle(false);
    const timer = setTimeout(() => response.destroy(), deadlineMs);
    function settle(taken: boolean): void {
      clearTimeout(timer);
      response.off('close', onClose);
      resolve(taken);
    }
    response.once('close', onClose);
    response.write(text, (error) => settle(!error));
  });
}
