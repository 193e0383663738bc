// Lists: a nested list costs a bounded number of statements however much is in it, pages are complete, and what asks for
// too much is refused with the limit named.
import type { GraphQLError } from 'graphql';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newId } from '../../src/ids.ts';
import { standardLimits } from '../../src/model/sites.ts';
import { insertCertificate } from '../../src/postgres/certificates.ts';
import { insertEnvironment } from '../../src/postgres/environments.ts';
import { insertJobs } from '../../src/postgres/jobs.ts';
import { insertService } from '../../src/postgres/services.ts';
import { insertSite } from '../../src/postgres/sites.ts';
import { insertTicket } from '../../src/postgres/tickets.ts';
import { type Api, globalId, localIdOf, openApi } from '../support/api.ts';
import { furnish } from '../support/furnish.ts';

let api: Api;

beforeAll(async () => {
  api = await openApi();
});

afterAll(() => api.close());

/** Environments with as many services, with as many jobs each. */
async function fill(at: Api, [environments, services, jobs]: [number, number, number]): Promise<void> {
  const { organizationId, podId } = at.control.installation;
  await at.control.store.db.transaction(async (tx) => {
    for (let e = 0; e < environments; e++) {
      const environmentId = newId();
      const named = { name: `E ${e}`, namespace: `e-${e}`, kind: 'SANDBOX' as const };
      await insertEnvironment(tx, { id: environmentId, organizationId, podId, ...named });
      for (let s = 0; s < services; s++) {
        const serviceId = newId();
        const at = { environmentId, label: `s-${s}`, dnsName: `s-${s}`, type: 'CODE' as const };
        const size = { memoryMiB: 64, cpuMillis: 100, storageGiB: null };
        await insertService(tx, { id: serviceId, ...at, size, scale: 1 });
        const job = {
          environmentId,
          serviceId,
          type: 'DEPLOY' as const,
          image: '',
          state: 'RUNNING' as const,
        };
        const host = { host: `s-${s}.e-${e}.example`, serviceId, limits: standardLimits, corsOrigins: [] };
        await insertSite(tx, { id: newId(), environmentId, ...host });
        const asked = { kind: 'OTHER' as const, text: 'Please', openedBy: 'test', serviceId };
        await insertTicket(tx, { id: newId(), environmentId, ...asked });
        const certificate = { name: `${s}`, source: 'UPLOADED' as const, state: 'READY' as const, hosts: [] };
        await insertCertificate(tx, { id: newId(), environmentId, ...certificate });
        if (jobs === 0) continue;
        await insertJobs(
          tx,
          Array.from({ length: jobs }, () => ({ ...job, id: newId() })),
        );
      }
    }
  });
}

const nested = `{ environments(first: 10) { nodes {
  name status pod { name } redeploys(first: 2) { nodes { id } } audit(first: 2) { nodes { number } }
  services(first: 10) { edges { cursor node {
    label status gitUrl hasPendingChanges workers { count } activeRedeploy { id } release { commit }
    environment { name } variables(first: 2) { nodes { name } } releases(first: 1) { nodes { id } }
    redeploys(first: 1) { nodes { state jobs { role job { id } } } }
    jobs(first: 5) { pageInfo { hasNextPage } nodes { state service { label } redeploy { id } release { id } } } } } } } } }`;

test('a nested list of 10 × 10 × 5 takes no more statements than one of 2 × 2 × 2, and few', async () => {
  const counts: number[] = [];
  for (const size of [
    [2, 2, 2],
    [10, 10, 5],
  ] as [number, number, number][]) {
    const filled = await openApi();
    await fill(filled, size);
    await filled.run(nested);
    filled.statements.length = 0;
    const { data, errors } = await filled.run(nested);
    expect(errors).toEqual([]);
    expect(data.environments.nodes.length).toBe(size[0]);
    expect(data.environments.nodes.at(-1).services.edges.at(-1).node.jobs.nodes.length).toBe(size[2]);
    counts.push(filled.statements.length);
    await filled.close();
  }
  expect(counts[1]).toBe(counts[0]);
  expect(counts[1]).toBeLessThan(25);
});

