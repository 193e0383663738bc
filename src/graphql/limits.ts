// How large a document may be, counted before anything of it is executed: bytes and tokens while it is parsed; depth,
// aliases and root fields by one validation rule. What a document costs to answer, and page sizes, are the schema's.
import {
  type ASTVisitor,
  type DocumentNode,
  GraphQLError,
  Kind,
  type OperationDefinitionNode,
  parse,
  type SelectionSetNode,
  type ValidationContext,
} from 'graphql';

export const documentLimits = {
  bytes: 20_000,
  tokens: 2_000,
  depth: 12,
  /** Of `__schema` and `__type`: the introspection that tools send is deeper than queries need to be. */
  introspectionDepth: 20,
  aliases: 30,
  rootFields: 20,
  /** So often `__schema` or `__type`. */
  introspections: 2,
  /** Lists of a type within one of another type, as in `types { fields { type { fields } } }`: each multiplies the answer. */
  introspectionLists: 1,
} as const;

export type CountedLimit =
  | 'BYTES'
  | 'TOKENS'
  | 'DEPTH'
  | 'ALIASES'
  | 'ROOT_FIELDS'
  | 'INTROSPECTION'
  | 'OPERATION_ID'
  | 'SUBSCRIPTIONS';

/** `current` is unknown where counting stopped at the limit. */
export function limitError(
  message: string,
  counted: CountedLimit,
  limit: number,
  current?: number,
): GraphQLError {
  return new GraphQLError(message, { extensions: { code: 'LIMIT', counted, limit, current } });
}

/** Throws before the document is looked at; callers do this before any cache keeps its text. */
export function checkDocumentSize(source: string): void {
  const { bytes } = documentLimits;
  const current = source.length > bytes ? source.length : Buffer.byteLength(source);
  if (current <= bytes) return;
  throw limitError(
    `The document is larger than ${bytes} bytes. Put values into variables, or split it.`,
    'BYTES',
    bytes,
    current,
  );
}

export function parseWithinLimits(source: string): DocumentNode {
  const { tokens } = documentLimits;
  try {
    return parse(source, { maxTokens: tokens });
  } catch (error) {
    if (!(error instanceof GraphQLError) || !/more than \d+ tokens/.test(error.message)) throw error;
    throw limitError(
      `The document has more than ${tokens} tokens. Put values into variables, or split it.`,
      'TOKENS',
      tokens,
    );
  }
}

/** Validation rule. Each fragment is measured once, so that a document can't make measuring it expensive. */
export function DocumentLimitsRule(context: ValidationContext): ASTVisitor {
  const fragments = new Map<string, Measures>();
  return {
    OperationDefinition(operation: OperationDefinitionNode) {
      const measured = measure(context, operation.selectionSet, fragments);
      const { depth, aliases, fields, introspections, shownLists } = measured;
      const check = (counted: CountedLimit, what: string, limit: number, current: number) => {
        if (current <= limit) return;
        const message = `The operation ${what}: ${current}, at most ${limit} ${limit === 1 ? 'is' : 'are'} allowed.`;
        context.reportError(limitError(message, counted, limit, current));
      };
      check('DEPTH', 'is too deep', documentLimits.depth, depth);
      check('ALIASES', 'has too many aliases', documentLimits.aliases, aliases);
      check('ROOT_FIELDS', 'has too many root fields', documentLimits.rootFields, fields);
      const { introspections: mostTimes, introspectionLists: mostLists } = documentLimits;
      check('INTROSPECTION', 'asks too often for the schema', mostTimes, introspections);
      check('INTROSPECTION', 'nests lists of the schema too deeply', mostLists, shownLists);
      return false;
    },
  };
}

interface Measures {
  depth: number;
  aliases: number;
  /** At this level. */
  fields: number;
  introspections: number;
  /** Nested in each other here, by the names that they have in the schema's own description. */
  lists: number;
  /** Those within an introspection. */
  shownLists: number;
}

const none: Measures = { depth: 0, aliases: 0, fields: 0, introspections: 0, lists: 0, shownLists: 0 };
const listsOfTypes = ['fields', 'inputFields', 'interfaces', 'possibleTypes', 'enumValues'];

function measure(
  context: ValidationContext,
  selectionSet: SelectionSetNode,
  fragments: Map<string, Measures>,
): Measures {
  const sum: Measures = { ...none };
  for (const selection of selectionSet.selections) {
    if (selection.kind === Kind.FIELD) {
      const { name, alias, selectionSet: within } = selection;
      const inner = within === undefined ? none : measure(context, within, fragments);
      const isSchema = isIntrospection(name.value);
      sum.fields += 1;
      sum.aliases += (alias === undefined ? 0 : 1) + inner.aliases;
      sum.depth = Math.max(sum.depth, depthOf(name.value, 1 + inner.depth));
      sum.introspections += (isSchema ? 1 : 0) + inner.introspections;
      sum.lists = Math.max(sum.lists, inner.lists + (listsOfTypes.includes(name.value) ? 1 : 0));
      sum.shownLists = Math.max(sum.shownLists, isSchema ? inner.lists : inner.shownLists);
      continue;
    }
    const spread =
      selection.kind === Kind.INLINE_FRAGMENT
        ? measure(context, selection.selectionSet, fragments)
        : measureFragment(context, selection.name.value, fragments);
    sum.fields += spread.fields;
    sum.aliases += spread.aliases;
    sum.depth = Math.max(sum.depth, spread.depth);
    sum.introspections += spread.introspections;
    sum.lists = Math.max(sum.lists, spread.lists);
    sum.shownLists = Math.max(sum.shownLists, spread.shownLists);
  }
  return sum;
}

function measureFragment(
  context: ValidationContext,
  name: string,
  fragments: Map<string, Measures>,
): Measures {
  const known = fragments.get(name);
  if (known !== undefined) return known;
  // Standing in while it is measured: a fragment that spreads itself is refused by another rule.
  fragments.set(name, none);
  const fragment = context.getFragment(name);
  const measured = fragment ? measure(context, fragment.selectionSet, fragments) : none;
  fragments.set(name, measured);
  return measured;
}

function depthOf(field: string, depth: number): number {
  return isIntrospection(field) && depth <= documentLimits.introspectionDepth ? 1 : depth;
}

function isIntrospection(field: string): boolean {
  return field === '__schema' || field === '__type';
}
