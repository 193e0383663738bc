// Keyset pages of a table, for one parent or for many at once: one prepared statement whatever the number of parents. It
// takes as many rows of each as are shown from the index on parent and key, however long the list is.
import { and, asc, desc, eq, getTableColumns, gt, lt, type SQL, sql } from 'drizzle-orm';
import type { PgColumn, PgTable } from 'drizzle-orm/pg-core';
import type { Reader } from './open.ts';

/** Which rows: at most `limit` after (or, backward, before) a key. `limit` is one more than shown, to know if more follow. */
export interface PageRequest {
  readonly after: string | undefined;
  readonly before: string | undefined;
  readonly limit: number;
  readonly backward: boolean;
  /** Rows without all but the `brief` columns of the list: for who reads no others. */
  readonly brief?: boolean;
}

/** A list of one kind. Its statements are prepared once for each such object, so it is best a constant. */
export interface PageOf<Row> {
  readonly table: PgTable & { readonly $inferSelect: Row };
  /** Unique within a parent, ascending in the order of creation. */
  readonly key: PgColumn;
  readonly parent: PgColumn;
  /** Values that differ from call to call stand in it as placeholders. */
  readonly where?: SQL | undefined;
  /** Properties left out of the rows: what is large and lists don't show. */
  readonly without?: readonly string[];
  /** Properties of a brief row. */
  readonly brief?: readonly string[];
  /** Newest first. */
  readonly newestFirst?: boolean;
}

/** A condition on a column: one of the values that the call gives by this name, or any when it gives null. */
export function among(column: PgColumn, name: string): SQL {
  const values = sql`${sql.placeholder(name)}::${sql.raw(column.getSQLType())}[]`;
  return sql`(${values} is null or ${column} = any(${values}))`;
}

/** Rows by parent, in the order shown. */
export async function pagesByParent<Row>(
  reader: Reader,
  parentIds: readonly string[],
  page: PageOf<Row>,
  request: PageRequest,
  values: Readonly<Record<string, readonly string[] | null>> = {},
): Promise<Map<string, Row[]>> {
  const { after, before, limit } = request;
  const statement = prepared(reader, page, request);
  const arrays = Object.entries({ ...values, parentIds }).map(([name, each]) => [
    name,
    each && arrayText(each),
  ]);
  const rows = (await statement.execute({ ...Object.fromEntries(arrays), after, before, limit })) as Row[];
  const property = propertyOf(page, page.parent);
  const groups = Map.groupBy(rows, (row) => String((row as Record<string, unknown>)[property]));
  if (request.backward) for (const group of groups.values()) group.reverse();
  return groups;
}

/** As Postgres writes an array: the driver knows types of its own accord for single values only. */
function arrayText(values: readonly string[]): string {
  return `{${values.map((value) => `"${value.replaceAll(/["\\]/g, String.raw`\$&`)}"`).join()}}`;
}

type Statement = ReturnType<typeof prepare>;

const statements = new WeakMap<Reader, WeakMap<PageOf<unknown>, Map<string, Statement>>>();

function prepared(reader: Reader, page: PageOf<unknown>, request: PageRequest): Statement {
  const ofReader = statements.get(reader) ?? new WeakMap<PageOf<unknown>, Map<string, Statement>>();
  statements.set(reader, ofReader);
  const ofPage = ofReader.get(page) ?? new Map<string, Statement>();
  ofReader.set(page, ofPage);
  const { after, before, backward, brief = false } = request;
  const form = `${after === undefined} ${before === undefined} ${backward} ${brief}`;
  const statement = ofPage.get(form) ?? prepare(reader, page, request);
  ofPage.set(form, statement);
  return statement;
}

function prepare(reader: Reader, page: PageOf<unknown>, request: PageRequest) {
  const { table, key, parent, newestFirst = false }: PageOf<unknown> & { readonly table: PgTable } = page;
  const direction = newestFirst !== request.backward ? desc : asc;
  const bounds = and(
    page.where,
    request.after === undefined ? undefined : (newestFirst ? lt : gt)(key, sql.placeholder('after')),
    request.before === undefined ? undefined : (newestFirst ? gt : lt)(key, sql.placeholder('before')),
  );
  const columns = Object.fromEntries(
    Object.entries(getTableColumns(table)).filter(([name]) =>
      request.brief === true && page.brief !== undefined
        ? page.brief.includes(name)
        : !page.without?.includes(name),
    ),
  );
  const items = reader
    .select(columns)
    .from(table)
    .where(and(eq(parent, sql`parents.id`), bounds))
    .orderBy(direction(key))
    .limit(sql.placeholder('limit'))
    .as('items');
  const fields = Object.fromEntries(Object.keys(columns).map((name) => [name, items[name] as PgColumn]));
  return reader
    .select(fields)
    .from(sql`unnest(${sql.placeholder('parentIds')}::uuid[]) as parents(id)`)
    .crossJoinLateral(items)
    .orderBy(direction(items[propertyOf(page, key)] as PgColumn))
    .prepare();
}

function propertyOf(page: PageOf<unknown>, column: PgColumn): string {
  const table: PgTable = page.table;
  const found = Object.entries(getTableColumns(table)).find(([, each]) => each === column);
  if (found === undefined) throw new Error('the column is not of the table');
  return found[0];
}
