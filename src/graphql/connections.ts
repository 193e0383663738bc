// Relay connections by keyset: `first` with `after`, or `last` with `before`, 1 to 100 items, exactly one of the two.
import type { GraphQLResolveInfo } from 'graphql';
import type { PageRequest } from '../control/loading.ts';
import { InvalidInput } from '../errors.ts';
import type { Context } from './context.ts';
import type { AskedPages } from './loaders.ts';

export interface ConnectionArguments {
  readonly first?: number | null | undefined;
  readonly after?: string | null | undefined;
  readonly last?: number | null | undefined;
  readonly before?: string | null | undefined;
}

const largestPage = 100;

/** One more than asked for is read, to know whether more follow. */
export function pageRequest(args: ConnectionArguments, isKey: (key: string) => boolean): PageRequest {
  const { first, last } = args;
  if ((first == null) === (last == null))
    throw new InvalidInput(
      [],
      'A page needs either `first` (with `after`) or `last` (with `before`), from 1 to 100.',
    );
  const size = first ?? last ?? 0;
  if (!Number.isInteger(size) || size < 1 || size > largestPage)
    throw new InvalidInput([first == null ? 'last' : 'first'], `must be from 1 to ${largestPage}.`);
  return {
    after: key(args.after, 'after', isKey),
    before: key(args.before, 'before', isKey),
    limit: size + 1,
    backward: last != null,
  };
}

function key(
  cursor: string | null | undefined,
  name: string,
  isKey: (key: string) => boolean,
): string | undefined {
  if (cursor == null) return undefined;
  const text = Buffer.from(cursor, 'base64url').toString('utf8');
  if (cursor.length > 300 || !isKey(text))
    throw new InvalidInput([name], 'is no cursor of this list. Give back one that you were given.');
  return text;
}

/** A page of one parent's children; see Loaders.asked. */
export async function childPage<T>(
  { loaders }: Pick<Context, 'loaders'>,
  { fieldNodes }: Pick<GraphQLResolveInfo, 'fieldNodes'>,
  parentId: string,
  tell: () => AskedPages<T>,
) {
  const { rows, request, keyOf } = loaders.asked<T[], AskedPages<T>>(fieldNodes, tell);
  return toConnection((await rows.load(parentId)) ?? [], request, keyOf);
}

export function toConnection<T>(rows: readonly T[], request: PageRequest, keyOf: (row: T) => string) {
  const more = rows.length >= request.limit;
  const shown = request.backward ? rows.slice(more ? 1 : 0) : rows.slice(0, request.limit - 1);
  const cursorOf = (row: T) => Buffer.from(keyOf(row)).toString('base64url');
  // Made when they are asked for: most clients ask for the nodes alone.
  return {
    nodes: shown,
    get edges() {
      return shown.map((node) => ({ node, cursor: cursorOf(node) }));
    },
    get pageInfo() {
      const [startCursor = null, endCursor = null] = [shown[0], shown.at(-1)].map(
        (row) => row && cursorOf(row),
      );
      return {
        hasNextPage: request.backward ? request.before !== undefined : more,
        hasPreviousPage: request.backward ? more : request.after !== undefined,
        startCursor,
        endCursor,
      };
    },
  };
}
