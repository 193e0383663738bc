// Values of variables: shown to those who may read secrets, each reading audited, and found nowhere else: not in a table,
// an event, an error, an answer or a log line.
import { Writable } from 'node:stream';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeMask } from '../../src/graphql/masking.ts';
import { type Answer, type Api, globalId, openApi } from '../support/api.ts';
import { canary, sightings } from '../support/canary.ts';
import { type Furnished, furnish } from '../support/furnish.ts';

let api: Api;
let objects: Furnished;

beforeAll(async () => {
  api = await openApi();
  objects = await furnish(api.control, api.admin, 'own');
});

afterAll(() => api.close());

const showValue = 'query ($id: ID!) { node(id: $id) { ... on Variable { name digest value } } }';

async function readings(): Promise<Record<string, unknown>[]> {
  const document =
    '{ environment(namespace: "own") { audit(first: 100) { nodes { action actor subjectId } } } }';
  const { data } = await api.run(document);
  const rows: Record<string, unknown>[] = data.environment.audit.nodes;
  return rows.filter(({ action }) => action === 'readVariable');
}

test('a value is shown with secrets:read only, and each showing leaves a row in the audit', async () => {
  const before = await readings();
  for (const scopes of [['read'], ['read', 'deploy'], ['read', 'deploy', 'admin']] as const) {
    const { caller } = await api.world.addToken({ scopes });
    const { data, errors } = await api.run(showValue, { id: objects.Variable }, caller);
    expect(data.node).toEqual({
      name: 'GREETING',
      digest: expect.stringMatching(/^[0-9a-f]{32}$/),
      value: null,
    });
    expect(errors.map(({ extensions, path }) => [extensions.code, path])).toEqual([
      ['FORBIDDEN', ['node', 'value']],
    ]);
  }
  expect(await readings()).toEqual(before);
  const { caller } = await api.world.addToken({ scopes: ['read', 'secrets:read'] });
  for (let times = 1; times <= 2; times++) {
    const { data } = await api.run(showValue, { id: objects.Variable }, caller);
    expect(data.node.value).toBe('Hello there');
    expect((await readings()).length).toBe(before.length + times);
  }
  const subjectId = Buffer.from(objects.Variable, 'base64url')
    .toString()
    .slice('Variable:'.length)
    .replace('/', ':');
  expect((await readings())[0]).toEqual({ action: 'readVariable', actor: 'tester', subjectId });
});

test('values asked for together are read in one transaction, and each leaves its row', async () => {
  const variables = Array.from({ length: 10 }, (_, number) => ({
    name: `MANY_${number}`,
    value: `${number}`,
  }));
  await api.mutate('mutation ($input: SetVariablesInput!) { setVariables(input: $input) { __typename } }', {
    input: { serviceId: objects.Service, variables },
  });
  const before = await readings();
  const ids = variables.map(({ name }) => globalIdOf(objects.Service, name));
  const document = 'query ($ids: [ID!]!) { nodes(ids: $ids) { ... on Variable { value } } }';
  const { data } = await api.run(document, { ids });
  expect(data.nodes).toEqual(variables.map(({ value }) => ({ value })));
  expect((await readings()).length).toBe(before.length + 10);
  const transactions = await api.control.store.raw`
    select xmin, count(*)::int as rows from audit where action = 'readVariable' and subject_id like '%:MANY_%' group by 1`;
  expect(transactions.map(({ rows }) => rows)).toEqual([10]);
});

test('equal values have equal digests in one place and other digests elsewhere', async () => {
  const set = (serviceId: string, names: string[]) =>
    api.mutate('mutation ($input: SetVariablesInput!) { setVariables(input: $input) { __typename } }', {
      input: { serviceId, variables: names.map((name) => ({ name, value: 'the same value' })) },
    });
  await set(objects.Service, ['ONE', 'TWO']);
  await set(objects.spare, ['ONE']);
  const digest = async (service: string, name: string) => {
    const id = Buffer.from(service, 'base64url').toString().split(':')[1];
    const { data } = await api.run('query ($id: ID!) { node(id: $id) { ... on Variable { digest } } }', {
      id: globalId('Variable', `${id}/${name}`),
    });
    return data.node.digest as string;
  };
  const first = await digest(objects.Service, 'ONE');
  expect(
    new Set([first, await digest(objects.Service, 'TWO'), await digest(objects.spare, 'ONE')]).size,
  ).toBe(3);
  await set(objects.Service, ['ONE']);
  expect(await digest(objects.Service, 'ONE')).toBe(first);
});

