// What a document may be, over HTTP and over WebSocket alike; and that what is accepted is read quickly.
import { buildClientSchema, getIntrospectionQuery } from 'graphql';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeDocumentCache } from '../../src/http/document-cache.ts';
import { ask, codeOf, connect, type Edge, openEdge } from './edge.ts';

let edge: Edge;
beforeAll(async () => {
  edge = await openEdge();
});
afterAll(() => edge?.close());

const deep = (levels: number) =>
  `{ environments(first: 1) { nodes ${'{ services(first: 1) { nodes { environment '.repeat(levels)} { id } ${'} } }'.repeat(levels)} } }`;

const cases: readonly [string, string, number][] = [
  ['BYTES', `{ __typename } # ${'x'.repeat(20_000)}`, 20_000],
  ['TOKENS', `{ ${'a '.repeat(2_001)} }`, 2_000],
  ['DEPTH', deep(4), 12],
  ['ALIASES', `{ viewer { ${Array.from({ length: 31 }, (_, n) => `a${n}: __typename`).join(' ')} } }`, 30],
  ['ROOT_FIELDS', `{ ${'__typename '.repeat(21)} }`, 20],
  [
    'INTROSPECTION',
    '{ ...s a: __schema { ...t } } fragment s on Query { b: __schema { ...t } c: __type(name: "Query") { name } } fragment t on __Schema { queryType { name } }',
    2,
  ],
  [
    'INTROSPECTION',
    '{ __schema { types { ...t } } } fragment t on __Type { fields { type { ofType { ...u } } } } fragment u on __Type { fields { name } }',
    1,
  ],
  [
    'ALIASES',
    `{ ...a ...a ...a ...a } fragment a on Query { ${Array.from({ length: 8 }, (_, n) => `a${n}: __typename`).join(' ')} }`,
    30,
  ],
];

describe.each(cases)('past the limit %s', (counted, query, limit) => {
  test('a document is refused with the limit by name, over HTTP', async () => {
    const { status, body } = await ask(edge, query, { token: edge.token.secret });
    expect(status).toBeLessThan(500);
    const error = body.errors?.find(({ extensions }) => extensions?.counted === counted);
    expect(error?.extensions).toMatchObject({ code: 'LIMIT', counted, limit });
    expect(error?.message).toContain(String(limit));
  });

  test('and over WebSocket, where the socket lives on', async () => {
    const client = await connect(edge.server.url, { token: edge.token.secret });
    client.subscribe('1', query);
    const refused = await client.message(({ id }) => id === '1');
    expect(refused.type).toBe('error');
    expect(JSON.stringify(refused.payload)).toContain(`"counted":"${counted}"`);
    expect(JSON.stringify(refused.payload)).not.toContain('"http"');
    client.subscribe('2', '{ __typename }');
    expect((await client.message(({ id }) => id === '2')).type).toBe('next');
    client.socket.terminate();
  });
});

test('a document whose operation is not told is refused over WebSocket, and another one answered', async () => {
  const client = await connect(edge.server.url, { token: edge.token.secret });
  client.subscribe('1', 'query A { __typename } query B { __typename }');
  const refused = await client.message(({ id }) => id === '1');
  expect(refused.type).toBe('error');
  expect(JSON.stringify(refused.payload)).toContain('told by operationName');
  client.subscribe('2', '{ __typename }');
  expect((await client.message(({ id }) => id === '2')).type).toBe('next');
  client.socket.terminate();
});

test('what lies at the limits is accepted', async () => {
  const { token } = edge;
  for (const query of [
    `{ ${'__typename '.repeat(20)} }`,
    '{ a: __type(name: "Query") { fields { name type { ofType { name } } } } __schema { types { name fields { name } } } }',
    `{ viewer { ${Array.from({ length: 30 }, (_, n) => `a${n}: __typename`).join(' ')} } }`,
    deep(3),
  ]) {
    const { body } = await ask(edge, query, { token: token.secret });
    expect(codeOf(body)).toBeUndefined();
  }
});

test('the introspection that tools send is accepted, and one that goes in circles is not', async () => {
  const { body } = await ask(edge, getIntrospectionQuery({ inputValueDeprecation: true }));
  expect(() => buildClientSchema(body.data as never)).not.toThrow();
  const circles = `{ __schema { types ${'{ fields { type '.repeat(5)} { name } ${'} }'.repeat(5)} } }`;
  expect((await ask(edge, circles)).body.errors).toBeDefined();
});

test('anything accepted is read within 100 ms', async () => {
  const fields = Array.from({ length: 600 }, () => '__typename').join(' ');
  const variations = [
    (salt: string) => `query ${salt} { viewer { ${fields} } }`,
    (salt: string) =>
      `query ${salt} { viewer { ...f0 } } ${Array.from({ length: 150 }, (_, n) => `fragment f${n} on Viewer { __typename ...f${n + 1} ...f${n + 1} }`).join(' ')} fragment f150 on Viewer { __typename }`,
    (salt: string) => `query ${salt} { viewer { __typename ${'@include(if: true) '.repeat(300)} } }`,
    (salt: string) =>
      `query ${salt} { viewer { ${Array.from({ length: 200 }, (_, n) => `x${n}`).join(' ')} } }`,
  ];
  for (const [index, variation] of variations.entries()) {
    const times: number[] = [];
    for (let round = 0; round < 5; round++) {
      const started = performance.now();
      await ask(edge, variation(`Q${index}x${round}`));
      times.push(performance.now() - started);
    }
    expect(Math.min(...times), `document ${index} took ${times.map(Math.round)} ms`).toBeLessThan(100);
  }
});

test('parsed documents are kept by the length of their text', () => {
  const cache = makeDocumentCache(100);
  const document = { kind: 'Document', definitions: [] } as never;
  for (const letter of 'abcd') cache.set(letter.repeat(30), document);
  expect(cache.get('a'.repeat(30))).toBeUndefined();
  expect(cache.get('b'.repeat(30))).toBe(document);
  cache.set('e'.repeat(30), document);
  expect(cache.get('b'.repeat(30))).toBe(document);
  expect(cache.get('c'.repeat(30))).toBeUndefined();
});
