// What following a query needs to know of its document: the fields of each object in their order, how each is resolved, how
// its value is completed. Made once for a document; anew each time where variables decide what is skipped and included.
// Nothing here runs a resolver, and nothing says what is wrong: what has no plan is answered by graphql-js.
import {
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLField,
  GraphQLIncludeDirective,
  type GraphQLLeafType,
  type GraphQLObjectType,
  type GraphQLOutputType,
  GraphQLSkipDirective,
  getDirectiveValues,
  type InlineFragmentNode,
  isAbstractType,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
  Kind,
  OperationTypeNode,
  type SelectionNode,
  typeFromAST,
  type ValidatedExecutionArgs,
} from 'graphql';

export type ValuePlan = LeafPlan | ListPlan | ObjectPlan;

interface Common {
  readonly nonNull: boolean;
  /** Whether a resolver within asks where it stands. */
  readonly located: boolean;
}

interface LeafPlan extends Common {
  readonly kind: 'LEAF';
  readonly type: GraphQLLeafType;
}

interface ListPlan extends Common {
  readonly kind: 'LIST';
  readonly item: ValuePlan;
}

export interface ObjectPlan extends Common {
  readonly kind: 'OBJECT';
  readonly type: GraphQLObjectType;
  readonly fields: readonly FieldPlan[];
}

type Nodes = [FieldNode, ...FieldNode[]];

export interface FieldPlan {
  /** Its name in the answer. */
  readonly key: string;
  readonly parentType: GraphQLObjectType;
  readonly definition: GraphQLField<unknown, unknown>;
  readonly nodes: Readonly<Nodes>;
  /** Read from the object; made from the object alone; the name of its type; or by a resolver that may ask for more. */
  readonly way: 'PROPERTY' | 'FUNCTION' | 'TYPENAME' | 'RESOLVER';
  readonly value: ValuePlan;
}

/** Extension of a field that does more than read: it must not be resolved a second time. */
export const hasEffect = { effect: true } as const;

const plans = new WeakMap<object, { readonly schema: object; readonly plan: ObjectPlan | undefined }>();

/** Undefined for what graphql-js has to answer. */
export function planOf(args: ValidatedExecutionArgs): ObjectPlan | undefined {
  const { operation, schema, document } = args;
  const known = plans.get(operation);
  if (known?.schema === schema) return known.plan;
  // Kept as long as the document, and no more in size: fragments can unfold a short text into thousands of fields.
  const making: Making = { args, left: Math.ceil((document.loc?.end ?? 0) / 2), conditional: false };
  const plan = make(making);
  if (!making.conditional) plans.set(operation, { schema, plan });
  return plan;
}

interface Making {
  readonly args: ValidatedExecutionArgs;
  /** Fields that may still be planned. */
  left: number;
  /** Another plan may fit with other variables. */
  conditional: boolean;
}

/** Thrown where a document turns out to have no plan. */
const none = Symbol('no plan');

function make(making: Making): ObjectPlan | undefined {
  const { operation, schema, errorPropagation } = making.args;
  const type = schema.getQueryType();
  if (operation.operation !== OperationTypeNode.QUERY || !type || !errorPropagation) return undefined;
  try {
    return planObject(making, type, [operation.selectionSet.selections], true);
  } catch (error) {
    if (error === none) return undefined;
    throw error;
  }
}

function planValue(making: Making, type: GraphQLOutputType, nodes: Nodes, nonNull = false): ValuePlan {
  if (isNonNullType(type)) return planValue(making, type.ofType, nodes, true);
  if (isListType(type)) {
    const item = planValue(making, type.ofType, nodes);
    return { kind: 'LIST', nonNull, located: item.located, item };
  }
  if (isLeafType(type)) return { kind: 'LEAF', nonNull, located: false, type };
  if (!isObjectType(type) || type.isTypeOf) throw none;
  const selections = nodes.map((node) => node.selectionSet?.selections ?? []);
  return planObject(making, type, selections, nonNull);
}

function planObject(
  making: Making,
  type: GraphQLObjectType,
  selections: readonly (readonly SelectionNode[])[],
  nonNull: boolean,
): ObjectPlan {
  const nodesByKey = new Map<string, Nodes>();
  const spread = new Set<string>();
  for (const each of selections) collect(making, type, each, nodesByKey, spread);
  const fields = [...nodesByKey].map(([key, nodes]) => planField(making, type, key, nodes));
  const located = fields.some(({ way, value }) => way === 'RESOLVER' || value.located);
  return { kind: 'OBJECT', nonNull, located, type, fields };
}

function planField(making: Making, parentType: GraphQLObjectType, key: string, nodes: Nodes): FieldPlan {
  making.left -= 1;
  const name = nodes[0].name.value;
  const definition = making.args.schema.getField(parentType, name);
  if (making.left < 0 || definition === undefined || definition.extensions.effect === true) throw none;
  if (name.startsWith('__') && name !== '__typename') throw none;
  const way = name === '__typename' ? 'TYPENAME' : wayOf(definition);
  return { key, parentType, definition, nodes, way, value: planValue(making, definition.type, nodes) };
}

function wayOf({ resolve }: GraphQLField<unknown, unknown>): FieldPlan['way'] {
  if (resolve === undefined) return 'PROPERTY';
  return resolve.length === 1 ? 'FUNCTION' : 'RESOLVER';
}

/** Fields by their names in the answer, in the order of their first mention. */
function collect(
  making: Making,
  type: GraphQLObjectType,
  selections: readonly SelectionNode[],
  fields: Map<string, Nodes>,
  spread: Set<string>,
): void {
  for (const selection of selections) {
    if (!isWanted(making, selection)) continue;
    if (selection.kind === Kind.FIELD) {
      const key = selection.alias?.value ?? selection.name.value;
      const nodes = fields.get(key);
      if (nodes === undefined) fields.set(key, [selection]);
      else nodes.push(selection);
    } else if (selection.kind === Kind.INLINE_FRAGMENT) {
      if (applies(making, type, selection))
        collect(making, type, selection.selectionSet.selections, fields, spread);
    } else if (!spread.has(selection.name.value)) {
      const fragment = making.args.fragmentDefinitions[selection.name.value];
      if (fragment === undefined || (fragment.variableDefinitions?.length ?? 0) > 0) throw none;
      if (!applies(making, type, fragment)) continue;
      spread.add(selection.name.value);
      collect(making, type, fragment.selectionSet.selections, fields, spread);
    }
  }
}

function isWanted(making: Making, node: SelectionNode): boolean {
  let wanted = true;
  for (const { name, arguments: given } of node.directives ?? []) {
    const skip = name.value === GraphQLSkipDirective.name;
    if (!skip && name.value !== GraphQLIncludeDirective.name) throw none;
    making.conditional ||= given?.some(({ value }) => value.kind === Kind.VARIABLE) === true;
    const directive = skip ? GraphQLSkipDirective : GraphQLIncludeDirective;
    if (getDirectiveValues(directive, node, making.args.variableValues)?.if === skip) wanted = false;
  }
  return wanted;
}

function applies(
  { args: { schema } }: Making,
  type: GraphQLObjectType,
  { typeCondition }: InlineFragmentNode | FragmentDefinitionNode,
): boolean {
  const condition = typeCondition && typeFromAST(schema, typeCondition);
  if (condition === undefined || condition === type) return true;
  return isAbstractType(condition) && schema.isSubType(condition, type);
}
