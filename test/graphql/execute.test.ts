// Queries answered the short way are answered as graphql-js answers them: every odd document over both, data and errors.
import {
  buildSchema,
  type DocumentNode,
  execute,
  GraphQLError,
  getIntrospectionQuery,
  isObjectType,
  parse,
  validate,
  validateExecutionArgs,
} from 'graphql';
import { describe, expect, test } from 'vitest';
import { executeOperation } from '../../src/graphql/execute.ts';
import { planOf } from '../../src/graphql/query-plan.ts';
import { buildSchema as buildBerth } from '../../src/graphql/schema.ts';

const schema = buildSchema(`
  type Query {
    me: Animal, needed: Animal!, all(first: Int = 3, kind: Kind, of: [ID!], by: Size): [Animal!]!, gaps: [Animal]
    grid: [[Int!]!], late: [Animal!]!, later: String, any: Thing, named: Named, nothing: String, effect: Int
    broken: String, brokenNeeded: String!, rejected: Int, wrongInt: Int, wrongEnum: Kind, notAList: [Int], error: String
    lateItems: [Int!], set: [Int!]!, method(by: Int): String, cut: [Animal!], cutNeeded: [Animal!]!, abort: String, spoilt: [Int!]
  }
  input Size { most: Int!, least: Int = 1 }
  enum Kind { CAT DOG }
  interface Named { name: String! }
  union Thing = Animal | Stone
  type Stone { weight: Float }
  type Animal implements Named {
    id: ID!, name: String!, kind: Kind!, age: Int, legs: [Int!]!, friend(late: Boolean): Animal, friends(first: Int!): [Animal!]!
    where: String!, bad: String, badNeeded: String!, alsoBad: Int!, missing: String!, args(a: Int, b: [String], c: Size): String
  }
  type Mutation { set(to: Int): Int }
`);

interface Animal {
  readonly id: string;
  readonly name: string;
  readonly kind: string;
  readonly age: number | null;
  readonly legs: readonly number[];
}
const animal = (id: number): Animal => ({
  ...{ id: `a${id}`, name: `Animal ${id}`, kind: id % 2 === 0 ? 'CAT' : 'DOG' },
  ...{ age: id === 3 ? null : id, legs: Array.from({ length: id }, (_, leg) => leg) },
});
const animals = [1, 2, 3, 4, 5].map(animal);
const later = <T>(value: T): Promise<T> => new Promise((resolve) => setImmediate(() => resolve(value)));
let effects = 0;

type Resolve = (source: never, args: never, context: never, info: never) => unknown;
const fault = () => {
  throw new GraphQLError('Refused.', { extensions: { code: 'OWN' } });
};
const resolvers: Record<string, Record<string, Resolve>> = {
  Query: {
    me: () => animal(2),
    needed: () => later(animal(1)),
    all: (_root, { first }: { first: number }) => animals.slice(0, first),
    gaps: () => [animal(1), null, later(null), later(animal(2))],
    grid: () => [[1, 2], [], later([3])],
    late: () => later(animals.map((each) => later(each))),
    later: () => later('later'),
    any: () => ({ __typename: 'Stone', weight: 1.5 }),
    named: () => ({ __typename: 'Animal', ...animal(1) }),
    effect: () => ++effects,
    broken: fault,
    brokenNeeded: () => later(undefined).then(fault),
    rejected: () => Promise.reject(new Error('no')),
    wrongInt: () => 'x',
    wrongEnum: () => 'BIRD',
    notAList: () => 5,
    error: () => new Error('given back'),
    lateItems: () => [later(1), 2, Promise.reject(new Error('item'))],
    spoilt: () => ['x', Promise.reject(new Error('late'))],
    set: () => new Set([1, 2]),
    cut: () => [animal(1), null],
    cutNeeded: () => later([animal(1), later(null)]),
    abort: (_s, _a, _c, info: { getAbortSignal: () => AbortSignal }) => String(info.getAbortSignal().aborted),
  },
  Animal: {
    id: ((row: Animal) => row.id.toUpperCase()) as Resolve,
    friend: (row: Animal, { late }: { late?: boolean }) => {
      const friend = animals[Number(row.id.slice(1))];
      return late === true ? later(friend) : friend;
    },
    friends: (_row, { first }: { first: number }) => later(animals.slice(0, first)),
    where: (_row, _args, _context, info: { path: object; fieldName: string }) => {
      const at: unknown[] = [];
      for (let path = info.path as { key: unknown; prev: never } | undefined; path; path = path.prev)
        at.unshift(path.key);
      return at.join('.');
    },
    bad: fault,
    badNeeded: fault,
    alsoBad: () => later(undefined).then(fault),
    args: (_row, args: object) => JSON.stringify(args),
  },
};
for (const type of Object.values(schema.getTypeMap()))
  if (isObjectType(type))
    for (const field of Object.values(type.getFields())) {
      const resolve = resolvers[type.name]?.[field.name];
      if (resolve !== undefined) field.resolve = resolve as never;
    }
