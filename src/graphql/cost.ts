// What an operation costs by the schema's own measure: about one for each field of each item asked for. The limit itself
// is held within the schema (builder.ts); this is what clients are told of it.
import { complexityFromQuery } from '@pothos/plugin-complexity';
import { type ExecutionArgs, getOperationAST, Kind } from 'graphql';
import { costLimit } from './builder.ts';

export interface Cost {
  readonly requested: number;
  readonly limit: number;
}

/** Undefined where it can't be told, for example because variables are wrong; the execution says so better. */
export function costOf({
  schema,
  document,
  operationName,
  variableValues,
  contextValue,
}: ExecutionArgs): Cost | undefined {
  const operation = getOperationAST(document, operationName);
  if (operation === null || operation === undefined) return undefined;
  const fragments = document.definitions.filter(({ kind }) => kind === Kind.FRAGMENT_DEFINITION);
  const alone = { kind: Kind.DOCUMENT, definitions: [operation, ...fragments] } as const;
  try {
    const options = { schema, variables: { ...variableValues }, ctx: (contextValue ?? {}) as object };
    return { requested: complexityFromQuery(alone, options).complexity, limit: costLimit };
  } catch {
    return undefined;
  }
}
