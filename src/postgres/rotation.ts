// Who is to be in rotation in an environment, and what its running proxies were last seen to have.
import { and, asc, eq, inArray, isNotNull, isNull, ne, not, sql } from 'drizzle-orm';
import { endedStates } from '../model/jobs.ts';
import {
  type AppliedRotation,
  type ProxyRotation,
  type ProxyView,
  type RotatedJob,
  wantedRotation,
} from '../model/rotation.ts';
import { webPort } from '../model/service-types/code.ts';
import type { ProxySpec } from '../model/sites.ts';
import { listFingerprints } from './certificates.ts';
import type { JobRow } from './jobs.ts';
import type { Reader, Transaction } from './open.ts';
import { dueNow } from './replicas.ts';
import { markDue } from './services.ts';
import { listChallenges } from './sites.ts';
import { jobs } from './tables/jobs.ts';
import { services } from './tables/services.ts';

/** What every proxy of the environment should have now. */
export async function readRotation(reader: Reader, environmentId: string): Promise<ProxyRotation> {
  const [routable, rotated, challenges, certificates] = await Promise.all([
    reader
      .select({ id: services.id, maintenance: services.maintenance })
      .from(services)
      .where(
        and(eq(services.environmentId, environmentId), eq(services.type, 'CODE'), isNull(services.deletedAt)),
      )
      .orderBy(asc(services.id)),
    reader
      .select(rotatedColumns)
      .from(jobs)
      .where(and(eq(jobs.environmentId, environmentId), inRotation))
      .orderBy(asc(jobs.id)),
    listChallenges(reader, environmentId),
    listFingerprints(reader, environmentId),
  ]);
  const healthy = rotated.map(
    ({ health, ...job }): RotatedJob => ({ ...job, healthy: health === 'HEALTHY' }),
  );
  return wantedRotation(routable, healthy, { challenges, certificates }, webPort);
}

const rotatedColumns = {
  id: jobs.id,
  serviceId: jobs.serviceId,
  address: jobs.address,
  rotation: jobs.rotation,
  health: jobs.health,
};
const inRotation = sql`${jobs.state} in ('RUNNING', 'STOPPING') and ${jobs.rotation} in ('IN', 'DRAINING')`;

/** Jobs that finish what they have begun, by whatever service. */
export async function listDraining(reader: Reader, environmentId: string): Promise<string[]> {
  const draining = and(eq(jobs.environmentId, environmentId), inRotation, eq(jobs.rotation, 'DRAINING'));
  const rows = await reader.select({ id: jobs.id }).from(jobs).where(draining).orderBy(asc(jobs.id));
  return rows.map((row) => row.id);
}

/** Proxies that serve or are about to; one that fails its check holds nobody up. */
export async function listProxies(reader: Reader, environmentId: string): Promise<ProxyView[]> {
  const rows = await reader
    .select({
      jobId: jobs.id,
      applied: jobs.applied,
      proxy: sql<ProxySpec | null>`${jobs.spec} -> 'proxy'`,
    })
    .from(jobs)
    .innerJoin(services, eq(services.id, jobs.serviceId))
    .where(
      and(
        eq(services.environmentId, environmentId),
        eq(services.type, 'SERVICE_PROXY'),
        isNull(services.deletedAt),
        eq(jobs.type, 'DEPLOY'),
        eq(jobs.state, 'RUNNING'),
        ne(jobs.health, 'UNHEALTHY'),
      ),
    )
    .orderBy(asc(jobs.id));
  return rows.map(({ jobId, applied, proxy }) => ({
    jobId,
    applied,
    routed: [...new Set((proxy?.sites ?? []).map((site) => site.serviceId))],
  }));
}

export interface RunningProxy extends Pick<JobRow, 'id' | 'serviceId' | 'address'> {
  readonly applied: AppliedRotation;
  readonly spec: ProxySpec;
}

/** Of all environments, those that have been told everything and are being told nothing. */
export async function listRunningProxies(reader: Reader): Promise<RunningProxy[]> {
  const rows = await reader
    .select({
      id: jobs.id,
      serviceId: jobs.serviceId,
      address: jobs.address,
      applied: jobs.applied,
      spec: sql<ProxySpec | null>`${jobs.spec} -> 'proxy'`,
    })
    .from(jobs)
    .where(
      and(
        eq(jobs.type, 'DEPLOY'),
        eq(jobs.state, 'RUNNING'),
        eq(jobs.health, 'HEALTHY'),
        isNotNull(jobs.address),
        sql`not ${jobs.applied} ? 'doubtful'`,
      ),
    )
    .orderBy(asc(jobs.id));
  return rows.flatMap(({ applied, spec, ...job }) =>
    applied === null || spec === null ? [] : [{ ...job, applied, spec }],
  );
}

