// What an environment's checks may come to together: what its monitor is told, and how often it looks.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Api, localIdOf, openApi } from '../support/api.ts';
import { type Furnished, furnish } from '../support/furnish.ts';

let api: Api;
let made = 0;

beforeAll(async () => {
  api = await openApi();
});
afterAll(() => api.close());
const answer = `check { id } } ... on UserError { code path message } ... on LimitError { limit current } } }`;
const create = (own: Furnished, more: object = {}) =>
  api.mutate(
    `mutation ($input: CreateCheckInput!) { createCheck(input: $input) { __typename ... on CreateCheckPayload { ${answer}`,
    { input: { serviceId: own.Service, name: `check ${++made}`, tcp: {}, ...more } },
  );
const update = (input: object) =>
  api.mutate(
    `mutation ($input: UpdateCheckInput!) { updateCheck(input: $input) { __typename ... on UpdateCheckPayload { ${answer}`,
    { input },
  );

const idOf = (answered: Record<string, unknown>) => (answered.check as { id: string }).id;

test('they run at most fifty times a second, paused ones not counted', async () => {
  const own = await furnish(api.control, api.admin, 'often');
  const first = await create(own, { intervalSeconds: 1 });
  await api.control.store.raw`insert into checks
    (id, environment_id, service_id, type, name, settings, thresholds, depends_on, interval_seconds, timeout_seconds, attempts)
    select gen_random_uuid(), environment_id, service_id, type, 'copy ' || number, settings, thresholds, depends_on, 1, 1, 1
    from checks, generate_series(1, 48) number where id = ${localIdOf(idOf(first))}`;
  const before = await api.dump();
  const refused = await create(own, { intervalSeconds: 1 });
  expect(refused).toMatchObject({ __typename: 'LimitError', code: 'LIMIT', path: ['input'], limit: 50 });
  expect(await api.dump()).toBe(before);
  await update({ checkId: idOf(first), paused: true });
  expect(await create(own, { intervalSeconds: 1 })).toMatchObject({ __typename: 'CreateCheckPayload' });
  expect(await update({ checkId: idOf(first), paused: false })).toMatchObject({ code: 'LIMIT' });
});

test('their settings have at most 4 MiB', async () => {
  const own = await furnish(api.control, api.admin, 'heavy');
  const made = await create(own);
  await api.control.store.raw`update checks set settings = jsonb_build_object('filler', repeat('x', 4200000))
    where id = ${localIdOf(idOf(made))}`;
  expect(await create(own)).toMatchObject({ __typename: 'LimitError', code: 'LIMIT', limit: 4_194_304 });
});