const effect = schema.getQueryType()?.getFields().effect;
if (effect !== undefined) effect.extensions = { effect: true };
const rootValue = { nothing: null, method: ({ by }: { by?: number }) => `by ${by}` };

interface Asked {
  readonly document: DocumentNode;
  readonly variableValues: Record<string, unknown>;
  readonly operationName: string | undefined;
}
const plain = (value: unknown) => JSON.parse(JSON.stringify(value)) as unknown;
async function both(asked: Asked) {
  const args = { schema, rootValue, contextValue: {}, ...asked };
  const validated = validateExecutionArgs(args);
  return {
    planned: 'schema' in validated && planOf(validated) !== undefined,
    ours: plain(await executeOperation(args)),
    theirs: plain(await execute(args)),
  };
}
function asked(query: string, variableValues: Record<string, unknown> = {}, operationName?: string): Asked {
  const document = parse(query);
  expect(validate(schema, document)).toEqual([]);
  return { document, variableValues, operationName };
}

describe('with a plan', () => {
  test.each<[string, Record<string, unknown>?, string?]>([
    ['{ me { id name kind age legs } }'],
    ['{ __typename me { __typename t: __typename } }'],
    ['{ me { id } you: me { name } me { name } }'],
    ['{ all { id friend { id friend { name } } } gaps { id } }'],
    ['{ late { id name friends(first: 2) { id friend(late: true) { where } } } needed { where } }'],
    ['{ all { ...A } } fragment A on Animal { id ...B } fragment B on Named { name ... on Animal { age } }'],
    ['{ all { ...A ...A } me { ...A } } fragment A on Animal { id where }'],
    ['{ ... on Query { me { ... { id } } } ... { later nothing } }'],
    ['{ me { ... on Named { name } ...N } } fragment N on Named { __typename }'],
    ['{ grid gaps { legs } set: later }'],
    ['{ me { id @skip(if: true) name @include(if: false) age @include(if: true) @skip(if: false) } }'],
    ['{ me { a: args b: args(a: 1, b: ["x"], c: { most: 2 }) c: args(b: "one", a: null) } }'],
    ['query ($a: Int = 4, $c: Size) { me { args(a: $a, c: $c) } all(first: $a) { id } }'],
    ['query ($a: Int = 4, $c: Size) { me { args(a: $a, c: $c) } }', { a: null, c: { most: 3, least: 2 } }],
    ['query ($of: [ID!], $kind: Kind) { all(of: $of, kind: $kind) { id } }', { of: 'one', kind: 'CAT' }],
    ['query A { me { id } } query B { needed { id } }', {}, 'B'],
    ['{ __proto__: later constructor: me { __proto__: name toString: age } }'],
  ])('%s', async (query, variables, name) => {
    const { planned, ours, theirs } = await both(asked(query, variables, name));
    expect(theirs).not.toHaveProperty('errors');
    expect(JSON.stringify(ours)).toBe(JSON.stringify(theirs));
    expect(planned).toBe(true);
  });

  test.each(['broken', 'brokenNeeded', 'rejected', 'wrongInt', 'wrongEnum', 'notAList', 'error'])(
    'an error of the field %s, alone and among others',
    async (field) => {
      for (const query of [`{ ${field} }`, `{ me { id } ${field} late { id } again: ${field} }`]) {
        const { planned, ours, theirs } = await both(asked(query));
        expect(theirs).toHaveProperty('errors');
        expect(ours).toEqual(theirs);
        expect(planned).toBe(true);
      }
    },
  );

  test.each([
    '{ me { bad id } }',
    '{ me { badNeeded id } later }',
    '{ me { alsoBad badNeeded id } }',
    '{ all { id friend { badNeeded } } }',
    '{ all { id badNeeded } }',
    '{ late { alsoBad } gaps { alsoBad bad } }',
    '{ needed { friends(first: 3) { friend { missing } } } }',
    '{ me { missing } lateItems }',
    '{ cut { id } cutNeeded { id } }',
    '{ lateItems set method(by: 2) abort }',
    '{ spoilt }',
  ])('errors at nullable and non-null places: %s', async (query) => {
    const { planned, ours, theirs } = await both(asked(query));
    expect(ours).toEqual(theirs);
    expect(planned).toBe(true);
  });

  test('what is skipped and included goes by the variables of each call', async () => {
    const query =
      'query ($s: Boolean!, $i: Boolean = true) { me { id @skip(if: $s) name } later @include(if: $i) }';
    const { document } = asked(query);
    for (const variableValues of [{ s: true }, { s: false, i: false }, { s: true, i: false }, { s: false }]) {
      const { planned, ours, theirs } = await both({ document, variableValues, operationName: undefined });
      expect(JSON.stringify(ours)).toBe(JSON.stringify(theirs));
      expect(planned).toBe(true);
    }
  });
});