// One by one: chains beside each other share a statement or not, as their answers happen to come.
test.each([
  'sites(first: 10) { nodes { host service { label } environment { name } } }',
  'certificates(first: 10) { nodes { name environment { name } } }',
  'supportTickets(first: 10, open: true) { nodes { text service { label } redeploy { id } } }',
])('of many environments in few statements: %s', async (list) => {
  const document = `{ environments(first: 10) { nodes { ${list} } } }`;
  const counts: number[] = [];
  for (const size of [
    [2, 4, 0],
    [10, 10, 0],
  ] as [number, number, number][]) {
    const filled = await openApi();
    await fill(filled, size);
    await filled.run(document);
    filled.statements.length = 0;
    const { data, errors } = await filled.run(document);
    expect(errors).toEqual([]);
    const [{ nodes }] = Object.values(data.environments.nodes.at(-1)) as [{ nodes: object[] }];
    expect(nodes.length).toBe(size[1]);
    counts.push(filled.statements.length);
    await filled.close();
  }
  expect(counts[1]).toBe(counts[0]);
  expect(counts[1]).toBeLessThan(6);
});

test('pages put together are the whole list, each item once, forward and backward', async () => {
  const { control, admin } = api;
  const { Environment } = await furnish(control, admin, 'paged');
  const label = (n: number) => `s${String(n).padStart(2, '0')}`;
  await api.mutate(`mutation ($input: SetVariablesInput!) { setVariables(input: $input) { __typename } }`, {
    input: {
      serviceId: (await api.run('{ service(namespace: "paged", label: "web") { id } }')).data.service.id,
      variables: Array.from({ length: 23 }, (_, n) => ({ name: label(n), value: 'a' })),
    },
  });
  const lists: Record<string, string> = {
    audit: 'audit(%) { edges { cursor node { number } } pageInfo { ...P } }',
    redeploys: 'redeploys(%) { edges { cursor node { id } } pageInfo { ...P } }',
    services: 'services(%) { edges { cursor node { id } } pageInfo { ...P } }',
    sites: 'sites(%) { edges { cursor node { host } } pageInfo { ...P } }',
    certificates: 'certificates(%) { edges { cursor node { id } } pageInfo { ...P } }',
    supportTickets: 'supportTickets(%) { edges { cursor node { id } } pageInfo { ...P } }',
  };
  await addMore(Environment);
  for (const [name, list] of Object.entries(lists))
    for (const forward of [true, false]) {
      const whole = await page(`node(id: "${Environment}") { ... on Environment { ${list} } }`, 'first: 100');
      expect(await walk(`node(id: "${Environment}") { ... on Environment { ${list} } }`, forward)).toEqual([
        ...ids(whole[name]),
      ]);
    }
  const service = 'variables(%) { edges { cursor node { id } } pageInfo { ...P } }';
  const inService = `service(namespace: "paged", label: "web") { ${service} }`;
  const all = ids((await page(inService, 'first: 100')).variables);
  expect(all.length).toBeGreaterThan(23);
  expect(await walk(inService, true)).toEqual(all);
  expect(await walk(inService, false)).toEqual(all);
});

/** So that each list has several pages. */
async function addMore(id: string): Promise<void> {
  const environmentId = localIdOf(id);
  await api.control.store.db.transaction(async (tx) => {
    for (let n = 0; n < 6; n++) {
      const at = { environmentId, limits: standardLimits, corsOrigins: [] };
      await insertSite(tx, { id: newId(), ...at, host: `n${n}.example.org` });
      const made = { name: `${n}`, source: 'UPLOADED' as const, state: 'READY' as const, hosts: [] };
      await insertCertificate(tx, { id: newId(), environmentId, ...made });
      const asked = { kind: 'OTHER' as const, text: `${n}`, openedBy: 'test' };
      await insertTicket(tx, { id: newId(), environmentId, ...asked });
    }
  });
}

/** Code of the first error, which must say where it arose. */
function codeOf(errors: readonly GraphQLError[]): string | undefined {
  expect(errors[0]?.path?.length).toBeGreaterThan(0);
  return (errors[0]?.originalError as { code?: string } | undefined)?.code;
}

interface Shown {
  readonly edges: { readonly cursor: string; readonly node: object }[];
  readonly pageInfo: Record<string, unknown>;
}

async function page(document: string, args: string): Promise<Record<string, Shown>> {
  const fragment = 'fragment P on PageInfo { hasNextPage hasPreviousPage startCursor endCursor }';
  const { data, errors } = await api.run(`{ it: ${document.replace('%', args)} } ${fragment}`);
  expect(errors).toEqual([]);
  return data.it;
}

const ids = (list: Shown | undefined) => (list?.edges ?? []).map(({ node }) => JSON.stringify(node));

