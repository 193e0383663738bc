// Rows of tokens. Stored as SHA-256 only.
import { and, eq, gt, inArray, isNull, lt, or, sql } from 'drizzle-orm';
import type { Reader, Store, Transaction } from './open.ts';
import { type PageRequest, pagesByParent } from './pages.ts';
import { tokens } from './tables/access.ts';

export type TokenRow = typeof tokens.$inferSelect;

const valid = and(isNull(tokens.revokedAt), or(isNull(tokens.expiresAt), gt(tokens.expiresAt, sql`now()`)));

export async function insertToken(
  tx: Pick<Transaction, 'insert'>,
  row: typeof tokens.$inferInsert,
): Promise<TokenRow> {
  const [made] = await tx.insert(tokens).values(row).returning();
  if (made === undefined) throw new Error('the token was not inserted');
  return made;
}

/** Undefined for one that is unknown, revoked or has expired. */
export async function findTokenByHash(reader: Reader, hash: string): Promise<TokenRow | undefined> {
  const statement = byHash.get(reader) ?? prepareByHash(reader);
  byHash.set(reader, statement);
  const [row] = await statement.execute({ hash });
  return row;
}

/** Every request begins with it. */
const byHash = new WeakMap<Reader, ReturnType<typeof prepareByHash>>();

function prepareByHash(reader: Reader) {
  return reader
    .select()
    .from(tokens)
    .where(and(eq(tokens.hash, sql.placeholder('hash')), valid))
    .prepare();
}

/** Of these, the ids that are still valid. */
export async function listValidTokens(reader: Reader, ids: readonly string[]): Promise<Set<string>> {
  const rows = await reader
    .select({ id: tokens.id })
    .from(tokens)
    .where(and(inArray(tokens.id, [...ids]), valid));
  return new Set(rows.map((row) => row.id));
}

export function listTokensById(reader: Reader, ids: readonly string[]): Promise<TokenRow[]> {
  return reader
    .select()
    .from(tokens)
    .where(inArray(tokens.id, [...ids]));
}

/** Which tokens a list may show: all of the organization, those of one environment besides one's own, or one's own alone. */
export interface TokenSelection {
  readonly organizationId: string;
  readonly ownId: string;
  readonly others: 'ALL' | 'NONE' | { readonly environmentId: string };
}

export async function pageTokens(
  reader: Reader,
  { organizationId, ownId, others }: TokenSelection,
  request: PageRequest,
): Promise<TokenRow[]> {
  const own = eq(tokens.id, ownId);
  const where =
    others === 'ALL'
      ? undefined
      : others === 'NONE'
        ? own
        : or(own, eq(tokens.environmentId, others.environmentId));
  const page = { table: tokens, key: tokens.id, parent: tokens.organizationId, where, newestFirst: true };
  const found = await pagesByParent(reader, [organizationId], page, request);
  return found.get(organizationId) ?? [];
}

export async function revokeToken(tx: Transaction, id: string): Promise<TokenRow | undefined> {
  const [row] = await tx
    .update(tokens)
    .set({ revokedAt: sql`coalesce(${tokens.revokedAt}, now())` })
    .where(eq(tokens.id, id))
    .returning();
  return row;
}

/** Written at most once a minute for each token. */
export async function noteTokenUse(store: Store, id: string): Promise<void> {
  const stale = or(isNull(tokens.lastUsedAt), lt(tokens.lastUsedAt, sql`now() - interval '1 minute'`));
  await store.db
    .update(tokens)
    .set({ lastUsedAt: sql`now()` })
    .where(and(eq(tokens.id, id), stale));
}

export async function hasTokens(reader: Reader): Promise<boolean> {
  const rows = await reader.select({ id: tokens.id }).from(tokens).limit(1);
  return rows.length > 0;
}