/** These services of a proxy are told anew; false when it has been told something since it was `seen`. */
export async function markDoubtful(
  tx: Transaction,
  jobId: string,
  seen: AppliedRotation,
  doubtful: readonly string[],
): Promise<boolean> {
  const rows = await tx
    .update(jobs)
    .set({ applied: { ...seen, doubtful } })
    .where(and(eq(jobs.id, jobId), eq(jobs.state, 'RUNNING'), eq(jobs.applied, seen)))
    .returning({ id: jobs.id });
  return rows.length > 0;
}

export async function saveApplied(tx: Transaction, jobId: string, applied: AppliedRotation): Promise<void> {
  await tx.update(jobs).set({ applied }).where(eq(jobs.id, jobId));
}

/** The proxies of the environment are looked after at once; answers whether it has any. */
export async function markProxiesDue(tx: Transaction, environmentId: string): Promise<boolean> {
  const marked = await tx
    .update(services)
    .set(dueNow())
    .where(
      and(
        eq(services.environmentId, environmentId),
        eq(services.type, 'SERVICE_PROXY'),
        isNull(services.deletedAt),
      ),
    )
    .returning({ id: services.id });
  return marked.length > 0;
}

/** No new requests from now on, and an end to the old ones; a time that was set already stands. */
export async function drainAtMost(tx: Transaction, jobId: string, seconds: number): Promise<void> {
  const until = sql`coalesce(${jobs.drainUntil}, now() + make_interval(secs => ${seconds}))`;
  await tx
    .update(jobs)
    .set({ rotation: 'DRAINING', drainUntil: until })
    .where(and(eq(jobs.id, jobId), inArray(jobs.rotation, ['IN', 'DRAINING'])));
}

/** For how many seconds it may still finish what it has begun, past its time below zero; undefined: it is not being drained. */
export async function secondsToDrain(reader: Reader, jobId: string): Promise<number | undefined> {
  const draining = sql`${jobs.rotation} = 'DRAINING' and ${jobs.drainUntil} is not null and ${jobs.state} = 'RUNNING'`;
  const [row] = await reader
    .select({ seconds: sql<number>`extract(epoch from ${jobs.drainUntil} - now())::float8` })
    .from(jobs)
    .where(and(eq(jobs.id, jobId), draining));
  return row?.seconds;
}

/** The time of these jobs to finish what they have begun counts from now: only now they get no new requests. */
export async function drainFromNow(
  tx: Transaction,
  jobIds: readonly string[],
  seconds: number,
): Promise<void> {
  if (jobIds.length === 0) return;
  await tx
    .update(jobs)
    .set({ drainUntil: sql`now() + make_interval(secs => ${seconds})` })
    .where(and(inArray(jobs.id, [...jobIds]), eq(jobs.rotation, 'DRAINING'), isNotNull(jobs.drainUntil)));
}

/** Who of these was being drained is out of rotation now, and their services go on with them; answers with the services. */
export async function endDraining(tx: Transaction, jobIds: readonly string[]): Promise<string[]> {
  const rows = await tx
    .update(jobs)
    .set({ rotation: 'OUT', drainUntil: null })
    .where(and(inArray(jobs.id, [...jobIds]), eq(jobs.rotation, 'DRAINING')))
    .returning({ serviceId: jobs.serviceId });
  const serviceIds = [...new Set(rows.map(({ serviceId }) => serviceId))];
  await markDue(tx, serviceIds);
  return serviceIds;
}

/** A healthy job of what the service runs gets requests, wherever it was before. */
export async function putBack(tx: Transaction, jobId: string): Promise<JobRow | undefined> {
  const running = sql`(select ${services.runningRedeployId} from ${services} where ${services.id} = ${jobs.serviceId})`;
  const [row] = await tx
    .update(jobs)
    .set({ rotation: 'IN', drainUntil: null })
    .where(
      and(
        eq(jobs.id, jobId),
        sql`${jobs.state} = 'RUNNING' and ${jobs.health} = 'HEALTHY' and not ${jobs.stopRequested}`,
        inArray(jobs.rotation, ['OUT', 'DRAINING']),
        sql`${jobs.redeployId} = ${running}`,
      ),
    )
    .returning();
  return row;
}

/** Puts jobs into rotation or takes them out; answers with those that were elsewhere before. */
export async function setRotation(
  tx: Transaction,
  jobIds: readonly string[],
  rotation: 'OUT' | 'IN' | 'DRAINING',
  drainSeconds: number | null = null,
): Promise<string[]> {
  if (jobIds.length === 0) return [];
  const drainUntil = drainSeconds === null ? null : sql`now() + make_interval(secs => ${drainSeconds})`;
  const rows = await tx
    .update(jobs)
    .set({ rotation, drainUntil })
    .where(
      and(
        inArray(jobs.id, [...jobIds]),
        sql`${jobs.rotation} is distinct from ${rotation}`,
        // One that has ended in the same moment gets no requests any more.
        rotation === 'OUT' ? undefined : not(inArray(jobs.state, [...endedStates])),
      ),
    )
    .returning({ id: jobs.id });
  return rows.map((row) => row.id);
}
