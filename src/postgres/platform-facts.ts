// What the database knows of services that checks by the engine's eye are about: a few statements for any number of them.
import { and, eq, gt, inArray, isNotNull, isNull, or, sql } from 'drizzle-orm';
import type { JobRow } from './jobs.ts';
import type { Reader } from './open.ts';
import { jobs } from './tables/jobs.ts';
import { services } from './tables/services.ts';
import { certificates, sites } from './tables/sites.ts';

export interface SeenJob
  extends Pick<
    JobRow,
    'id' | 'serviceId' | 'type' | 'target' | 'state' | 'health' | 'containerId' | 'reason'
  > {
  /** Since it ended. */
  readonly secondsAgo: number;
}

/** Deploy and worker jobs, in the order of their making: the living, and those of what runs that died in the last seconds. */
export async function listLivingAndDead(
  reader: Reader,
  serviceIds: readonly string[],
  seconds: number,
): Promise<SeenJob[]> {
  const secondsAgo = sql<number>`extract(epoch from now() - coalesce(${jobs.stoppedAt}, now()))`.mapWith(
    Number,
  );
  const died = and(
    inArray(jobs.state, ['FINISHED', 'FAILED', 'LOST']),
    gt(jobs.stoppedAt, sql`now() - make_interval(secs => ${seconds})`),
    // Those that a failed redeploy had brought back bear the same: they run the last good spec.
    eq(jobs.redeployId, services.runningRedeployId),
  );
  return reader
    .select({
      id: jobs.id,
      serviceId: jobs.serviceId,
      type: jobs.type,
      target: jobs.target,
      state: jobs.state,
      health: jobs.health,
      containerId: jobs.containerId,
      reason: jobs.reason,
      secondsAgo,
    })
    .from(jobs)
    .innerJoin(services, eq(services.id, jobs.serviceId))
    .where(
      and(
        inArray(jobs.serviceId, [...serviceIds]),
        inArray(jobs.type, ['DEPLOY', 'WORKER']),
        or(inArray(jobs.state, ['SCHEDULED', 'STARTING', 'RUNNING', 'STOPPING']), died),
      ),
    )
    .orderBy(jobs.id);
}

export interface ServedCertificate {
  readonly environmentId: string;
  readonly name: string;
  readonly secondsLeft: number;
  readonly lifeSeconds: number;
}

/** That living sites of these environments are served with. */
export async function listServedCertificates(
  reader: Reader,
  environmentIds: readonly string[],
): Promise<ServedCertificate[]> {
  if (environmentIds.length === 0) return [];
  const seconds = (span: ReturnType<typeof sql>) => sql<number>`extract(epoch from ${span})`.mapWith(Number);
  return reader
    .selectDistinct({
      id: certificates.id,
      environmentId: certificates.environmentId,
      name: certificates.name,
      secondsLeft: seconds(sql`${certificates.notAfter} - now()`),
      lifeSeconds: seconds(sql`${certificates.notAfter} - ${certificates.notBefore}`),
    })
    .from(certificates)
    .innerJoin(sites, and(eq(sites.certificateId, certificates.id), isNull(sites.deletedAt)))
    .where(
      and(
        inArray(certificates.environmentId, [...environmentIds]),
        isNull(certificates.deletedAt),
        isNotNull(certificates.notAfter),
      ),
    )
    .orderBy(certificates.id);
}
