// `node` and `nodes` of what names nothing: null and no library's sentence, whatever the text is. What a caller may not
// see answers the same; that is held field by field in access.test.ts, and here for lists that mix both.
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { newId } from '../../src/ids.ts';
import { organizations } from '../../src/postgres/tables/organizations.ts';
import { type Api, globalId, openApi } from '../support/api.ts';
import { type Furnished, furnish } from '../support/furnish.ts';
import { nodes } from './root-fields.ts';

let api: Api;
let own: Furnished;
let foreign: Furnished;

beforeAll(async () => {
  api = await openApi();
  const { control, admin } = api;
  const organizationId = newId();
  await control.store.db.insert(organizations).values({ id: organizationId, name: 'Other' });
  const installation = { ...control.installation, organizationId };
  own = await furnish(control, admin, 'own');
  foreign = await furnish({ ...control, installation }, { ...admin, organizationId }, 'foreign');
});

afterAll(() => api.close());

const one = 'query ($id: ID!) { node(id: $id) { __typename id } }';
const many = 'query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }';

/** Encoded as ours are. */
const encoded = (text: string | Uint8Array) => Buffer.from(text).toString('base64url');
const uuid = '018f3c1e-7d5a-7c3e-9a51-0b2c4d6e8f01';

/** Types of the schema that are no nodes, built-in ones, words of JavaScript, and names of nothing. */
const otherTypes = [
  ...['Query', 'Mutation', 'Subscription', 'PageInfo', 'Node', 'Event', 'EventItem', 'SpecChange', 'ID'],
  ...['String', '__Schema', '__proto__', 'constructor', 'toString', 'Nothing', 'environment', 'Environment '],
];

const junk: readonly (readonly [what: string, id: string])[] = [
  ['nothing', ''],
  ['a sentence', 'no id at all'],
  ['signs that base64 lacks', '%%%\0\n\u{1f600}'],
  ['base64 of no text', encoded(new Uint8Array([0xff, 0xfe, 0x00, 0x80]))],
  ['no separator', encoded('Environment')],
  ['no type', encoded(`:${uuid}`)],
  ['a bare uuid', uuid],
  ['a number', '42'],
  ['a great length', 'x'.repeat(100_000)],
  ['a great length behind a type', encoded(`Service:${'x'.repeat(100_000)}`)],
  ...otherTypes.map((type) => [`an id of ${type}`, encoded(`${type}:${uuid}`)] as const),
  ...Object.keys(nodes).flatMap((type) =>
    ['', uuid.toUpperCase(), `${uuid}0`, `${uuid}/`, `${uuid}/\0`, `${uuid}:x`, "'; --", '\0'].map(
      (id) => [`a ${type} of ${JSON.stringify(id)}`, encoded(`${type}:${id}`)] as const,
    ),
  ),
];

test.each(junk)('%s is null', async (_what, id) => {
  expect(await api.run(one, { id })).toEqual({ data: { node: null }, errors: [] });
  expect(await api.run(many, { ids: [id] })).toEqual({ data: { nodes: [null] }, errors: [] });
});

test('whatever text is given, and whatever is encoded, the answer is null', async () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.string().map(encoded),
    fc.uint8Array().map(encoded),
    fc
      .tuple(fc.constantFrom(...Object.keys(nodes), ...otherTypes), fc.string())
      .map(([type, id]) => encoded(`${type}:${id}`)),
  );
  await fc.assert(
    fc.asyncProperty(text, async (id) => {
      expect(await api.run(one, { id })).toEqual({ data: { node: null }, errors: [] });
    }),
    { numRuns: 300 },
  );
});

test('a list keeps its order: the own where they stand, null for junk, the foreign and the unknown', async () => {
  const kinds = [
    ...(['Environment', 'Service', 'Job', 'Redeploy', 'Release', 'Variable', 'Token'] as const),
    ...(['Site', 'Certificate', 'SupportTicket'] as const),
  ];
  const ids = kinds.flatMap((kind) => [
    encoded(`${kind}:`),
    own[kind],
    foreign[kind],
    globalId(kind, newId()),
    'no id',
    own[kind],
  ]);
  const { data, errors } = await api.run(many, { ids });
  expect(errors).toEqual([]);
  expect(data.nodes).toEqual(
    ids.map((id) => {
      const kind = kinds.find((each) => own[each] === id);
      return kind === undefined ? null : { __typename: kind, id };
    }),
  );
});