describe('without a plan', () => {
  test.each<[string, Record<string, unknown>?, string?]>([
    [
      '{ any { ... on Stone { weight } ... on Animal { id } __typename } named { name ... on Animal { id } } }',
    ],
    [getIntrospectionQuery()],
    ['mutation { set(to: 3) }'],
    ['query ($a: Int!) { all(first: $a) { id } }'],
    ['query ($a: Int!) { all(first: $a) { id } }', { a: 'x' }],
    ['query A { me { id } } query B { me { id } }'],
    ['query A { me { id } }', {}, 'C'],
    ['fragment A on Query { me { id } } query { ...A }', {}, 'A'],
    [
      `{ ${'...F '.repeat(9)} } fragment F on Query { a: all { ...G } b: all { ...G } c: all { ...G } }
      fragment G on Animal { a: friend { ...H } b: friend { ...H } c: friend { ...H } d: friend { ...H } }
      fragment H on Animal { a: friend { ...I } b: friend { ...I } c: friend { ...I } d: friend { ...I } }
      fragment I on Animal { id name kind age legs where }`,
    ],
  ])('%s', async (query, variables, name) => {
    const { planned, ours, theirs } = await both(asked(query, variables, name));
    expect(ours).toEqual(theirs);
    expect(planned).toBe(false);
  });

  test('a field that has an effect has it once, whatever fails beside it', async () => {
    effects = 0;
    const { document } = asked('{ effect broken needed { badNeeded } }');
    const result = await executeOperation({ schema, rootValue, document });
    expect(result.errors).toHaveLength(2);
    expect(effects).toBe(1);
  });

  test('reading the value of a variable has an effect', () => {
    const variable = buildBerth().getType('Variable');
    expect(isObjectType(variable) && variable.getFields().value?.extensions.effect).toBe(true);
  });
});
