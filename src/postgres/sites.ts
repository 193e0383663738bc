// Rows of sites, and what a service proxy's spec is made of from them. Sites whose service or certificate isn't there are
// left out of a spec: one bad site takes no other with it.
import { and, asc, eq, inArray, isNotNull, isNull, like, ne, or, sql } from 'drizzle-orm';
import { hostsAbove, type ProxySpec, type SiteSpec } from '../model/sites.ts';
import type { Reader, Transaction } from './open.ts';
import { type PageRequest, pagesByParent } from './pages.ts';
import { services } from './tables/services.ts';
import { certificates, challenges, sites } from './tables/sites.ts';

export type SiteRow = typeof sites.$inferSelect;
export type SitePatch = Partial<typeof sites.$inferInsert>;

/** Undefined when the host name is taken. */
export async function insertSite(
  tx: Transaction,
  row: typeof sites.$inferInsert,
): Promise<SiteRow | undefined> {
  const [made] = await tx.insert(sites).values(row).onConflictDoNothing().returning();
  return made;
}

/** Nobody else makes a site until this transaction has ended. */
export async function holdHosts(tx: Transaction): Promise<void> {
  await tx.execute(sql`select pg_advisory_xact_lock(${hostsLock})`);
}

/** A living site of another environment that has one of these hosts, covers it or is covered by it. */
export async function findRivalSite(
  reader: Reader,
  environmentId: string,
  hosts: readonly string[],
): Promise<SiteRow | undefined> {
  // Hosts have none of LIKE's own characters.
  const below = hosts
    .filter((host) => host.startsWith('.'))
    .map((host) => or(eq(sites.host, host.slice(1)), like(sites.host, `%${host}`)));
  const [rival] = await reader
    .select()
    .from(sites)
    .where(
      and(
        ne(sites.environmentId, environmentId),
        isNull(sites.deletedAt),
        or(inArray(sites.host, hosts.flatMap(hostsAbove)), ...below),
      ),
    )
    .limit(1);
  return rival;
}

/** Of the database; see also the lock of migrations. */
const hostsLock = 7_226_002;

export function listSitesById(reader: Reader, ids: readonly string[]): Promise<SiteRow[]> {
  return reader
    .select()
    .from(sites)
    .where(inArray(sites.id, [...ids]));
}

/** Living sites of one environment, oldest first. */
export function listSitesOf(reader: Reader, environmentId: string): Promise<SiteRow[]> {
  return reader
    .select()
    .from(sites)
    .where(and(eq(sites.environmentId, environmentId), isNull(sites.deletedAt)))
    .orderBy(asc(sites.id));
}

export function pageSites(
  reader: Reader,
  environmentIds: readonly string[],
  request: PageRequest,
): Promise<Map<string, SiteRow[]>> {
  return pagesByParent(reader, environmentIds, livingPages, request);
}

const livingPages = {
  table: sites,
  key: sites.id,
  parent: sites.environmentId,
  where: isNull(sites.deletedAt),
};

export async function updateSite(tx: Transaction, id: string, set: SitePatch): Promise<void> {
  await tx
    .update(sites)
    .set({ ...set, revision: sql`${sites.revision} + 1` })
    .where(eq(sites.id, id));
}

/**
 * A removed service leads nowhere: its sites go with it, the environment's own falls back to its next code service.
 * Answers with those removed.
 */
export async function removeSitesOfService(tx: Transaction, serviceId: string): Promise<SiteRow[]> {
  const ofService = and(eq(sites.serviceId, serviceId), isNull(sites.deletedAt));
  const removed = await tx
    .update(sites)
    .set({ deletedAt: sql`now()` })
    .where(and(ofService, eq(sites.own, false)))
    .returning();
  const revision = sql`${sites.revision} + 1`;
  await tx.update(sites).set({ serviceId: null, revision }).where(ofService);
  return removed;
}

export async function removeSitesOfEnvironment(tx: Transaction, environmentId: string): Promise<void> {
  const living = and(eq(sites.environmentId, environmentId), isNull(sites.deletedAt));
  await tx.update(sites).set({ deletedAt: sql`now()` }).where(living);
}

/** What proxies redeployed now would route, by environment. */
export async function proxySpecs(
  reader: Reader,
  environmentIds: readonly string[],
): Promise<Map<string, ProxySpec>> {
  if (environmentIds.length === 0) return new Map();
  const ids = [...new Set(environmentIds)];
  const [siteRows, codeRows, certificateRows] = await Promise.all([
    reader
      .select()
      .from(sites)
      .where(and(inArray(sites.environmentId, ids), isNull(sites.deletedAt)))
      .orderBy(asc(sites.id)),
    reader
      .select({ id: services.id, environmentId: services.environmentId })
      .from(services)
      .where(
        and(
          inArray(services.environmentId, ids),
          eq(services.type, 'CODE'),
          isNull(services.deletionRequestedAt),
        ),
      )
      .orderBy(asc(services.id)),
    reader
      .select({ id: certificates.id })
      .from(certificates)
      .where(
        and(
          inArray(certificates.environmentId, ids),
          isNotNull(certificates.secretId),
          isNull(certificates.deletedAt),
        ),
      )
      .orderBy(asc(certificates.id)),
  ]);
  const bySite = Map.groupBy(siteRows, (row) => row.environmentId);
  const byCode = Map.groupBy(codeRows, (row) => row.environmentId);
  const ready = new Set(certificateRows.map((row) => row.id));
  return new Map(
    ids.map((id) => {
      const targets = (byCode.get(id) ?? []).map((row) => row.id);
      const routed = (bySite.get(id) ?? []).flatMap((row) => siteSpec(row, targets, ready));
      const used = new Set(routed.map((site) => site.certificateId));
      return [id, { sites: routed, certificates: [...ready].filter((each) => used.has(each)) }];
    }),
  );
}

function siteSpec(row: SiteRow, targets: readonly string[], ready: ReadonlySet<string>): SiteSpec[] {
  const serviceId = row.serviceId ?? targets[0];
  if (serviceId === undefined || !targets.includes(serviceId)) return [];
  const { id, host, limits, corsOrigins, certificateId } = row;
  const served = certificateId !== null && ready.has(certificateId) ? certificateId : null;
  return [{ id, host, serviceId, certificateId: served, limits, corsOrigins }];
}

/** Answers to an authority's questions, by environment. */
export async function listChallenges(reader: Reader, environmentId: string): Promise<Record<string, string>> {
  const rows = await reader.select().from(challenges).where(eq(challenges.environmentId, environmentId));
  return Object.fromEntries(rows.map(({ token, answer }) => [token, answer]));
}
