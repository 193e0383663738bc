// Lists of which few fields are asked are read short, and say the same as when they are read in full.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { briefFields } from '../../src/graphql/asked.ts';
import { type Api, openApi } from '../support/api.ts';
import { furnish } from '../support/furnish.ts';

let api: Api;
beforeAll(async () => {
  api = await openApi();
  await furnish(api.control, api.admin, 'brief');
  // A column that was not read looks like null: none may be.
  await api.control.store.raw`update jobs set target = 'queue', rotation = 'IN', health = 'HEALTHY'`;
  await api.control.store.raw`update services set runtime = 'REDIS', version = '7'`;
});
afterAll(() => api.close());

/** What selects something of a field, whatever its type. */
const selections: Readonly<Record<string, string>> = {
  environment: '{ namespace }',
  service: '{ label }',
  workers: '{ target count }',
  activeRedeploy: '{ state }',
  variables: '(first: 5) { nodes { name digest } }',
  jobs: '(first: 5) { nodes { id } }',
  redeploys: '(first: 5) { nodes { id } }',
  releases: '(first: 5) { nodes { id } }',
};
const lists = {
  Service: (fields: string) => `services(first: 10) { nodes { ${fields} } }`,
  Job: (fields: string) =>
    `services(first: 10) { nodes { jobs(first: 10) { edges { node { ${fields} } } } } }`,
};
/** Needs a row in full. */
const others = { Service: 'full: rollBack', Job: 'full: image' };

async function listed(inner: string) {
  api.statements.length = 0;
  const { data, errors } = await api.run(`{ environment(namespace: "brief") { ${inner} } }`);
  expect(errors).toEqual([]);
  return { data, statements: [...api.statements] };
}
const withoutOthers = (data: unknown) =>
  JSON.parse(JSON.stringify(data), (key, value) => (key === 'full' ? undefined : value)) as unknown;

describe.each(['Service', 'Job'] as const)('of a %s', (type) => {
  const column = { Service: '"roll_back"', Job: '"exit_code"' }[type];

  test.each([...briefFields[type]])('%s is the same', async (field) => {
    const selection = `${field} ${selections[field] ?? ''}`;
    const brief = await listed(lists[type](selection));
    const full = await listed(lists[type](`${selection} ${others[type]}`));
    expect(brief.data).toEqual(withoutOthers(full.data));
    const reads = ({ statements }: { statements: string[] }) =>
      statements.filter((text) => text.includes('unnest') && text.includes(column)).length;
    expect(reads(full)).toBe(1);
    expect(reads(brief)).toBe(0);
  });
});

test('fields within fragments are asked, too, however deep', async () => {
  const { data, errors } = await api.run(`
    { environment(namespace: "brief") { services(first: 10) { ...Page } } }
    fragment Page on ServiceConnection { edges { node { id ... on Node { ...Rest } } } }
    fragment Rest on Service { jobs(first: 10) { ... { nodes { ...Job } } } ... { rollBack } }
    fragment Job on Job { image }`);
  expect(errors).toEqual([]);
  const nodes = (data.environment.services.edges as { node: Row }[]).map(({ node }) => node);
  expect(nodes.length).toBeGreaterThan(2);
  for (const { rollBack } of nodes) expect(typeof rollBack).toBe('boolean');
  const images = nodes.flatMap((node) => node.jobs.nodes.map(({ image }) => image));
  expect(images.filter((image) => typeof image === 'string').length).toBe(images.length);
  expect(images.length).toBeGreaterThan(1);
});

interface Row {
  readonly rollBack: unknown;
  readonly jobs: { readonly nodes: readonly { readonly image: unknown }[] };
}
