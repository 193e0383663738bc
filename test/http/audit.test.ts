// The public audit of GraphQL over HTTP, whole.
import { auditServer } from 'graphql-http';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Edge, openEdge } from './edge.ts';

let edge: Edge;
beforeAll(async () => {
  edge = await openEdge();
});
afterAll(() => edge?.close());

test('every audit of the GraphQL-over-HTTP suite passes', async () => {
  const results = await auditServer({ url: `${edge.server.url}/graphql`, fetchFn: fetch });
  for (const { response } of results.filter((result) => 'response' in result)) await response.body?.cancel();
  const failed = results.filter(({ status }) => status !== 'ok');
  expect(failed.map(({ id, name }) => `${id} ${name}`)).toEqual([]);
  expect(results).toHaveLength(61);
});
