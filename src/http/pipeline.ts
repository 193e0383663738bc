// The one pipeline that every operation passes, over HTTP, as events and over WebSocket: parse and validate within the
// limits, context, execution, masking. What is particular to a carrier is in the carrier's file.
import {
  type ExecutionArgs,
  type ExecutionResult,
  GraphQLError,
  type GraphQLSchema,
  getOperationAST,
  OperationTypeNode,
} from 'graphql';
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

export interface OperationParams {
  readonly query: string;
  readonly operationName?: string | null | undefined;
  readonly variables?: Record<string, unknown> | null | undefined;
}

/** An operation that was let through and has its context; nothing of it ran yet. */
export interface PreparedOperation extends ExecutionArgs {
  /** Undefined where the document has none, or several and no name says which. */
  readonly type: OperationTypeNode | undefined;
  readonly start: (args: ExecutionArgs) => unknown;
}

export type RefusedOperation = Pick<PreparedOperation, 'type'> & { readonly errors: readonly GraphQLError[] };

/** For carriers that bring an operation without a request of the Fetch API. Throws what parsing throws. */
export async function prepare(
  pipeline: Pipeline,
  carried: Carried,
  params: OperationParams,
): Promise<PreparedOperation | RefusedOperation> {
  const { query, variables: variableValues, operationName } = params;
  const enveloped = pipeline.getEnveloped({ ...carried, params });
  const { schema } = enveloped;
  const document = enveloped.parse(query);
  const type = getOperationAST(document, operationName)?.operation;
  const errors: readonly GraphQLError[] = enveloped.validate(schema, document);
  if (errors.length > 0) return { type, errors };
  const contextValue: unknown = await enveloped.contextFactory();
  const start = type === OperationTypeNode.SUBSCRIPTION ? enveloped.subscribe : enveloped.execute;
  return { schema, document, contextValue, variableValues, operationName, type, start };
}

/** Nothing is thrown: what fails is an error of the operation. */
export async function run(operation: PreparedOperation, mask: Mask): Promise<ExecutionResult> {
  const { start, type: _type, ...args } = operation;
  try {
    return (await start(args)) as ExecutionResult;
  } catch (error) {
    return { errors: [mask(error)] };
  }
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
