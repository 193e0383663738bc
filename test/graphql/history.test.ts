// The past as a page needs it: checks in parts of a period with a metric's values, availability, and an incident's story, each
// in one round trip and a bounded number of statements.
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createService } from '../../src/control/create-service.ts';
import { createEnvironment } from '../../src/control/environments.ts';
import { newId } from '../../src/ids.ts';
import type { ObservedState } from '../../src/model/monitoring/observations.ts';
import { change } from '../../src/postgres/change.ts';
import { listChecksOf } from '../../src/postgres/checks.ts';
import { acknowledge, insertIncident, resolveIncidents } from '../../src/postgres/incidents.ts';
import { recordResults } from '../../src/postgres/record-results.ts';
import { insertRedeploy, updateRedeploy } from '../../src/postgres/redeploys.ts';
import { type Api, globalId, openApi } from '../support/api.ts';

const minute = 60_000;
const begin = new Date('2026-03-01T12:00:00Z').getTime();
const at = (minutes: number) => new Date(begin + minutes * minute);
const iso = (minutes: number) => at(minutes).toISOString();

let api: Api;
let environmentId: string;
let serviceId: string;
let checkId: string;

beforeAll(async () => {
  api = await openApi();
  const { control, admin } = api;
  const made = await createEnvironment(control, admin, { name: 'Past', kind: 'PRODUCTION' });
  environmentId = made.ids.environmentId;
  for (const label of ['web', 'other', 'third'])
    await createService(control, admin, { environmentId, type: 'CODE', label });
  const all = await listChecksOf(control.store.db, environmentId);
  const check = all.find(({ name }) => name === 'port');
  checkId = check?.id ?? '';
  serviceId = check?.serviceId ?? '';
  await control.store.db.execute(sql`update services set created_at = ${iso(-600)}::timestamptz`);
});

afterAll(() => api.close());

async function seen(minutes: number, state: ObservedState, value?: number): Promise<void> {
  const metrics = value === undefined ? [] : [{ name: 'total_time', value, unit: 'ms' }];
  const made = { state, output: `It is ${state}.`, metrics, durationMs: 1, source: 'MONITOR' as const };
  const result = { ...made, checkId, startedAt: at(minutes) };
  await change(api.control, (current) => recordResults(current, environmentId, [result]));
}

const history = `query ($id: ID!, $from: DateTime!, $to: DateTime!, $points: Int!, $metric: String) {
  node(id: $id) { ... on Check { history(from: $from, to: $to, points: $points, metric: $metric) {
    at worst results ok minimum average maximum } } } }`;

test('a check in parts of a period: states, numbers, and nothing where there was no result', async () => {
  for (const [minutes, value] of [
    [0, 10],
    [1, 20],
    [9.9, 30],
  ] as const)
    await seen(minutes, 'OK', value);
  await seen(10, 'CRITICAL', 90);
  await seen(11, 'OK');
  await seen(60, 'OK', 1);
  const period = { id: globalId('Check', checkId), from: iso(0), to: iso(60), points: 6 };
  const { data, errors } = await api.run(history, { ...period, metric: 'total_time' });
  expect(errors).toEqual([]);
  expect(data.node.history).toEqual([
    { at: iso(0), worst: 'OK', results: 3, ok: 3, minimum: 10, average: 20, maximum: 30 },
    { at: iso(10), worst: 'CRITICAL', results: 2, ok: 1, minimum: 90, average: 90, maximum: 90 },
  ]);
  const bare = await api.run(history, period);
  expect(bare.data.node.history[0]).toMatchObject({ results: 3, minimum: null, average: null });
});

test('periods and metrics that are none are refused by their rule', async () => {
  const period = { id: globalId('Check', checkId), from: iso(0), to: iso(60), points: 6 };
  for (const [wrong, field] of [
    [{ to: iso(0) }, 'to'],
    [{ to: iso(32 * 24 * 60) }, 'to'],
    [{ points: 0 }, 'points'],
    [{ points: 501 }, 'points'],
    [{ metric: 'a\0b' }, 'metric'],
    [{ metric: 'x'.repeat(201) }, 'metric'],
  ] as const) {
    const { errors } = await api.run(history, { ...period, ...wrong });
    expect(errors[0]?.originalError).toMatchObject({ code: 'INVALID', inputPath: [field] });
  }
});

