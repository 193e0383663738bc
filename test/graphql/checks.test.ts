// Checks as clients see them: made, changed and removed by mutations, moved on by results, their results by list, page and
// stream, incidents by the rules, and the status of what they are of. Results are recorded as the orchestrator would.
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { ObservedState } from '../../src/model/monitoring/observations.ts';
import { change } from '../../src/postgres/change.ts';
import { recordResults } from '../../src/postgres/record-results.ts';
import { pruneResults } from '../../src/postgres/result-log.ts';
import { type Api, localIdOf, openApi } from '../support/api.ts';
import { type Furnished, furnish } from '../support/furnish.ts';

let api: Api;
let own: Furnished;
let checkId: string;
let number = 0;
let clock = Date.now() - 3_600_000;

beforeAll(async () => {
  api = await openApi();
});
afterAll(() => api.close());
beforeEach(async () => {
  own = await furnish(api.control, api.admin, `env-${++number}`);
  checkId = await newCheck({ attempts: 2 });
});

async function mutate(name: string, input: object): Promise<Record<string, unknown>> {
  const type = `${name.charAt(0).toUpperCase()}${name.slice(1)}`;
  const fields = name.endsWith('Maintenance') ? 'window { id }' : 'check { id revision paused attempts }';
  const what = name === 'acknowledgeIncident' ? 'incident { id state note acknowledgedBy { name } }' : fields;
  const given = `mutation ($input: ${type}Input!) { ${name}(input: $input) { __typename
    ... on ${type}Payload { cursor ${what} } ... on UserError { code message path } } }`;
  const answer = await api.mutate(given, { input });
  expect(answer).toMatchObject({ __typename: `${type}Payload` });
  return answer;
}

async function newCheck(input: object): Promise<string> {
  const made = await mutate('createCheck', {
    ...{ serviceId: own.Service, name: `check ${++number}`, tcp: {} },
    ...input,
  });
  return (made.check as { id: string }).id;
}

/** One result after the other, a second apart. */
async function seen(...states: (ObservedState | readonly [string, ObservedState])[]): Promise<void> {
  const results = states.map((each) => {
    const [id, state] = typeof each === 'string' ? [checkId, each] : each;
    clock += 1_000;
    const metrics = [{ name: 'total_time', value: 12, unit: 'ms' }];
    const made = { state, output: `It is ${state}.\nAnd more.`, metrics, durationMs: 12.5 };
    return { ...made, checkId: localIdOf(id), startedAt: new Date(clock), source: 'MONITOR' as const };
  });
  await change(api.control, (current) => recordResults(current, localIdOf(own.Environment), results));
}

async function check(id = checkId) {
  const { data } = await api.run(
    `query ($id: ID!) { node(id: $id) { ... on Check { name state hard attempt flapping paused builtIn
      latest { state output cursor durationMs metrics { name value unit } check { id } }
      incidents(first: 10) { nodes { id state worst output resolution openedAt resolvedAt } } } } }`,
    { id },
  );
  return data.node;
}

async function eventTypes(): Promise<string[]> {
  const { data } = await api.run(
    'query ($id: ID!) { events(environmentId: $id, first: 100) { items { ... on Event { type message } } } }',
    { id: own.Environment },
  );
  return data.events.items.map((item: { type?: string }) => item.type ?? '');
}

test('a service comes with checks of its type, which go with it and can be paused but not removed', async () => {
  const { data } = await api.run(
    `query ($id: ID!) { node(id: $id) { ... on Environment { services(first: 10) { nodes { label
      checks(first: 10) { nodes { name type builtIn state } } } } } } }`,
    { id: own.Environment },
  );
  const byLabel = Object.fromEntries(
    data.node.services.nodes.map(
      (each: { label: string; checks: { nodes: { builtIn: boolean; type: string }[] } }) => [
        each.label,
        each.checks.nodes.filter(({ builtIn }) => builtIn).map(({ type }) => type),
      ],
    ),
  );
  expect(byLabel).toMatchObject({ web: ['RESTARTS', 'JOB_RUNNING', 'TCP', 'HTTP', 'MEMORY'] });
  await mutate('updateCheck', { checkId: own.builtInCheck, paused: true });
  expect(await check(own.builtInCheck)).toMatchObject({ paused: true, builtIn: true });
});

