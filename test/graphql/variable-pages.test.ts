// Pages of variables at their edges: names of the longest length, names that other orders would sort elsewhere, and cursors
// that were never given. And variables as nodes, whose ids grow with their names.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Api, openApi } from '../support/api.ts';
import { type Furnished, furnish } from '../support/furnish.ts';

let api: Api;
let own: Furnished;

beforeAll(async () => {
  api = await openApi();
  own = await furnish(api.control, api.admin, 'own');
  const variables = names.map((name) => ({ name, value: '\u{1f600} ä' }));
  const set = 'mutation ($input: SetVariablesInput!) { setVariables(input: $input) { __typename } }';
  const input = { serviceId: own.spare, variables };
  expect(await api.mutate(set, { input })).toEqual({ __typename: 'SetVariablesPayload' });
});

afterAll(() => api.close());

const longest = 200;
/** Alike up to their last letters, in both cases, and with signs that a language's order would pass over. */
const names = [
  ...['a', 'A', 'b', 'B', '_', '__', '_a', 'A_', 'AA', 'Aa', 'aA', 'Z', 'z', 'A1', 'A10', 'A2'],
  ...['0', '1', 'A', 'a', '_'].map((last) => `X${'y'.repeat(longest - 2)}${last}`),
  ...['x', 'X', '_'].map((letter) => letter.repeat(longest)),
];

const page = `query ($id: ID!, $first: Int, $after: String, $last: Int, $before: String) { node(id: $id) { ... on Service {
  variables(first: $first, after: $after, last: $last, before: $before) {
    edges { cursor node { id name } } pageInfo { hasNextPage hasPreviousPage endCursor startCursor } } } } }`;

interface Edge {
  readonly cursor: string;
  readonly node: { readonly id: string; readonly name: string };
}

async function read(args: object): Promise<{ edges: Edge[]; pageInfo: Record<string, string | boolean> }> {
  const { data, errors } = await api.run(page, { id: own.spare, ...args });
  expect(errors).toEqual([]);
  return data.node.variables;
}

test.each([1, 2, 7])('pages of %i are the whole list, each once, forward and backward', async (size) => {
  const all = (await read({ first: 100 })).edges.map(({ node }) => node.name);
  expect(all).toEqual([...all].sort());
  expect(all).toEqual(expect.arrayContaining(names));
  const forward: string[] = [];
  for (let after: unknown = null, more = true; more; ) {
    const { edges, pageInfo } = await read({ first: size, after });
    forward.push(...edges.map(({ node }) => node.name));
    after = pageInfo.endCursor;
    more = pageInfo.hasNextPage === true;
  }
  expect(forward).toEqual(all);
  const backward: string[] = [];
  for (let before: unknown = null, more = true; more; ) {
    const { edges, pageInfo } = await read({ last: size, before });
    backward.unshift(...edges.map(({ node }) => node.name));
    before = pageInfo.startCursor;
    more = pageInfo.hasPreviousPage === true;
  }
  expect(backward).toEqual(all);
});

test('each can be loaded by its id, however long its name', async () => {
  const { edges } = await read({ first: 100 });
  const ids = edges.map(({ node }) => node.id);
  const query = 'query ($ids: [ID!]!) { nodes(ids: $ids) { id ... on Variable { name } } }';
  const { data, errors } = await api.run(query, { ids });
  expect(errors).toEqual([]);
  expect(data.nodes).toEqual(edges.map(({ node }) => node));
});

const encoded = (text: string) => Buffer.from(text).toString('base64url');

test.each([
  ['of letters beyond ASCII', encoded('Ä')],
  ['of a picture', encoded('\u{1f600}')],
  ['of a name that is none', encoded('A-B')],
  ['of two lines', encoded('A\nB')],
  ['of NUL', encoded('A\0')],
  ['of nothing', ''],
  ['of more than a name can be', encoded('A'.repeat(1_000))],
  ['that is no base64', '%%%'],
  ['that is a lone surrogate', '\ud800'],
])('a cursor %s is refused by its field', async (_what, cursor) => {
  for (const [size, at] of [
    ['first', 'after'],
    ['last', 'before'],
  ] as const) {
    const { errors } = await api.run(page, { id: own.spare, [size]: 1, [at]: cursor });
    const refusal = errors[0]?.originalError as { code?: string; inputPath?: string[] } | undefined;
    expect([refusal?.code, refusal?.inputPath]).toEqual(['INVALID', [at]]);
  }
});
