// Tasks of one service: ten at a time, counted under the service's lock, so that no crowd passes; the refusal says how many
// there may be and how many there are.
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { listJobsToJudge } from '../../src/postgres/jobs.ts';
import { type Api, openApi } from '../support/api.ts';
import { type Furnished, furnish } from '../support/furnish.ts';

let api: Api;
let own: Furnished;
let made = 0;

beforeAll(async () => {
  api = await openApi();
});
afterAll(() => api.close());
beforeEach(async () => {
  made += 1;
  own = await furnish(api.control, api.admin, `tasks-${made}`);
});

const document = `mutation ($input: RunTaskInput!) { runTask(input: $input) {
  __typename
  ... on RunTaskPayload { job { id type state } }
  ... on UserError { code message path }
  ... on LimitError { limit current } } }`;

const runTask = (more: object = {}) =>
  api.mutate(document, { input: { serviceId: own.Service, command: ['true'], ...more } });

const limited = {
  __typename: 'LimitError',
  code: 'LIMIT',
  path: ['input', 'serviceId'],
  limit: 10,
  current: 10,
};

const countTasks = async () =>
  Number(
    (
      await api.control.store
        .raw`select count(*) as number from jobs where type = 'TASK' and service_id = ${idOf(own.Service)}`
    )[0]?.number,
  );

const idOf = (globalId: string) => Buffer.from(globalId, 'base64url').toString().split(':')[1] ?? '';

test('the eleventh is refused with the limit and how many there are, and leaves nothing', async () => {
  for (let number = 0; number < 10; number++)
    expect(await runTask()).toMatchObject({ __typename: 'RunTaskPayload', job: { type: 'TASK' } });
  const before = await api.dump();
  const refused = await runTask();
  expect(refused).toMatchObject(limited);
  expect(refused.message).toMatch(/^10 tasks of web have not ended yet\./);
  expect(await api.dump()).toBe(before);
});

test('those that have ended, however many, are no part of what is decided from', async () => {
  for (let number = 0; number < 10; number++) await runTask();
  const { db, raw } = api.control.store;
  const serviceId = idOf(own.Service);
  const [ran] = await raw`select id from redeploys where service_id = ${serviceId} limit 1`;
  const seen = async () =>
    (await listJobsToJudge(db, serviceId, [ran?.id], 3_600)).filter(({ type }) => type === 'TASK').length;
  expect(await seen()).toBe(10);
  await raw`update jobs set redeploy_id = ${ran?.id}, state = 'FINISHED', cleaned = true
    where type = 'TASK' and service_id = ${serviceId}`;
  expect(await seen()).toBe(0);
});

test('of thirty at once ten are taken', async () => {
  const answers = await Promise.all(Array.from({ length: 30 }, () => runTask()));
  const refused = answers.filter(({ code }) => code !== undefined);
  expect(answers.length - refused.length).toBe(10);
  for (const answer of refused) expect(answer).toMatchObject(limited);
  expect(await countTasks()).toBe(10);
});

test('one that has ended makes room, those of other services take none, and a repeated key is no other task', async () => {
  const input = { idempotencyKey: `last of ${own.namespace}` };
  for (let number = 0; number < 9; number++) await runTask();
  const last = await runTask(input);
  expect(await runTask()).toMatchObject(limited);
  expect(await runTask(input)).toEqual(last);
  await api.control.store.raw`update jobs set state = 'FINISHED', stopped_at = now()
    where id = ${idOf((last.job as { id: string }).id)}`;
  expect(await runTask()).toMatchObject({ __typename: 'RunTaskPayload' });
  expect(await runTask()).toMatchObject(limited);
  own = await furnish(api.control, api.admin, `beside-${made}`);
  expect(await runTask()).toMatchObject({ __typename: 'RunTaskPayload' });
});