test('a state is hard once it was seen often enough, and makes one incident, which ends by itself', async () => {
  await seen('OK', 'CRITICAL');
  expect(await check()).toMatchObject({
    state: 'CRITICAL',
    hard: false,
    attempt: 1,
    incidents: { nodes: [] },
  });
  await seen('WARNING', 'CRITICAL', 'CRITICAL');
  const open = await check();
  expect(open).toMatchObject({
    ...{ state: 'CRITICAL', hard: true, attempt: 2 },
    latest: {
      durationMs: 12.5,
      metrics: [{ name: 'total_time', value: 12, unit: 'ms' }],
      check: { id: checkId },
    },
    incidents: { nodes: [{ state: 'OPEN', worst: 'CRITICAL', output: 'It is WARNING.\nAnd more.' }] },
  });
  const incidentId = open.incidents.nodes[0].id;
  const answer = await mutate('acknowledgeIncident', { incidentId, note: 'Mine.' });
  expect(answer.incident).toMatchObject({
    state: 'ACKNOWLEDGED',
    note: 'Mine.',
    acknowledgedBy: { name: expect.any(String) },
  });
  await seen('OK');
  expect((await check()).incidents.nodes).toMatchObject([
    { id: incidentId, state: 'RESOLVED', resolution: 'RECOVERED' },
  ]);
  const types = (await eventTypes()).filter((type) => /CHECK_STATE|INCIDENT/.test(type));
  expect(types).toEqual([
    ...['CHECK_STATE_CHANGED', 'INCIDENT_OPENED', 'CHECK_STATE_CHANGED', 'CHECK_STATE_CHANGED'],
    ...['INCIDENT_ACKNOWLEDGED', 'INCIDENT_RESOLVED', 'CHECK_STATE_CHANGED'],
  ]);
});

test('events link to what they are about, and the catalogue names the types of checks', async () => {
  await seen('OK', 'CRITICAL', 'CRITICAL', 'OK');
  const { data } = await api.run(
    `query ($id: ID!) { catalogue { checkTypes { type title description intervalSeconds timeoutSeconds } }
      events(environmentId: $id, first: 100) { items {
        ... on CheckStateChanged { type state before flapping check { id } }
        ... on IncidentChanged { type incident { state check { id } } check { id } } } } }`,
    { id: own.Environment },
  );
  const told = data.events.items.filter((item: { type?: string }) => item.type !== undefined);
  const mine = { check: { id: checkId } };
  const incident = { state: 'RESOLVED', ...mine };
  expect(told).toEqual([
    { type: 'CHECK_STATE_CHANGED', state: 'OK', before: 'PENDING', flapping: false, ...mine },
    { type: 'INCIDENT_OPENED', incident, ...mine },
    { type: 'CHECK_STATE_CHANGED', state: 'CRITICAL', before: 'CRITICAL', flapping: false, ...mine },
    { type: 'INCIDENT_RESOLVED', incident, ...mine },
    { type: 'CHECK_STATE_CHANGED', state: 'OK', before: 'CRITICAL', flapping: false, ...mine },
  ]);
  expect(data.catalogue.checkTypes.map(({ type }: { type: string }) => type)).toContain('HTTP');
});

test('a service with a hard bad check is degraded for as long, and a paused check is not counted', async () => {
  const status = async () => {
    const source = 'query ($id: ID!) { node(id: $id) { ... on Service { status } } }';
    return (await api.run(source, { id: own.Service })).data.node.status;
  };
  expect(await status()).toBe('DEGRADED');
  await api.control.store.raw`delete from worker_targets`;
  expect(await status()).toBe('HEALTHY');
  await seen('CRITICAL');
  expect(await status()).toBe('HEALTHY');
  await seen('CRITICAL');
  expect(await status()).toBe('DEGRADED');
  await mutate('updateCheck', { checkId, paused: true });
  expect(await status()).toBe('HEALTHY');
  expect((await check()).incidents.nodes).toMatchObject([{ state: 'RESOLVED', resolution: 'PAUSED' }]);
});

test('planned maintenance is marked and raises nothing until it is over', async () => {
  const now = Date.now();
  clock = now;
  const at = (minutes: number) => new Date(now + minutes * 60_000).toISOString();
  const span = { environmentId: own.Environment, startsAt: at(-5), endsAt: at(5) };
  const planned = await mutate('planMaintenance', { ...span, serviceId: own.Service });
  await seen('CRITICAL', 'CRITICAL', 'CRITICAL');
  expect(await check()).toMatchObject({ state: 'CRITICAL', hard: true, incidents: { nodes: [] } });
  await mutate('endMaintenance', { windowId: (planned.window as { id: string }).id });
  clock = now + 60_000;
  await seen('CRITICAL');
  expect((await check()).incidents.nodes).toMatchObject([{ state: 'OPEN' }]);
  const { items } = await page();
  expect(items.map((item: { maintenance: boolean }) => item.maintenance)).toEqual([
    true,
    true,
    true,
    false,
    undefined,
  ]);
});

test('a redeploy of the service is maintenance, before and after it is not', async () => {
  clock = Date.now();
  // The cache's first redeploy is open.
  checkId = await newCheck({ serviceId: own.cache, attempts: 1 });
  await seen('CRITICAL');
  expect((await check()).incidents.nodes).toEqual([]);
  await api.control.store
    .raw`update redeploys set state = 'SUCCEEDED', ended_at = now() where state = 'QUEUED'`;
  clock = Date.now() + 60_000;
  await seen('CRITICAL');
  expect((await check()).incidents.nodes).toMatchObject([{ state: 'OPEN' }]);
});

test('what a check depends on speaks for it, and what is still so afterwards is told then', async () => {
  const dependent = await newCheck({ attempts: 1, dependsOn: [checkId] });
  await seen('CRITICAL', 'CRITICAL', [dependent, 'CRITICAL']);
  expect((await check(dependent)).incidents.nodes).toEqual([]);
  await seen('OK', [dependent, 'CRITICAL']);
  expect((await check(dependent)).incidents.nodes).toMatchObject([{ state: 'OPEN' }]);
});

