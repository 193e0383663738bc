// Keyset pages of a table, for one parent or for many at once: one statement whatever the number of parents.
import { and, asc, desc, getTableColumns, gt, inArray, lt, type SQL, sql } from 'drizzle-orm';
import type { PgColumn, PgTable } from 'drizzle-orm/pg-core';
import type { Reader } from './open.ts';

/** Which rows: at most `limit` after (or, backward, before) a key. `limit` is one more than shown, to know if more follow. */
export interface PageRequest {
  readonly after: string | undefined;
  readonly before: string | undefined;
  readonly limit: number;
  readonly backward: boolean;
}

export interface PageOf<Row> {
  readonly table: PgTable & { readonly $inferSelect: Row };
  /** Unique within a parent, ascending in the order of creation. */
  readonly key: PgColumn;
  readonly parent: PgColumn;
  readonly where?: SQL | undefined;
  /** Properties left out of the rows: what is large and lists don't show. */
  readonly without?: readonly string[];
  /** Newest first. */
  readonly newestFirst?: boolean;
}

/** Rows by parent, in the order shown. */
export async function pagesByParent<Row>(
  reader: Reader,
  parentIds: readonly string[],
  page: PageOf<Row>,
  request: PageRequest,
): Promise<Map<string, Row[]>> {
  const down = (page.newestFirst ?? false) !== request.backward;
  const bounds = and(
    page.where,
    request.after === undefined ? undefined : beyond(page, request.after, page.newestFirst ?? false),
    request.before === undefined ? undefined : beyond(page, request.before, !(page.newestFirst ?? false)),
  );
  const table: PgTable = page.table;
  const columns = Object.fromEntries(
    Object.entries(getTableColumns(table)).filter(([name]) => !page.without?.includes(name)),
  );
  const numbered = reader
    .select({
      key: page.key,
      parent: page.parent,
      place:
        sql<number>`row_number() over (partition by ${page.parent} order by ${down ? desc(page.key) : asc(page.key)})`
          .mapWith(Number)
          .as('place'),
    })
    .from(table)
    .where(and(inArray(page.parent, [...parentIds]), bounds))
    .as('numbered');
  const rows = (await reader
    .select(columns)
    .from(table)
    .innerJoin(
      numbered,
      sql`${numbered.key} = ${page.key} and ${numbered.parent} = ${page.parent} and ${numbered.place} <= ${request.limit}`,
    )
    .orderBy(down ? desc(page.key) : asc(page.key))) as Row[];
  const property = propertyOf(page.table, page.parent);
  const groups = Map.groupBy(rows, (row) => String((row as Record<string, unknown>)[property]));
  if (request.backward) for (const group of groups.values()) group.reverse();
  return groups;
}

function beyond(page: { readonly key: PgColumn }, key: string, down: boolean): SQL {
  return down ? lt(page.key, key) : gt(page.key, key);
}

function propertyOf(table: PgTable, column: PgColumn): string {
  const found = Object.entries(getTableColumns(table)).find(([, each]) => each === column);
  if (found === undefined) throw new Error('the parent column is not of the table');
  return found[0];
}
