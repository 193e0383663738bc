// NUL and lone surrogates, which no text column takes: put into each text of each mutation's input by itself, and into each
// argument of each query, they are refused by a typed error that names the field, or are no different from any unknown
// text. Never a fault, and nothing is changed. The texts are found in the schema.
import {
  GraphQLID,
  type GraphQLInputType,
  GraphQLString,
  getNamedType,
  getNullableType,
  isInputObjectType,
  isListType,
} from 'graphql';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildSchema } from '../../src/graphql/schema.ts';
import { type Api, openApi } from '../support/api.ts';
import { bringCertificate } from '../support/certificate.ts';
import { type Furnished, furnish } from '../support/furnish.ts';
import { mutations, queries } from './root-fields.ts';

let api: Api;
let own: Furnished;

beforeAll(async () => {
  api = await openApi();
  own = await furnish(api.control, api.admin, 'own');
});

afterAll(() => api.close());

const brought = await bringCertificate(['shop.example.org']);

/** Inputs that pass but for the text that is put in, where the access test's own would be refused for something else first. */
const passing: Readonly<Record<string, (o: Furnished) => object>> = {
  createEnvironment: () => ({ name: 'New', kind: 'SANDBOX', services: [{ type: 'CODE', label: 'new' }] }),
  renameEnvironment: (o) => ({ environmentId: o.Environment, name: 'New' }),
  createService: (o) => ({ environmentId: o.Environment, type: 'CODE', label: 'new' }),
  redeployService: (o) => ({ serviceId: o.Service }),
  runTask: (o) => ({ serviceId: o.Service, command: ['true'] }),
  createToken: () => ({ name: 'new', scopes: ['READ'] }),
  createSite: (o) => ({ environmentId: o.Environment, host: 'new.example.org', serviceId: o.Service }),
  uploadCertificate: (o) => ({ environmentId: o.Environment, name: 'New', ...brought }),
  requestCertificate: (o) => ({
    ...{ environmentId: o.Environment, name: 'New', source: 'SELF_SIGNED', hosts: ['a.example.org'] },
  }),
  createCheck: (o) => ({ serviceId: o.Service, name: 'new', http: {} }),
  planMaintenance: (o) => ({
    ...{ environmentId: o.Environment, startsAt: '2100-01-01T00:00:00Z', endsAt: '2100-01-02T00:00:00Z' },
  }),
  createWebhook: (o) => ({ environmentId: o.Environment, url: 'https://hooks.example.org/' }),
  openSupportTicket: (o) => ({ environmentId: o.Environment, kind: 'OTHER', text: 'Please' }),
  resolveSupportTicket: (o) => ({ ticketId: o.SupportTicket, accept: false }),
};

type Text = readonly [path: readonly string[], put: (input: object, text: string) => object];

/** Every place of a text within an input type, with how to put one there; what is required beside it is made up. */
function texts(type: GraphQLInputType, path: readonly string[] = [], depth = 0): Text[] {
  const bare = getNullableType(type);
  if (depth > 5) return [];
  if (isListType(bare))
    return texts(bare.ofType, [...path, '0'], depth + 1).map(([at, put]) => [
      at,
      (input, text) => [put((input as object[])[0] ?? {}, text)],
    ]);
  if (isInputObjectType(bare))
    return Object.values(bare.getFields()).flatMap((field) =>
      texts(field.type, [...path, field.name], depth + 1).map(
        ([at, put]): Text => [
          at,
          (input, text) => {
            const required = isListType(getNullableType(type)) ? {} : filled(bare, input);
            const inner = (input as Record<string, object>)[field.name];
            return { ...required, ...input, [field.name]: put(typeof inner === 'object' ? inner : {}, text) };
          },
        ],
      ),
    );
  return getNamedType(type) === GraphQLString ? [[path, (_, text) => text as unknown as object]] : [];
}

/** Something for each required field that isn't there: enough for the input to be read. */
function filled(type: { getFields(): object }, input: object): object {
  const made: Record<string, unknown> = {};
  for (const field of Object.values(type.getFields()) as { name: string; type: GraphQLInputType }[]) {
    if (field.name in input || getNullableType(field.type) === field.type) continue;
    const named = getNamedType(field.type);
    if (named === GraphQLString || named === GraphQLID) made[field.name] = 'a';
    else if (named.name === 'Int') made[field.name] = 1;
    else if ('getValues' in named) made[field.name] = named.getValues()[0]?.name;
  }
  return made;
}

const bad = ['\0', 'a\0b', 'a\ud800'];

// One without an expectation there fails the access test.
const fields = Object.values(buildSchema().getMutationType()?.getFields() ?? {}).filter(
  ({ name }) => name in mutations,
);
const cases = fields.flatMap(({ name, args: [input] }) =>
  input === undefined ? [] : texts(input.type).map(([path, put]) => [name, path.join('.'), put] as const),
);

describe('a mutation', () => {
  test.each(cases)('%s: %s', async (name, path, put) => {
    const variables = mutations[name]?.variables?.(own) as { input: object } | undefined;
    const base = passing[name]?.(own) ?? variables?.input ?? {};
    const before = await api.dump();
    for (const text of bad) {
      const { data, errors } = await api.run(mutations[name]?.document ?? '', { input: put(base, text) });
      expect([text, errors]).toEqual([text, []]);
      const { code, path: told } = data[name];
      expect([text, code, told?.join('.')]).toEqual([
        text,
        expect.stringMatching(/^(INVALID|STALE)$/),
        `input.${path}`,
      ]);
    }
    expect(await api.dump()).toBe(before);
  });
});

describe('a query', () => {
  test.each(['environment', 'service'])('%s: nothing is called so', async (name) => {
    for (const namespace of bad)
      expect(await api.run(queries[name]?.document ?? '', { namespace })).toEqual({
        data: { it: null },
        errors: [],
      });
  });
});