test('what is graver than what a check depends on is told all the same', async () => {
  const dependent = await newCheck({ attempts: 1, dependsOn: [checkId] });
  await seen('WARNING', 'WARNING', [dependent, 'WARNING'], [dependent, 'CRITICAL']);
  expect((await check(dependent)).incidents.nodes).toMatchObject([{ state: 'OPEN' }]);
});

test('a check whose state changes all the time flaps, and raises nothing', async () => {
  const flapping = await newCheck({ attempts: 1 });
  await mutate('updateCheck', { checkId: flapping, attempts: 20 });
  for (let i = 0; i < 12; i++) await seen([flapping, 'OK'], [flapping, 'CRITICAL']);
  await mutate('updateCheck', { checkId: flapping, attempts: 1 });
  await seen([flapping, 'OK'], [flapping, 'CRITICAL']);
  expect(await check(flapping)).toMatchObject({ flapping: true, hard: true, incidents: { nodes: [] } });
});

async function page(after?: string, first = 100, more = '') {
  const { data, errors } = await api.run(
    `query ($id: ID!, $after: Cursor, $first: Int!) { checkResults(environmentId: $id, after: $after, first: $first ${more}) {
      endCursor hasNextPage items { __typename
        ... on CheckResult { cursor state maintenance } ... on CaughtUp { cursor } ... on Gap { cursor reason } } } }`,
    { id: own.Environment, after, first },
  );
  expect(errors).toEqual([]);
  return data.checkResults;
}

test('results come by pages and by subscription, the same, from any cursor, each once and in order', async () => {
  await seen('OK', 'CRITICAL', 'WARNING', 'OK', 'UNKNOWN');
  const { items, endCursor } = await page();
  const states = items.map((item: { state?: string }) => item.state);
  expect(states).toEqual(['OK', 'CRITICAL', 'WARNING', 'OK', 'UNKNOWN', undefined]);
  expect(items.at(-1)).toEqual({ __typename: 'CaughtUp', cursor: endCursor });
  const two = await page(undefined, 2);
  expect([
    two.hasNextPage,
    (await page(two.endCursor, 2)).items.map((each: { state: string }) => each.state),
  ]).toEqual([true, ['WARNING', 'OK']]);
  const source = `subscription ($id: ID!, $after: Cursor, $states: [CheckState!]) {
    it: checkResults(environmentId: $id, after: $after, states: $states) { __typename
      ... on CheckResult { cursor state maintenance } ... on CaughtUp { cursor } } }`;
  const variables = { id: own.Environment, after: items[1].cursor };
  const live = await api.watch(source, variables, api.admin, 4);
  expect(live.map(({ data }) => data.it)).toEqual(items.slice(2));
  const bad = await api.watch(source, { ...variables, states: ['UNKNOWN'] }, api.admin, 1);
  expect(bad[0]?.data.it).toEqual(items[4]);
  // Of the events' stream.
  const events = await api.run('query ($id: ID!) { events(environmentId: $id, first: 1) { endCursor } }', {
    id: own.Environment,
  });
  const wrong = await api.run(
    'query ($id: ID!, $after: Cursor) { checkResults(environmentId: $id, after: $after, first: 1) { endCursor } }',
    { id: own.Environment, after: events.data.events.endCursor },
  );
  expect(wrong.errors[0]?.message).toContain('no cursor of a stream of check results');
});

test('what is past its retention is a Gap', async () => {
  await seen('OK', 'CRITICAL', 'OK');
  const { items } = await page(undefined, 1);
  await pruneResults(api.control.store, 1, 0);
  expect((await page(items[0].cursor)).items).toMatchObject([
    { __typename: 'Gap', reason: 'RETENTION' },
    { __typename: 'CheckResult', state: 'OK' },
    { __typename: 'CaughtUp' },
  ]);
});

test('a page with all that it needs takes as many statements for one check as for many', async () => {
  const source = `query ($id: ID!) { node(id: $id) { ... on Environment { status
    incidents(first: 10, open: true) { nodes { state output check { name service { label } } } }
    checks(first: 50, state: CRITICAL) { nodes { name since service { label }
      latest { cursor output metrics { name value } } results(first: 2) { nodes { state startedAt } } } } } } }`;
  const counted = async () => {
    api.statements.length = 0;
    const { data, errors } = await api.run(source, { id: own.Environment });
    expect(errors).toEqual([]);
    return { statements: api.statements.length, checks: data.node.checks.nodes.length };
  };
  await seen('CRITICAL', 'CRITICAL');
  const one = await counted();
  const more: string[] = [];
  for (let i = 0; i < 10; i++) more.push(await newCheck({ attempts: 1 }));
  await seen(...more.map((id) => [id, 'CRITICAL'] as const));
  const many = await counted();
  expect([one.checks, many.checks]).toEqual([1, 11]);
  expect(many.statements).toBeLessThanOrEqual(one.statements);
});