test('time down counts once however many checks say so, and not before the service or after now', async () => {
  const checks = (await listChecksOf(api.control.store.db, environmentId)).filter(
    (each) => each.serviceId === serviceId,
  );
  const row = (index: number, from: number, worst: ObservedState = 'CRITICAL') => ({
    ...{ id: newId(), environmentId, serviceId, checkId: checks[index]?.id ?? '', worst, output: 'down' },
    ...{ openedAt: at(from), state: 'RESOLVED' as const, resolution: 'RECOVERED' as const },
  });
  await api.control.store.db.transaction(async (tx) => {
    await insertIncident(tx, { ...row(1, 100), resolvedAt: at(110) });
    await insertIncident(tx, { ...row(2, 105), resolvedAt: at(120) });
    await insertIncident(tx, { ...row(3, 130, 'WARNING'), resolvedAt: at(140) });
    await insertIncident(tx, { ...row(3, 190), resolvedAt: at(230) });
  });
  const ask = async (from: string, to: string) => {
    const { data, errors } = await api.run(
      `query ($id: ID!, $from: DateTime!, $to: DateTime!) { node(id: $id) { ... on Service {
        availability(from: $from, to: $to) { from to ratio downSeconds incidents } } } }`,
      { id: globalId('Service', serviceId), from, to },
    );
    expect(errors).toEqual([]);
    return data.node.availability;
  };
  expect(await ask(iso(100), iso(200))).toMatchObject({ downSeconds: 1_800, incidents: 3, ratio: 0.7 });
  expect(await ask(iso(300), iso(400))).toMatchObject({ downSeconds: 0, incidents: 0, ratio: 1 });
  expect(await ask(iso(-700), iso(-500))).toMatchObject({ from: iso(-600), ratio: 1 });
  expect(await ask(iso(-800), iso(-700))).toMatchObject({ ratio: null });
});

test("an incident's story: results that changed it, redeploys around it, its own steps, in order", async () => {
  await api.control.store.raw`truncate check_results, incidents cascade`;
  await api.control.store
    .raw`update checks set state = 'PENDING', attempt = 0, hard = true, history = '', attempts = 2`;
  const { control } = api;
  await control.store.db.transaction(async (tx) => {
    const spec = (await tx.execute<{ spec: never }>(sql`select '{}'::jsonb as spec`))[0]?.spec as never;
    const asked = { environmentId, serviceId, reason: 'MANUAL' as const, requestedBy: 'test', changes: [] };
    const more = { strategy: 'RECREATE' as const, state: 'QUEUED' as const, spec, deadlineSeconds: 60 };
    for (const [from, to] of [
      [-100, -90],
      [195, 197],
    ] as const) {
      const id = newId();
      await insertRedeploy(tx, { id, ...asked, ...more, requestedAt: at(from) });
      await updateRedeploy(tx, id, { state: 'SUCCEEDED', endedAt: at(to) });
    }
  });
  for (const [minutes, state] of [
    [198, 'OK'],
    [199, 'OK'],
    [200, 'CRITICAL'],
    [201, 'CRITICAL'],
    [202, 'CRITICAL'],
  ] as const)
    await seen(minutes, state);
  const document = `query ($id: ID!) { node(id: $id) { ... on Check { incidents(first: 5) { nodes {
    timeline { kind at result { state hard } redeploy { state } } } } } } }`;
  const [incident] = await control.store.raw`select id from incidents where check_id = ${checkId}`;
  await control.store.db.transaction(async (tx) => {
    await acknowledge(tx, incident?.id, { acknowledgedBy: 'test', note: null });
    await tx.execute(sql`update incidents set acknowledged_at = ${iso(203)}::timestamptz`);
    await resolveIncidents(tx, [checkId], 'RECOVERED', at(210));
  });
  api.statements.length = 0;
  const { data, errors } = await api.run(document, { id: globalId('Check', checkId) });
  expect(errors).toEqual([]);
  expect(api.statements.length).toBeLessThan(10);
  const [{ timeline }] = data.node.incidents.nodes;
  expect(
    timeline.map((each: { kind: string; at: string }) => [each.kind, (Date.parse(each.at) - begin) / minute]),
  ).toEqual([
    ['REDEPLOY_REQUESTED', 195],
    ['REDEPLOY_ENDED', 197],
    ['RESULT', 198],
    ['RESULT', 200],
    ['RESULT', 201],
    ['OPENED', 201],
    ['ACKNOWLEDGED', 203],
    ['RESOLVED', 210],
  ]);
  expect(timeline[3]).toMatchObject({ result: { state: 'CRITICAL', hard: false }, redeploy: null });
  expect(timeline[4]).toMatchObject({ result: { state: 'CRITICAL', hard: true } });
});

test('a page of an environment takes as many statements for three services as for one', async () => {
  const document = `query ($id: ID!, $from: DateTime!, $to: DateTime!, $services: Int!) { node(id: $id) { ... on Environment {
    services(first: $services) { nodes { label status availability(from: $from, to: $to) { ratio }
      checks(first: 5) { nodes { name state latest { output } history(from: $from, to: $to, points: 20) { worst } } } } }
    incidents(first: 10) { nodes { state timeline { kind } } } } } }`;
  const counts: number[] = [];
  for (const services of [1, 3]) {
    api.statements.length = 0;
    const { errors } = await api.run(document, {
      ...{ id: globalId('Environment', environmentId), from: iso(0), to: iso(60), services },
    });
    expect(errors).toEqual([]);
    counts.push(api.statements.length);
  }
  expect(counts[1]).toBe(counts[0]);
  expect(counts[0]).toBeLessThan(25);
});
