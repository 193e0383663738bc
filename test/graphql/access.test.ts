// Every root field × kind of caller × own, sibling, foreign and missing object. The lists come from the schema: a field, or
// a type that `node` loads, without an entry is a failure.
import { isObjectType } from 'graphql';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildSchema } from '../../src/graphql/schema.ts';
import { newId } from '../../src/ids.ts';
import { type Caller, type Scope, scopes } from '../../src/model/callers.ts';
import { organizations } from '../../src/postgres/tables/organizations.ts';
import { type Answer, type Api, openApi } from '../support/api.ts';
import { type Furnished, furnish, nowhere } from '../support/furnish.ts';
import { mutations, nodes, queries, type RootField, subscriptions } from './root-fields.ts';

type Where = 'own' | 'sibling' | 'foreign' | 'missing';
type Kind = keyof typeof visible;

/** Which of the objects each kind of caller sees. */
const visible = {
  nobody: [],
  reader: ['own', 'sibling'],
  deployer: ['own', 'sibling'],
  'secrets reader': ['own', 'sibling'],
  administrator: ['own', 'sibling'],
  operator: ['own', 'sibling'],
  'administrator of another environment': ['sibling'],
  'deployer of another environment': ['sibling'],
  'administrator of another organization': ['foreign'],
  'deployer without read': [],
} as const satisfies Record<string, readonly Where[]>;

const granted: Record<Kind, readonly Scope[]> = {
  nobody: [],
  reader: ['read'],
  deployer: ['read', 'deploy'],
  'secrets reader': ['read', 'secrets:read'],
  administrator: scopes,
  operator: scopes,
  'administrator of another environment': scopes,
  'deployer of another environment': ['read', 'deploy'],
  'administrator of another organization': scopes,
  'deployer without read': ['deploy'],
};

const kinds = Object.keys(visible) as Kind[];
const wheres: readonly Where[] = ['own', 'sibling', 'foreign', 'missing'];

let api: Api;
let objects: Record<Where, Furnished>;
const callers = new Map<Kind, Caller | undefined>();

beforeAll(async () => {
  api = await openApi();
  const other = newId();
  await api.control.store.db.insert(organizations).values({ id: other, name: 'Other' });
  const installation = { ...api.control.installation, organizationId: other };
  const foreigner = { ...api.admin, organizationId: other, tokenId: newId() };
  objects = {
    own: await furnish(api.control, api.admin, 'own'),
    sibling: await furnish(api.control, api.admin, 'sibling'),
    foreign: await furnish({ ...api.control, installation }, foreigner, 'foreign'),
    missing: nowhere(),
  };
  const siblingId = Buffer.from(objects.sibling.Environment, 'base64url').toString().split(':')[1];
  for (const kind of kinds) {
    if (kind === 'nobody') continue;
    const bound = kind.endsWith('another environment') && siblingId ? { environmentId: siblingId } : {};
    const { caller } = await api.world.addToken({ scopes: granted[kind], ...bound });
    const organizationId = kind.endsWith('organization') ? other : caller.organizationId;
    callers.set(kind, { ...caller, organizationId, operator: kind === 'operator' });
  }
});

afterAll(() => api.close());

function rootFields(type: 'Query' | 'Mutation' | 'Subscription'): string[] {
  return Object.keys(
    buildSchema()
      .getRootType(type.toLowerCase() as never)
      ?.getFields() ?? {},
  ).sort();
}

test('no field and no node is without an expectation', () => {
  expect(Object.keys(queries).sort()).toEqual(rootFields('Query'));
  expect(Object.keys(mutations).sort()).toEqual(rootFields('Mutation'));
  expect(Object.keys(subscriptions).sort()).toEqual(rootFields('Subscription'));
  const loadable = Object.values(buildSchema().getTypeMap()).filter(
    (type) => isObjectType(type) && type.getInterfaces().some(({ name }) => name === 'Node'),
  );
  expect(Object.keys(nodes).sort()).toEqual(loadable.map(({ name }) => name).sort());
});

