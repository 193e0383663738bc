// The schema, put together from the nouns. Refuses to build when a root field has no rule on who may use it.
import { type GraphQLSchema, lexicographicSortSchema, printSchema } from 'graphql';
import { builder } from './builder.ts';
import './catalogue.ts';
import './environment.ts';
import './event-streams.ts';
import './job.ts';
import './logs.ts';
import './redeploy.ts';
import './service-mutations.ts';
import './service.ts';
import './token.ts';
import './variable.ts';

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
  return schema;
}

/** The text of schema.graphql. */
export function schemaText(): string {
  return `${printSchema(lexicographicSortSchema(buildSchema()))}\n`;
}
