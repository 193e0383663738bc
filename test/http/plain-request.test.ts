// Requests of the usual form, which are answered without yoga's carrier, get the answer that yoga's carrier gives.
import { connect as connectSocket } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bearer, type Edge, json, openEdge } from './edge.ts';

let edge: Edge;
beforeAll(async () => {
  edge = await openEdge();
});
afterAll(() => edge?.close());

const mutation = 'mutation Make($input: CreateTokenInput!) { createToken(input: $input) { __typename } }';
const bodies: readonly unknown[] = [
  { query: '{ viewer { __typename token { name } } }' },
  { query: '{ __typename }', variables: null, operationName: null, extensions: {} },
  { query: 'query A { a: __typename } query B { b: __typename }', operationName: 'B' },
  { query: 'query A { a: __typename } query B { b: __typename }' },
  { query: 'query A { a: __typename }', operationName: 'C' },
  { query: 'query A { a: __typename }', operationName: 5 },
  { query: '{ nothing }' },
  { query: '{ a b ' },
  { query: '' },
  { query: '# nothing' },
  { query: 'fragment F on Query { __typename }' },
  { query: `{ ${'__typename '.repeat(21)} }` },
  { query: `{ __typename } # ${'x'.repeat(20_000)}` },
  { query: '{ environments(first: 0) { nodes { id } } }' },
  {
    query:
      '{ environments(first: 100) { nodes { services(first: 100) { nodes { jobs(first: 100) { nodes { id } } } } } } }',
  },
  { query: '{ node(id: "x") { id } environment(namespace: "none") { id } }' },
  { query: mutation, variables: { input: { name: 5, scopes: ['NONE'] } } },
  { query: mutation, variables: { input: { name: '', scopes: [] } } },
  { query: mutation },
  { query: 'subscription { environment(id: "x") { id } }' },
  { query: 'subscription { environment(id: "x") { nothing } }' },
  { query: 5 },
  { query: '{ __typename }', variables: [] },
  { query: '{ __typename }', extra: 1 },
  { query: '{ __typename }', extra: null },
  { queri: '{ __typename }' },
  { query: 'query { __schema { queryType { name } } }' },
  [],
  [{ query: '{ __typename }' }],
  null,
  'text',
  7,
];

async function answerTo(path: string, body: string, accept: string, headers: Record<string, string>) {
  const url = `${edge.server.url}${path}`;
  const response = await fetch(url, { method: 'POST', headers: { ...json, accept, ...headers }, body });
  const { date: _date, ...told } = Object.fromEntries(response.headers);
  return { status: response.status, headers: told, body: await response.text() };
}

describe.each(['*/*', 'application/json', 'application/graphql-response+json'])('taking %s', (accept) => {
  test.each(bodies.map((body) => JSON.stringify(body)))('%s', async (body) => {
    for (const headers of [{}, bearer(edge.token.secret)]) {
      const usual = await answerTo('/graphql', body, accept, headers);
      // Parameters in the URL are unusual, and without meaning for a POST.
      expect(usual).toEqual(await answerTo('/graphql?by=yoga', body, accept, headers));
    }
  });

  test.each(['{', '', '\ufeff{"query":"{ __typename }"}', '{"query":"{ __typename }"} x'])(
    'the text %j',
    async (body) => {
      expect(await answerTo('/graphql', body, accept, {})).toEqual(
        await answerTo('/graphql?by=yoga', body, accept, {}),
      );
    },
  );
});

test.each([
  'application/graphql-response+json, application/json;q=0.9',
  'application/json, text/plain, */*',
  'text/html',
  'text/event-stream',
  'text/event-stream, application/json',
])('what takes %s is answered in the type that yoga chooses', async (accept) => {
  for (const query of ['{ __typename }', '{ nothing }']) {
    const body = JSON.stringify({ query });
    expect(await answerTo('/graphql', body, accept, {})).toEqual(
      await answerTo('/graphql?by=yoga', body, accept, {}),
    );
  }
});

test('a mutation is done once, also when its answer has errors', async () => {
  const make = 'createToken(input: { name: "once", scopes: [READ] }) { __typename }';
  const query = `mutation { ${make} again: ${make} fault: createToken(input: { name: "", scopes: [] }) { __typename } }`;
  const answered = await answerTo('/graphql', JSON.stringify({ query }), '*/*', bearer(edge.token.secret));
  expect(answered.status).toBe(200);
  const list = JSON.stringify({ query: '{ viewer { tokens(first: 100) { nodes { name } } } }' });
  const { body } = await answerTo('/graphql', list, '*/*', bearer(edge.token.secret));
  expect(body.match(/"once"/g)).toHaveLength(2);
});

test('whoever leaves before its body has arrived is no fault of ours', async () => {
  const before = edge.logged.length;
  const { port } = edge.server;
  const socket = connectSocket({ port, host: '127.0.0.1' });
  const head =
    'POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{';
  await new Promise<void>((resolve) => socket.write(head, () => resolve()));
  // Answered on another connection, after the server has begun to read this one.
  await answerTo('/graphql', JSON.stringify({ query: '{ __typename }' }), '*/*', {});
  await new Promise<void>((resolve) => socket.once('close', () => resolve()).destroy());
  await answerTo('/graphql', JSON.stringify({ query: '{ __typename }' }), '*/*', {});
  expect(edge.logged.slice(before)).toEqual([]);
});
