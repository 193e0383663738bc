// The environments that have a monitor: where its job runs, what it was told last, and up to where it was taken.
import { and, eq, inArray, isNotNull, isNull, or, sql } from 'drizzle-orm';
import type { CheckRow } from './checks.ts';
import type { Reader, Transaction } from './open.ts';
import { checks, resultStreams } from './tables/checks.ts';
import { eventStreams } from './tables/events.ts';
import { jobs } from './tables/jobs.ts';
import { services } from './tables/services.ts';

export interface Monitor {
  readonly environmentId: string;
  readonly serviceId: string;
  /** Whether a job of it is wanted: it was deployed and isn't stopped. */
  readonly wanted: boolean;
  /** Of the running job; null while none runs. */
  readonly jobId: string | null;
  readonly address: string | null;
  /** Of the environment's events: whatever changes what is to be checked makes one. */
  readonly eventSeq: number;
}

export async function listMonitors(reader: Reader): Promise<Monitor[]> {
  const running = and(
    eq(jobs.serviceId, services.id),
    eq(jobs.type, 'DEPLOY'),
    eq(jobs.state, 'RUNNING'),
    sql`${jobs.address} is not null`,
  );
  const rows = await reader
    .select({
      environmentId: services.environmentId,
      serviceId: services.id,
      wanted: sql<boolean>`${services.runningRedeployId} is not null and not ${services.stopped}`,
      jobId: jobs.id,
      address: jobs.address,
      eventSeq: eventStreams.lastSeq,
    })
    .from(services)
    .innerJoin(eventStreams, eq(eventStreams.environmentId, services.environmentId))
    .leftJoin(jobs, running)
    .where(
      and(eq(services.type, 'MONITORING'), isNull(services.deletedAt), isNull(services.deletionRequestedAt)),
    )
    .orderBy(services.id, jobs.id);
  return [...new Map(rows.map((row) => [row.environmentId, row])).values()];
}

export interface CheckedService {
  readonly check: CheckRow;
  readonly label: string;
  readonly type: string;
  readonly runtime: string | null;
  readonly dnsName: string;
  readonly credentialsId: string | null;
  /** Whether its jobs are to run: nothing else is checked. */
  readonly active: boolean;
  /** Whether its environment has a monitor; sandboxes have none. */
  readonly monitored: boolean;
}

/** The living checks of an environment with their services, oldest first. */
export function listCheckedServices(reader: Reader, environmentId: string): Promise<CheckedService[]> {
  return checkedServices(reader)
    .where(and(eq(checks.environmentId, environmentId), isNull(checks.deletedAt)))
    .orderBy(checks.id);
}

export function listCheckedServicesById(reader: Reader, ids: readonly string[]): Promise<CheckedService[]> {
  return checkedServices(reader).where(and(inArray(checks.id, [...ids]), isNull(checks.deletedAt)));
}

/** Those of these types, which the control plane makes, that are due or that somebody wants to be run now; these first. */
export function listCheckedServicesDue(
  reader: Reader,
  types: readonly string[],
  most: number,
): Promise<CheckedService[]> {
  // The condition of the index checks_due, word for word.
  const scheduled = sql`${checks.dueAt} is not null and not ${checks.paused} and ${checks.deletedAt} is null`;
  const asked = and(
    isNotNull(checks.runRequestedAt),
    inArray(checks.type, [...types]),
    isNull(checks.deletedAt),
  );
  return checkedServices(reader)
    .where(or(and(scheduled, sql`${checks.dueAt} <= now()`), asked))
    .orderBy(checks.runRequestedAt, checks.dueAt)
    .limit(most);
}

function checkedServices(reader: Reader) {
  return reader
    .select({
      monitored: sql<boolean>`exists (select 1 from services monitor where monitor.type = 'MONITORING'
        and monitor.environment_id = ${checks.environmentId} and monitor.deleted_at is null)`,
      check: checks,
      label: services.label,
      type: services.type,
      runtime: services.runtime,
      dnsName: services.dnsName,
      credentialsId: services.credentialsId,
      active: sql<boolean>`${services.runningRedeployId} is not null and not ${services.stopped}
        and coalesce((${services.runningSpec} ->> 'scale')::int, 0) > 0 and ${services.deletionRequestedAt} is null`,
    })
    .from(checks)
    .innerJoin(services, eq(services.id, checks.serviceId));
}

export type Stream = typeof resultStreams.$inferSelect;

export async function findStream(reader: Reader, environmentId: string): Promise<Stream | undefined> {
  return (await reader.select().from(resultStreams).where(eq(resultStreams.environmentId, environmentId)))[0];
}

/** Locked until the transaction ends, so that nobody else takes the same results. */
export async function lockStream(tx: Transaction, environmentId: string): Promise<Stream | undefined> {
  const rows = tx.select().from(resultStreams).where(eq(resultStreams.environmentId, environmentId));
  return (await rows.for('no key update'))[0];
}

export async function updateStream(
  tx: Pick<Transaction, 'update'>,
  environmentId: string,
  set: Partial<Pick<Stream, 'takenEpoch' | 'takenSeq' | 'configurationRevision' | 'configurationDigest'>>,
): Promise<void> {
  await tx.update(resultStreams).set(set).where(eq(resultStreams.environmentId, environmentId));
}