async function walk(document: string, forward: boolean): Promise<string[]> {
  const seen: string[] = [];
  let at = '';
  for (let pages = 0; pages < 50; pages++) {
    const [list] = Object.values(await page(document, forward ? `first: 2${at}` : `last: 2${at}`));
    if (forward) seen.push(...ids(list));
    else seen.unshift(...ids(list));
    const { hasNextPage, hasPreviousPage, startCursor, endCursor } = list?.pageInfo ?? {};
    expect([startCursor, endCursor]).toEqual([
      list?.edges[0]?.cursor ?? null,
      list?.edges.at(-1)?.cursor ?? null,
    ]);
    if (!(forward ? hasNextPage : hasPreviousPage)) return seen;
    at = forward ? `, after: "${endCursor}"` : `, before: "${startCursor}"`;
  }
  throw new Error('the pages have no end');
}

test('a token that manages none finds its own in its list, whatever was made since', async () => {
  const { caller } = await api.world.addToken({ scopes: ['read'] });
  for (let n = 0; n < 3; n++) await api.world.addToken();
  const { data } = await api.run('{ viewer { tokens(first: 1) { nodes { id } } } }', {}, caller);
  expect(data.viewer.tokens.nodes).toEqual([{ id: globalId('Token', caller.tokenId) }]);
});

describe('a page of a size that is none is refused', () => {
  const lists = [
    'environments(%) { nodes { id } }',
    'viewer { tokens(%) { nodes { id } } }',
    'service(namespace: "small", label: "web") { jobs(%) { nodes { id } } }',
    'service(namespace: "small", label: "web") { variables(%) { nodes { id } } }',
    'environment(namespace: "small") { audit(%) { nodes { number } } }',
    'environment(namespace: "small") { sites(%) { nodes { host } } }',
    'environment(namespace: "small") { certificates(%) { nodes { id } } }',
    'environment(namespace: "small") { supportTickets(%) { nodes { id } } }',
  ];
  const wrong = ['first: 0', 'first: 101', 'first: -1', 'last: 0', 'last: 101', 'first: 1, last: 1'];
  const cursors = ['first: 1, after: "no cursor"', 'last: 1, before: ""', 'first: 1, after: "xxxx"'];
  beforeAll(() => furnish(api.control, api.admin, 'small').then(() => undefined));
  test.each(lists)('%s', async (list) => {
    for (const args of [...wrong, ...cursors]) {
      const { errors } = await api.run(`{ ${list.replace('%', args)} }`);
      expect([args, codeOf(errors)]).toEqual([args, 'INVALID']);
    }
    const { errors } = await api.run(`{ ${list.replace('(%)', '')} }`);
    expect(codeOf(errors)).toBe('INVALID');
  });
  test.each(['0', '101', '-1'])('events and logs: first %s', async (first) => {
    const { data } = await api.run('{ environment(namespace: "small") { id } }');
    const events = await api.run(
      `{ events(environmentId: "${data.environment.id}", first: ${first}) { endCursor } }`,
    );
    expect(codeOf(events.errors)).toBe('INVALID');
    const logs = `{ service(namespace: "small", label: "web") { jobs(first: 1) { nodes { logs(first: ${first}) { endCursor } } } } }`;
    const answer = await api.run(logs);
    expect(codeOf(answer.errors)).toBe('INVALID');
  });
});

describe('what asks for too much is refused before anything is read', () => {
  test.each([
    [
      'depth',
      `{ node(id: "") { ... on Job { ${'service { jobs(first: 1) { nodes { '.repeat(5)} id ${'} } }'.repeat(5)} } } }`,
    ],
    [
      'complexity',
      '{ environments(first: 100) { nodes { services(first: 100) { nodes { jobs(first: 100) { nodes { id } } } } } } }',
    ],
  ])('%s', async (kind, document) => {
    api.statements.length = 0;
    const { errors } = await api.run(document);
    expect(errors[0]?.extensions).toMatchObject({
      code: 'LIMIT',
      limit: expect.any(Number),
      current: expect.any(Number),
    });
    expect(errors[0]?.message).toContain(kind);
    expect(api.statements).toEqual([]);
  });
  test('more than 100 ids', async () => {
    const ids = Array.from({ length: 101 }, () => globalId('Job', newId()));
    const { errors } = await api.run('query ($ids: [ID!]!) { nodes(ids: $ids) { id } }', { ids });
    expect(codeOf(errors)).toBe('INVALID');
  });
});
