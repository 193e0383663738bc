// The schema builder and its plugins. Default deny: schema.ts refuses to build a root field without a rule.
import SchemaBuilder from '@pothos/core';
import ComplexityPlugin from '@pothos/plugin-complexity';
import ErrorsPlugin from '@pothos/plugin-errors';
import RelayPlugin from '@pothos/plugin-relay';
import ScopeAuthPlugin from '@pothos/plugin-scope-auth';
import { GraphQLError } from 'graphql';
import { InvalidInput } from '../errors.ts';
import { type Action, may } from '../model/callers.ts';
import type { Context } from './context.ts';
import { readGlobalId, writeGlobalId } from './global-id.ts';

export const costLimit = 20_000;
export const depthLimit = 12;

const within = { field: 0, multiplier: 1 };

export const builder = new SchemaBuilder<{
  Context: Context;
  DefaultFieldNullability: false;
  DefaultInputFieldRequiredness: true;
  Scalars: {
    DateTime: { Input: Date; Output: Date };
    Cursor: { Input: string; Output: string };
    ID: { Input: string; Output: string };
  };
  AuthScopes: { signedIn: boolean; may: Action };
  DefaultEdgesNullability: false;
  DefaultNodeNullability: false;
}>({
  plugins: [ErrorsPlugin, ScopeAuthPlugin, ComplexityPlugin, RelayPlugin],
  defaultFieldNullability: false,
  defaultInputFieldRequiredness: true,
  relay: {
    encodeGlobalID: (type, id) => writeGlobalId(type, String(id)),
    decodeGlobalID: readNodeId,
    nodeQueryOptions: {
      description: 'Any object by its id; null when there is none that the caller may see.',
      authScopes: { may: 'READ' },
      args: { id: { description: 'Its global id.' } },
    },
    nodesQueryOptions: {
      description:
        'Objects by their ids, in the order asked; null for each that the caller may not see. At most 100.',
      authScopes: { may: 'READ' },
      args: { ids: { description: 'Their global ids, at most 100.' } },
      complexity: ({ ids }) => ({ field: 1, multiplier: Math.max(1, ids.length) }),
      resolve: (_root, { ids }, _context, _info, resolveNodes) => {
        if (ids.length > 100) throw new InvalidInput(['ids'], 'must be at most 100 ids.');
        return resolveNodes(ids);
      },
    },
    // The connection's own field is what costs, times its page; these two lists are that page.
    nodesOnConnection: { complexity: within, description: 'The items themselves, without their cursors.' },
    edgesFieldOptions: {
      nullable: false,
      complexity: within,
      description: 'The items with their cursors, in order.',
    },
    nodeFieldOptions: { nullable: false, description: 'The item.' },
    cursorFieldOptions: { description: 'Its place in the list; give it as `after` or `before`.' },
    nodeTypeOptions: { description: 'Anything with a global id.' },
    firstArgOptions: { description: 'How many, 1 to 100, from the beginning or behind `after`.' },
    afterArgOptions: { description: 'Items behind this cursor.' },
    lastArgOptions: {
      description: 'How many, 1 to 100, from the end or before `before`; instead of `first`.',
    },
    beforeArgOptions: { description: 'Items before this cursor.' },
    pageInfoFieldOptions: { description: 'Where this page stands in the list.' },
    hasNextPageFieldOptions: { description: 'Whether there is more behind this page.' },
    hasPreviousPageFieldOptions: { description: 'Whether there is more before this page.' },
    startCursorFieldOptions: { description: 'Cursor of the first item; null for an empty page.' },
    endCursorFieldOptions: { description: 'Cursor of the last item; null for an empty page.' },
    idFieldOptions: { description: 'Global id, opaque.' },
    pageInfoTypeOptions: { description: 'Where a page stands in its list.' },
  },
  complexity: {
    defaultComplexity: 1,
    defaultListMultiplier: 5,
    limit: { complexity: costLimit, depth: depthLimit, breadth: 1_000 },
    complexityError: (kind, { depth, complexity, breadth, maxDepth, maxComplexity, maxBreadth }) => {
      const [limit, current] = {
        Depth: [maxDepth, depth],
        Complexity: [maxComplexity, complexity],
        Breadth: [maxBreadth, breadth],
      }[kind] ?? [0, 0];
      return new GraphQLError(
        `The document asks for too much: its ${kind.toLowerCase()} is ${current}, at most ${limit} is allowed. Ask for fewer items a page or fewer levels.`,
        {
          extensions: { code: 'LIMIT', limit, current },
        },
      );
    },
  },
  errors: { defaultTypes: [], directResult: true },
  scopeAuth: {
    authorizeOnSubscribe: true,
    authScopes: ({ caller }) => ({
      signedIn: caller !== undefined,
      may: (action) => caller !== undefined && may(caller, action),
    }),
    unauthorizedError: (_parent, context) =>
      context.caller === undefined
        ? new GraphQLError('A token is needed: send the header Authorization: Bearer <token>.', {
            extensions: { code: 'UNAUTHENTICATED' },
          })
        : new GraphQLError('This token may not do this.', { extensions: { code: 'FORBIDDEN' } }),
  },
});

/** Text that names no node is read as a node of no id, so that `node` and `nodes` answer null for it. */
function readNodeId(text: string): ReturnType<typeof readGlobalId> {
  const read = readGlobalId(text);
  const { configStore } = builder;
  const isNode =
    configStore.hasConfig(read.typename) &&
    'loadManyWithoutCache' in (configStore.getTypeConfig(read.typename).pothosOptions ?? {});
  return isNode ? read : { typename: 'Environment', id: '' };
}

builder.queryType({
  description: 'Reading. Every field needs a token with the scope `read` unless it says otherwise.',
});
builder.mutationType({
  description:
    'Changing. Each answers with a union of its payload and typed errors; each payload has the cursor at which its effect is in the log.',
});
builder.subscriptionType({
  description:
    'Watching, over WebSocket (graphql-transport-ws) or SSE. Log streams give everything after a cursor, in order, each once; state streams give the present value, then the newest.',
});
