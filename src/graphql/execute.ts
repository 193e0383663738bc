// Execution of operations, queries the short way. For every field of every item graphql-js makes a path, a description and
// a list of nodes, which next to no resolver looks at; here they are made for the resolvers that take them, by a plan that
// is made once for a document. It knows success alone: at the first error, null where none may be, or anything else out of
// the ordinary, graphql-js answers the whole operation from its beginning. So every error is graphql-js's own.
import {
  type ExecutionArgs,
  type ExecutionResult,
  executeRootSelectionSet,
  type GraphQLResolveInfo,
  getArgumentValues,
  type ValidatedExecutionArgs,
  validateExecutionArgs,
} from 'graphql';
import { type FieldPlan, type ObjectPlan, planOf, type ValuePlan } from './query-plan.ts';

export function executeOperation(args: ExecutionArgs): ExecutionResult | Promise<ExecutionResult> {
  const validated = validateExecutionArgs(args);
  if (!('schema' in validated)) return { errors: validated };
  const plan = validated.externalAbortSignal === undefined ? planOf(validated) : undefined;
  return plan === undefined ? executeRootSelectionSet(validated) : follow(plan, validated);
}

interface Run {
  readonly args: ValidatedExecutionArgs;
  /** Arguments of a field: the same for every item. */
  readonly given: Map<FieldPlan, Record<string, unknown>>;
  /** One for each part that is under way or waited for. */
  parts: number;
  readonly answer: (result: ExecutionResult | Promise<ExecutionResult>) => void;
  readonly data: Target;
}

type Path = GraphQLResolveInfo['path'];
type Target = Record<string | number, unknown>;

/** Objects of answers: without a prototype, so that a field can have any name, yet as fast as those with one. */
const Data = function Data() {} as unknown as new () => Target;
Data.prototype = Object.create(null);

function follow(plan: ObjectPlan, args: ValidatedExecutionArgs): Promise<ExecutionResult> {
  return new Promise((answer) => {
    const run: Run = { args, given: new Map(), parts: 1, answer, data: new Data() };
    part(run, () => fill(run, plan, args.rootValue, run.data, undefined));
  });
}

/** Whatever is thrown is thrown away: graphql-js will say what it is. */
function part(run: Run, work: () => void): void {
  try {
    work();
    run.parts -= 1;
    if (run.parts === 0) run.answer({ data: run.data });
  } catch {
    giveUp(run);
  }
}

/** Parts that are still waited for come to nothing. */
function giveUp(run: Run): void {
  if (run.parts < 0) return;
  run.parts = Number.NEGATIVE_INFINITY;
  run.answer(executeRootSelectionSet(run.args));
}

const outOfTheOrdinary = Symbol('not a plain success');

function fill(run: Run, plan: ObjectPlan, source: unknown, target: Target, above: Path | undefined): void {
  for (const field of plan.fields) {
    const { key, way, value } = field;
    const located = way === 'RESOLVER' || value.located;
    const path = located ? { prev: above, key, typename: field.parentType.name } : undefined;
    settle(run, value, resolved(run, field, source, path), target, key, path);
  }
}

function settle(
  run: Run,
  plan: ValuePlan,
  value: unknown,
  target: Target,
  key: string | number,
  path: Path | undefined,
): void {
  if (!isPromise(value)) {
    complete(run, plan, value, target, key, path);
    return;
  }
  // Its place in the order.
  target[key] = null;
  run.parts += 1;
  value.then(
    (settled) => part(run, () => complete(run, plan, settled, target, key, path)),
    () => giveUp(run),
  );
}

function complete(
  run: Run,
  plan: ValuePlan,
  value: unknown,
  target: Target,
  key: string | number,
  path: Path | undefined,
): void {
  if (value === null || value === undefined) {
    if (plan.nonNull) throw outOfTheOrdinary;
    target[key] = null;
  } else if (value instanceof Error) throw outOfTheOrdinary;
  else if (plan.kind === 'LEAF') {
    const shown = plan.type.coerceOutputValue(value);
    if (shown === null || shown === undefined) throw outOfTheOrdinary;
    target[key] = shown;
  } else if (plan.kind === 'OBJECT') {
    const object = new Data();
    target[key] = object;
    fill(run, plan, value, object, path);
  } else {
    if (!Array.isArray(value)) throw outOfTheOrdinary;
    const items: unknown[] = [];
    target[key] = items;
    completeItems(run, plan.item, value, items as unknown as Target, path);
  }
}

function completeItems(
  run: Run,
  plan: ValuePlan,
  values: readonly unknown[],
  target: Target,
  above: Path | undefined,
): void {
  try {
    // Not by entries(), which makes an array of each.
    for (let index = 0; index < values.length; index++) {
      const path = plan.located ? { prev: above, key: index, typename: undefined } : undefined;
      settle(run, plan, values[index], target, index, path);
    }
  } catch (error) {
    // Nobody will wait for the rest; a rejection that nobody hears of would end the process.
    for (const value of values) if (isPromise(value)) value.then(undefined, () => {});
    throw error;
  }
}

function resolved(run: Run, field: FieldPlan, source: unknown, path: Path | undefined): unknown {
  const { definition, way } = field;
  const { resolve } = definition;
  if (way === 'TYPENAME') return field.parentType.name;
  if (resolve === undefined) return property(source, definition.name);
  if (way === 'FUNCTION') return (resolve as (source: unknown) => unknown)(source);
  if (path === undefined) throw outOfTheOrdinary;
  return resolve(source, argumentsOf(run, field), run.args.contextValue, infoOf(run, field, path));
}

function property(source: unknown, name: string): unknown {
  if (typeof source !== 'object' || source === null) throw outOfTheOrdinary;
  const value = (source as Record<string, unknown>)[name];
  if (typeof value === 'function') throw outOfTheOrdinary;
  return value;
}

function argumentsOf(run: Run, field: FieldPlan): Record<string, unknown> {
  const known = run.given.get(field);
  if (known !== undefined) return known;
  const given = getArgumentValues(field.definition, field.nodes[0], run.args.variableValues);
  run.given.set(field, given);
  return given;
}

function infoOf({ args }: Run, field: FieldPlan, path: Path): GraphQLResolveInfo {
  const { schema, fragmentDefinitions: fragments, rootValue, operation, variableValues } = args;
  return {
    ...{ schema, fragments, rootValue, operation, variableValues, path },
    fieldName: field.definition.name,
    fieldNodes: field.nodes,
    returnType: field.definition.type,
    parentType: field.parentType,
    getAbortSignal: unplanned,
    getAsyncHelpers: unplanned,
  };
}

function unplanned(): never {
  throw outOfTheOrdinary;
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { readonly then?: unknown } | null | undefined)?.then === 'function';
}
