// Global ids in arguments: the type is checked, so that an id of something else is told from an unknown one.
import { GraphQLError } from 'graphql';
import { InvalidInput, NotFound } from '../errors.ts';
import { isId } from '../ids.ts';
import { readGlobalId } from './global-id.ts';
import type { One } from './loaders.ts';

/** The id within a global id of this type. */
export function localId(type: string, globalId: string, path: readonly string[]): string {
  const { typename: given, id } = readGlobalId(globalId);
  if (globalId.length > 200 || given === '' || id === '')
    throw new InvalidInput(path, 'is no id. Give back one that you were given.');
  if (given !== type)
    throw new InvalidInput(path, `must be the id of a ${type}; this is one of a ${given.slice(0, 40)}.`);
  if (!isId(id)) throw new NotFound(type.toLowerCase(), path);
  return id;
}

/** Of the service that a mutation's input names. */
export function serviceIdOf(globalId: string): string {
  return localId('Service', globalId, ['input', 'serviceId']);
}

/** In the order asked; nothing for what isn't an id at all. */
export function loadEach<T>(loader: One<T>, ids: readonly string[]): Promise<(T | undefined)[]> {
  return Promise.all(ids.map((id) => (isId(id) ? loader.load(id) : undefined)));
}

/** The row that a payload speaks of: the caller has just changed it, so it is there. */
export async function loaded<T>(loading: Promise<T | undefined>): Promise<T> {
  const row = await loading;
  if (row === undefined)
    throw new GraphQLError('It was deleted meanwhile.', { extensions: { code: 'NOT_FOUND' } });
  return row;
}