/** OK, NULL, or the code of the refusal with its message and path, which must tell nothing apart. */
function outcomeOf({ data, errors }: Answer): { outcome: string; told?: unknown } {
  const [error] = errors;
  if (error !== undefined) {
    const refusal = error.originalError as { code?: string } | undefined;
    const code = String(error.extensions.code ?? refusal?.code ?? `fault: ${error.message}`);
    return { outcome: code, told: [error.message, error.path, refusal] };
  }
  const [value] = Object.values(data) as Record<string, unknown>[];
  if (value === null) return { outcome: 'NULL' };
  if (Array.isArray(value)) return { outcome: value.every((each) => each === null) ? 'NULL' : 'OK' };
  const { __typename, code, message, path } = value ?? {};
  if (code === 'NOT_FOUND' || code === 'FORBIDDEN')
    return { outcome: code, told: [__typename, message, path] };
  return { outcome: 'OK' };
}

function expected(field: RootField, type: string, kind: Kind, where: Where): string {
  const mine = granted[kind];
  const isMutation = type === 'Mutation';
  if (kind === 'nobody') return 'UNAUTHENTICATED';
  if (field === queries.viewer) return 'OK';
  if (!isMutation && !mine.includes('read')) return 'FORBIDDEN';
  const sees = (visible[kind] as readonly Where[]).includes(where);
  // These two say first what the token may not do at all.
  const aboutTokens = field === mutations.createToken || field === mutations.revokeToken;
  if (aboutTokens && !mine.includes('admin')) return 'FORBIDDEN';
  // An environment is made in an organization: one's own, and by who is bound to no environment.
  const elsewhere = kind.includes('another') || !mine.includes('read');
  if (field === mutations.createEnvironment && elsewhere) return 'NOT_FOUND';
  if (field.about !== undefined && field.about !== 'Pod' && !sees)
    return field.nullable ? 'NULL' : 'NOT_FOUND';
  const isAdmins = type === 'Node' && field.needs === 'admin';
  if (isAdmins && !mine.includes('admin')) return 'NULL';
  if (isMutation && field.needs === 'operator') return kind === 'operator' ? 'OK' : 'FORBIDDEN';
  if (isMutation && field.needs !== undefined && !mine.includes(field.needs as Scope)) return 'FORBIDDEN';
  return 'OK';
}

const tables = { Query: queries, Mutation: mutations, Node: nodes, Subscription: subscriptions };

for (const [type, table] of Object.entries(tables))
  describe(type, () => {
    test.each(Object.entries(table))('%s', async (_name, field) => {
      const found: Record<string, string> = {};
      const wanted: Record<string, string> = {};
      for (const kind of kinds) {
        const caller = callers.get(kind);
        const told = new Map<Where, unknown>();
        for (const where of wheres) {
          const variables = field.variables?.(objects[where]) ?? {};
          const ask =
            type === 'Subscription'
              ? api.watch(field.document, variables, caller).then(([answer]) => answer)
              : api.run(field.document, variables, caller);
          const answer = outcomeOf((await ask) ?? { data: { it: null }, errors: [] });
          found[`${kind}, ${where}`] = answer.outcome;
          wanted[`${kind}, ${where}`] = expected(field, type, kind, where);
          told.set(where, answer);
        }
        for (const where of wheres)
          if (wanted[`${kind}, ${where}`] === wanted[`${kind}, missing`])
            if (wanted[`${kind}, ${where}`] !== 'OK') expect(told.get(where)).toEqual(told.get('missing'));
      }
      expect(found).toEqual(wanted);
    });
  });

test('lists show what the caller sees and nothing else', async () => {
  for (const kind of kinds) {
    const { data } = await api.run(String(queries.environments?.document), {}, callers.get(kind));
    const shown = data?.it.nodes.map((node: { namespace: string }) => node.namespace);
    expect([kind, shown]).toEqual([kind, granted[kind].includes('read') ? [...visible[kind]] : undefined]);
  }
});
