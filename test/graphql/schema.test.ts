// The schema as a text and a contract: what is on disk is what the code makes, every part of it is described, and it has
// the shape that Relay's compiler and runtime rely on.
import { readFileSync } from 'node:fs';
import {
  GraphQLNonNull,
  type GraphQLObjectType,
  getNamedType,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isListType,
  isNonNullType,
  isObjectType,
  isUnionType,
  validateSchema,
} from 'graphql';
import { expect, test } from 'vitest';
import { buildSchema, schemaText } from '../../src/graphql/schema.ts';

const schema = buildSchema();
const types = Object.values(schema.getTypeMap()).filter(({ name }) => !name.startsWith('__'));
const objects = types.filter((type): type is GraphQLObjectType => isObjectType(type));

test('schema.graphql is what the code makes, and valid', () => {
  expect(readFileSync(new URL('../../schema.graphql', import.meta.url), 'utf8')).toBe(schemaText());
  expect(validateSchema(schema)).toEqual([]);
});

test('every type, field, argument, enum value and input field is described', () => {
  const bare: string[] = [];
  const look = (name: string, described: { readonly description?: string | null | undefined }) => {
    if ((described.description ?? '').trim().length < 3) bare.push(name);
  };
  for (const type of types) {
    if (['String', 'Int', 'Float', 'Boolean', 'ID'].includes(type.name)) continue;
    look(type.name, type);
    if (isEnumType(type)) for (const value of type.getValues()) look(`${type.name}.${value.name}`, value);
    if (isInputObjectType(type))
      for (const field of Object.values(type.getFields())) look(`${type.name}.${field.name}`, field);
    if (isObjectType(type) || isInterfaceType(type))
      for (const field of Object.values(type.getFields())) {
        look(`${type.name}.${field.name}`, field);
        for (const argument of field.args) look(`${type.name}.${field.name}(${argument.name})`, argument);
      }
  }
  expect(bare).toEqual([]);
});

test('every mutation takes one input and answers with a union of its payload and typed errors', () => {
  for (const field of Object.values(schema.getMutationType()?.getFields() ?? {})) {
    const title = field.name.charAt(0).toUpperCase() + field.name.slice(1);
    expect(field.args.map(({ name, type }) => `${name}: ${type}`)).toEqual([`input: ${title}Input!`]);
    const result = getNamedType(field.type);
    expect(isUnionType(result) && isNonNullType(field.type)).toBe(true);
    const members = isUnionType(result) ? result.getTypes() : [];
    const [payload, ...rest] = members.filter((type) => !isUserError(type));
    expect([payload?.name, rest]).toEqual([`${title}Payload`, []]);
    expect(members.filter(isUserError).length).toBe(8);
  }
  const errors = objects.filter(isUserError);
  expect(errors.length).toBe(8);
});

function isUserError(type: GraphQLObjectType): boolean {
  return type.getInterfaces().some(({ name }) => name === 'UserError');
}

// The GraphQL Server Specification of Relay: object identification, connections, page info.

test('Relay: objects are found again by their global id, one or many', () => {
  const node = schema.getType('Node');
  if (!isInterfaceType(node)) throw new Error('there is no interface Node');
  expect(Object.entries(node.getFields()).map(([name, { type }]) => `${name}: ${type}`)).toEqual(['id: ID!']);
  const query = schema.getQueryType()?.getFields() ?? {};
  expect(`${query.node?.args.map(({ name, type }) => `${name}: ${type}`)} → ${query.node?.type}`).toBe(
    'id: ID! → Node',
  );
  expect(`${query.nodes?.args.map(({ name, type }) => `${name}: ${type}`)} → ${query.nodes?.type}`).toBe(
    'ids: [ID!]! → [Node]!',
  );
  for (const type of objects) {
    const { id } = type.getFields();
    const isNode = type.getInterfaces().includes(node);
    expect([type.name, id === undefined ? undefined : String(id.type)]).toEqual([
      ...[type.name, isNode ? 'ID!' : undefined],
    ]);
  }
});

test('Relay: PageInfo says whether there is more, and where the page begins and ends', () => {
  const info = schema.getType('PageInfo');
  const fields = isObjectType(info) ? info.getFields() : {};
  expect(Object.fromEntries(Object.entries(fields).map(([name, { type }]) => [name, String(type)]))).toEqual({
    hasNextPage: 'Boolean!',
    hasPreviousPage: 'Boolean!',
    startCursor: 'String',
    endCursor: 'String',
  });
});

test('Relay: whatever is named a connection has edges with node and cursor, and is reached by first, after, last, before', () => {
  const connections = objects.filter(({ name }) => name.endsWith('Connection'));
  expect(connections.length).toBeGreaterThan(5);
  for (const { name, getFields } of connections.map((type) => ({
    name: type.name,
    getFields: () => type.getFields(),
  }))) {
    const { edges, pageInfo } = getFields();
    expect([name, String(pageInfo?.type)]).toEqual([name, 'PageInfo!']);
    const list = edges?.type instanceof GraphQLNonNull ? edges.type.ofType : edges?.type;
    expect([name, isListType(list)]).toEqual([name, true]);
    const edge = edges && getNamedType(edges.type);
    const { node, cursor } = isObjectType(edge) ? edge.getFields() : {};
    expect([name, String(cursor?.type)]).toEqual([name, 'String!']);
    const inner = node && getNamedType(node.type);
    const shown = isObjectType(inner) || isInterfaceType(inner) || isUnionType(inner);
    expect([name, shown && !isListType(node?.type)]).toEqual([name, true]);
  }
  for (const type of objects)
    for (const field of Object.values(type.getFields())) {
      if (!getNamedType(field.type).name.endsWith('Connection')) continue;
      const args = Object.fromEntries(field.args.map((each) => [each.name, String(each.type)]));
      expect([`${type.name}.${field.name}`, args]).toEqual([
        ...[
          `${type.name}.${field.name}`,
          expect.objectContaining({ first: 'Int', last: 'Int', after: 'String', before: 'String' }),
        ],
      ]);
    }
});

test('no field is of a type that tells nothing of its shape', () => {
  const vague = types.filter(({ name }) => /json|any|object$|map$/i.test(name)).map(({ name }) => name);
  expect(vague).toEqual([]);
});
