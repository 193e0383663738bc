// Recording results: what a server said is kept whatever it is, for one that could not be kept would hold up all behind it.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { change } from '../../src/postgres/change.ts';
import { recordResults } from '../../src/postgres/record-results.ts';
import { checkResults, incidents } from '../../src/postgres/tables/checks.ts';
import { type Api, localIdOf, openApi } from '../support/api.ts';
import { type Furnished, furnish } from '../support/furnish.ts';

let api: Api;
let own: Furnished;

beforeAll(async () => {
  api = await openApi();
  own = await furnish(api.control, api.admin, 'own');
});
afterAll(() => api.close());

test('what no text column takes is kept so that it can be, in results and incidents', async () => {
  const { db } = api.control.store;
  await db.delete(incidents);
  const metrics = [{ name: 'a\0', value: 1, unit: '\ud800' }];
  const said = { state: 'CRITICAL' as const, output: 'It said \0 and \ud800.', metrics, durationMs: 1 };
  const by = { checkId: localIdOf(own.builtInCheck), source: 'MONITOR' as const };
  const results = [1, 2, 3].map((second) => ({ ...said, ...by, startedAt: new Date(second * 1_000) }));
  await change(api.control, (current) => recordResults(current, localIdOf(own.Environment), results));
  const kept = 'It said \u2400 and \ufffd.';
  expect((await db.select().from(checkResults)).map(({ output }) => output)).toEqual([kept, kept, kept]);
  expect((await db.select().from(incidents)).map(({ output }) => output)).toEqual([kept]);
});
