// The one pipeline that every operation passes, over HTTP, as events and over WebSocket: parse and validate within the
// limits, context, execution, masking. What is particular to a carrier is in the carrier's file.
import { GraphQLError, type GraphQLSchema } from 'graphql';
import { createYoga, type Plugin, type YogaServerInstance } from 'graphql-yoga';
import type { Control } from '../control/control.ts';
import type { TokenWatch } from '../control/token-watch.ts';
import { type Context, createContext } from '../graphql/context.ts';
import { checkDocumentSize, DocumentLimitsRule, parseWithinLimits } from '../graphql/limits.ts';
import type { Mask } from '../graphql/masking.ts';
import type { Caller } from '../model/callers.ts';
import { makeDocumentCache } from './document-cache.ts';
import { type StreamContext, useEventStream } from './event-stream.ts';
import { useReferenceExecution } from './execution.ts';
import type { EdgeLimits } from './limits.ts';
import { type Operation, useSubscriptions } from './subscriptions.ts';

/** What a carrier says of an operation. */
export interface Carried extends Operation {
  readonly caller: Caller | undefined;
  readonly lastEventId: string | undefined;
}

export type Pipeline = YogaServerInstance<Carried, Context>;

export interface PipelineOptions {
  readonly control: Control;
  readonly schema: GraphQLSchema;
  readonly tokens: TokenWatch;
  readonly mask: Mask;
  readonly limits: EdgeLimits;
}

export function makePipeline({ control, schema, tokens, mask, limits }: PipelineOptions): Pipeline {
  return createYoga<Carried, Context>({
    schema,
    context: ({ caller, ending, lastEventId }) =>
      createContext(control, { caller, signal: ending.signal, lastEventId }),
    maskedErrors: { maskError: mask },
    // Faults are logged where they are masked, once.
    logging: false,
    graphqlEndpoint: '/graphql',
    graphiql: false,
    landingPage: false,
    cors: false,
    multipart: false,
    batching: false,
    maxRequestBodySize: limits.bodyBytes,
    parserAndValidationCache: {
      documentCache: makeDocumentCache(),
      // Wrong documents are not worth keeping.
      errorCache: { get: () => undefined, set: () => undefined },
    },
    plugins: [
      useReferenceExecution(),
      useDocumentLimits(),
      useReadableParameters(),
      useSubscriptions(limits),
      useEventStream(tokens, limits) as Plugin<StreamContext, StreamContext>,
    ],
  });
}

function useDocumentLimits(): Plugin {
  return {
    onParse({ params, setParseFn }) {
      checkDocumentSize(String(params.source));
      setParseFn((source: unknown) => parseWithinLimits(String(source)));
    },
    onValidate({ addValidationRule }) {
      addValidationRule(DocumentLimitsRule);
    },
  };
}

/** Parameters in a URL that are no JSON are the client's mistake, not ours. */
function useReadableParameters(): Plugin {
  return {
    onRequestParse({ request, requestParser, setRequestParser }) {
      if (request.method !== 'GET' || requestParser === undefined) return;
      setRequestParser((given) => {
        try {
          return requestParser(given);
        } catch (error) {
          if (!(error instanceof SyntaxError)) throw error;
          throw new GraphQLError('The parameters variables and extensions must be JSON objects.', {
            extensions: { code: 'BAD_REQUEST', http: { status: 400 } },
          });
        }
      });
    },
  };
}
