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
} as const;

export type CountedLimit =
  | 'BYTES'
  | 'TOKENS'
  | 'DEPTH'
  | 'ALIASES'
  | 'ROOT_FIELDS'
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
      const { depth, aliases, fields } = measure(context, operation.selectionSet, fragments);
      const check = (counted: CountedLimit, what: string, limit: number, current: number) => {
        if (current <= limit) return;
        const message = `The operation ${what}: ${current}, at most ${limit} ${limit === 1 ? 'is' : 'are'} allowed.`;
        context.reportError(limitError(message, counted, limit, current));
      };
      check('DEPTH', 'is too deep', documentLimits.depth, depth);
      check('ALIASES', 'has too many aliases', documentLimits.aliases, aliases);
      check('ROOT_FIELDS', 'has too many root fields', documentLimits.rootFields, fields);
      return false;
    },
  };
}

interface Measures {
  depth: number;
  aliases: number;
  /** At this level. */
  fields: number;
}

function measure(
  context: ValidationContext,
  selectionSet: SelectionSetNode,
  fragments: Map<string, Measures>,
): Measures {
  const sum: Measures = { depth: 0, aliases: 0, fields: 0 };
  for (const selection of selectionSet.selections) {
    if (selection.kind === Kind.FIELD) {
      const inner = selection.selectionSet && measure(context, selection.selectionSet, fragments);
      sum.fields += 1;
      sum.aliases += (selection.alias === undefined ? 0 : 1) + (inner?.aliases ?? 0);
      sum.depth = Math.max(sum.depth, depthOf(selection.name.value, 1 + (inner?.depth ?? 0)));
      continue;
    }
    const spread =
      selection.kind === Kind.INLINE_FRAGMENT
        ? measure(context, selection.selectionSet, fragments)
        : measureFragment(context, selection.name.value, fragments);
    sum.fields += spread.fields;
    sum.aliases += spread.aliases;
    sum.depth = Math.max(sum.depth, spread.depth);
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
  fragments.set(name, { depth: 0, aliases: 0, fields: 0 });
  const fragment = context.getFragment(name);
  const measured = fragment
    ? measure(context, fragment.selectionSet, fragments)
    : { depth: 0, aliases: 0, fields: 0 };
  fragments.set(name, measured);
  return measured;
}

function depthOf(field: string, depth: number): number {
  const introspection = field === '__schema' || field === '__type';
  return introspection && depth <= documentLimits.introspectionDepth ? 1 : depth;
}
