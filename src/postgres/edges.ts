// What the edge of a pod should have, and what it was last seen to have.
import { and, eq, inArray, isNotNull, isNull, sql } from 'drizzle-orm';
import type { AppliedEdge, EdgePlace, EdgeRotation } from '../model/edge.ts';
import { type RotatedJob, wantedRotation } from '../model/rotation.ts';
import { serviceProxy } from '../model/service-types/service-proxy.ts';
import { hostsAbove } from '../model/sites.ts';
import type { Reader, Transaction } from './open.ts';
import { edges } from './tables/edges.ts';
import { environments } from './tables/environments.ts';
import { jobs } from './tables/jobs.ts';
import { services } from './tables/services.ts';
import { sites } from './tables/sites.ts';

export async function readEdgeRotation(reader: Reader, podId: string): Promise<EdgeRotation> {
  const [proxies, rotated] = await Promise.all([
    reader
      .select({
        id: services.id,
        environmentId: services.environmentId,
        slot: environments.edgeSlot,
        hosts: sql<string[] | null>`jsonb_path_query_array(${services.runningSpec}, '$.proxy.sites[*].host')`,
      })
      .from(services)
      .innerJoin(environments, eq(environments.id, services.environmentId))
      .where(
        and(
          eq(services.type, 'SERVICE_PROXY'),
          isNull(services.deletedAt),
          eq(environments.podId, podId),
          isNotNull(environments.edgeSlot),
        ),
      ),
    reader
      .select({
        id: jobs.id,
        serviceId: jobs.serviceId,
        address: jobs.address,
        rotation: jobs.rotation,
        health: jobs.health,
      })
      .from(jobs)
      .innerJoin(services, eq(services.id, jobs.serviceId))
      .where(
        and(
          eq(services.type, 'SERVICE_PROXY'),
          sql`${jobs.state} in ('RUNNING', 'STOPPING') and ${jobs.rotation} in ('IN', 'DRAINING')`,
        ),
      ),
  ]);
  const views = proxies.map(({ id }) => ({ id, maintenance: false }));
  const healthy = rotated.map(
    ({ health, ...job }): RotatedJob => ({ ...job, healthy: health === 'HEALTHY' }),
  );
  const elsewhere = await hostsElsewhere(reader, proxies);
  const places = proxies.map(({ id, slot, hosts }): [string, EdgePlace] => {
    const own = (hosts ?? []).filter((host) => !elsewhere.has(`${id} ${host}`));
    return [id, { slot: slot ?? 0, hosts: own.toSorted() }];
  });
  const none = { challenges: {}, certificates: {} };
  const rotation = wantedRotation(views, healthy, none, serviceProxy.ports.edgeHttp);
  return { ...rotation, places: Object.fromEntries(places) };
}

interface RoutingProxy {
  readonly id: string;
  readonly environmentId: string;
  readonly hosts: string[] | null;
}

/**
 * A host that has moved, or is covered by a domain that another environment has by now, is in two running proxies until the
 * one it has left is redeployed: the environment whose site gets its visitors now has it, or the older one when none does.
 */
async function hostsElsewhere(reader: Reader, proxies: readonly RoutingProxy[]): Promise<Set<string>> {
  const holders = Map.groupBy(
    proxies.flatMap((proxy) => (proxy.hosts ?? []).map((host) => ({ proxy, host }))),
    ({ host }) => host,
  );
  const contested = [...holders].flatMap(([host, own]) => {
    const above = hostsAbove(host).flatMap((each) => holders.get(each) ?? []);
    const environments = new Set([...own, ...above].map(({ proxy }) => proxy.environmentId));
    return environments.size > 1 ? [{ host, own: own.map(({ proxy }) => proxy), above }] : [];
  });
  if (contested.length === 0) return new Set();
  const asked = contested.flatMap(({ host, above }) => [host, ...above.map((each) => each.host)]);
  const living = await reader
    .select({ host: sites.host, environmentId: sites.environmentId })
    .from(sites)
    .where(and(isNull(sites.deletedAt), inArray(sites.host, [...new Set(asked)])));
  const owners = new Map(living.map(({ host, environmentId }) => [host, environmentId]));
  return new Set(
    contested.flatMap(({ host, own, above }) => {
      const inOrder = own.toSorted((a, b) => (a.id < b.id ? -1 : 1));
      const owned = inOrder.find(({ environmentId }) => environmentId === owners.get(host));
      const covered = above.some((each) => each.proxy.environmentId === owners.get(each.host));
      const keeper = owned ?? (covered ? undefined : inOrder[0]);
      return inOrder.filter((proxy) => proxy !== keeper).map(({ id }) => `${id} ${host}`);
    }),
  );
}

export async function findEdge(
  reader: Reader,
  podId: string,
): Promise<{ readonly applied: AppliedEdge; readonly ageSeconds: number } | undefined> {
  const [row] = await reader
    .select({
      applied: edges.applied,
      ageSeconds: sql<number>`extract(epoch from now() - ${edges.seenAt})::float8`,
    })
    .from(edges)
    .where(eq(edges.podId, podId));
  return row;
}

/** It may have these services' proxies and hosts in either way, until it is saved again. */
export async function doubtEdge(
  tx: Transaction,
  podId: string,
  serviceIds: readonly string[],
): Promise<void> {
  const doubtful = sql`jsonb_set(${edges.applied}, '{doubtful}', ${JSON.stringify(serviceIds)}::text::jsonb)`;
  await tx.update(edges).set({ applied: doubtful }).where(eq(edges.podId, podId));
}

/** Still as it was noted. */
export async function touchEdge(db: Pick<Transaction, 'update'>, podId: string): Promise<void> {
  await db.update(edges).set({ seenAt: sql`now()` }).where(eq(edges.podId, podId));
}

/** Seen now, and so. */
export async function saveEdge(
  tx: Pick<Transaction, 'insert'>,
  podId: string,
  applied: EdgeRotation,
): Promise<void> {
  const seenAt = sql`now()`;
  await tx
    .insert(edges)
    .values({ podId, applied, seenAt })
    .onConflictDoUpdate({ target: edges.podId, set: { applied, seenAt } });
}