test('a canary in variables is seen nowhere, however it is given and whatever fails', async () => {
  const answers: Answer[] = [];
  const lines: string[] = [];
  const sink = new Writable({ write: (chunk, _encoding, done) => done(void lines.push(String(chunk))) });
  const mask = makeMask(pino({}, sink));
  const ask = async (name: string, input: object) => {
    const type = `${name.charAt(0).toUpperCase()}${name.slice(1)}Input!`;
    const document = `mutation ($input: ${type}) { ${name}(input: $input) { __typename ... on UserError { message path } } }`;
    const answer = await api.run(document, { input });
    answers.push(answer);
    return answer;
  };
  const variables = [{ name: 'CANARY', value: canary }];
  const environmentId = objects.Environment;
  const serviceId = objects.Service;
  const keyed = { environmentId, type: 'CODE', label: 'mine', idempotencyKey: 'canary', variables };
  expect((await ask('createService', keyed)).errors).toEqual([]);
  await ask('createService', { ...keyed, variables: [{ name: 'CANARY', value: `${canary}!` }] });
  await ask('createEnvironment', {
    name: 'Mine',
    kind: 'SANDBOX',
    services: [{ type: 'CODE', label: 'a', variables }],
  });
  await ask('setVariables', { serviceId, variables });
  await ask('setVariables', { serviceId, variables: [{ name: 'CANARY', value: `${canary}\0` }] });
  await ask('setVariables', { serviceId, variables: [{ name: '1', value: canary }] });
  await ask('setVariables', { serviceId, variables: [...variables, ...variables] });
  await ask('redeployService', { serviceId });
  await api.control.store.raw`alter table variables rename to gone`;
  const failed = await ask('setVariables', { serviceId, variables });
  await api.control.store.raw`alter table gone rename to variables`;
  expect(failed.errors.length).toBe(1);
  await api.control.store.raw`alter table secrets add constraint none check (name <> 'CANARY') not valid`;
  const refused = await ask('setVariables', {
    serviceId,
    variables: [{ name: 'CANARY', value: `${canary}?` }],
  });
  await api.control.store.raw`alter table secrets drop constraint none`;
  expect(refused.errors.length).toBe(1);
  const masked = [...failed.errors, ...refused.errors].map(mask);
  expect(lines.length).toBe(2);

  const { data } =
    await api.run(`{ environment(namespace: "own") { audit(first: 100) { nodes { before after } }
    services(first: 10) { nodes { pendingChanges { before after } activeRedeploy { changes { before after } } } } }
    events(environmentId: "${environmentId}", first: 100) { items { ... on Event { message } } } }`);
  expect(data.events.items.length).toBeGreaterThan(5);
  expect(sightings(JSON.stringify([answers, data, masked, lines]))).toEqual([]);
  expect(sightings(await api.dump())).toEqual([]);
  // The same look finds it where it is.
  const shown = await api.run(showValue, {
    id: objects.Variable.replace(/.*/, globalIdOf(serviceId, 'CANARY')),
  });
  expect(sightings(JSON.stringify(shown)).length).toBeGreaterThan(0);
});

test('the password that the platform made for a cache is in no table', async () => {
  const { data } = await api.run(showValue, { id: globalIdOf(objects.cache, 'REDIS_PASSWORD') });
  expect(data.node.value).toMatch(/^[0-9a-f]{48}$/);
  const dump = await api.dump();
  expect(dump).not.toContain(data.node.value);
  expect(dump).not.toContain(Buffer.from(data.node.value).toString('hex'));
});

function globalIdOf(service: string, name: string): string {
  return globalId('Variable', `${Buffer.from(service, 'base64url').toString().split(':')[1]}/${name}`);
}
