// The schema, put together from the nouns. Refuses to build when a root field has no rule on who may use it.
import {
  type GraphQLObjectType,
  type GraphQLSchema,
  isObjectType,
  lexicographicSortSchema,
  printSchema,
} from 'graphql';
import type { VariableRow } from '../control/loading.ts';
import { builder } from './builder.ts';
import { writeGlobalId } from './global-id.ts';
import './catalogue.ts';
import './certificate.ts';
import './check-result.ts';
import './check.ts';
import './environment.ts';
import './event-streams.ts';
import './history.ts';
import './incident.ts';
import './job.ts';
import './logs.ts';
import './redeploy.ts';
import './service-mutations.ts';
import './service.ts';
import './site.ts';
import './ticket.ts';
import './token.ts';
import { variableId } from './variable.ts';
import './webhook-mutations.ts';
import './webhook.ts';

let built: GraphQLSchema | undefined;

export function buildSchema(): GraphQLSchema {
  built ??= checked(builder.toSchema());
  return built;
}

function checked(schema: GraphQLSchema): GraphQLSchema {
  for (const type of [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()])
    for (const [name, field] of Object.entries(type?.getFields() ?? {})) {
      const options = field.extensions.pothosOptions as { readonly authScopes?: unknown } | undefined;
      if (options?.authScopes === undefined)
        throw new Error(`${type?.name}.${name} has no rule on who may use it`);
    }
  for (const type of Object.values(schema.getTypeMap()))
    if (isObjectType(type)) {
      makeIdSynchronous(type);
      readNodes(type);
    }
  return schema;
}

/** The relay plugin resolves ids by promises; a list of many rows is answered twice as fast without them. */
function makeIdSynchronous(type: GraphQLObjectType): void {
  const { id } = type.getFields();
  if (id === undefined || !type.getInterfaces().some(({ name }) => name === 'Node')) return;
  id.resolve = (row: { readonly id: string } | VariableRow) =>
    writeGlobalId(type.name, 'id' in row ? row.id : variableId(row));
}

/** The relay plugin makes the nodes of a page from its edges; connections.ts has them without. */
function readNodes(type: GraphQLObjectType): void {
  const { nodes, edges, pageInfo } = type.getFields();
  if (nodes !== undefined && edges !== undefined && pageInfo !== undefined) nodes.resolve = undefined;
}

/** The text of schema.graphql. */
export function schemaText(): string {
  return `${printSchema(lexicographicSortSchema(buildSchema()))}\n`;
}
