// Rows of builds: jobs of type BUILD, by what they build.
import { and, asc, desc, eq, inArray, not } from 'drizzle-orm';
import { endedStates } from '../model/jobs.ts';
import { type JobRow, updateJob } from './jobs.ts';
import type { Reader, Transaction } from './open.ts';
import { jobs } from './tables/jobs.ts';

/** The build of a commit that is still to end. */
export async function findOpenBuild(
  reader: Reader,
  serviceId: string,
  commit: string,
): Promise<JobRow | undefined> {
  const [row] = await reader
    .select()
    .from(jobs)
    .where(
      and(
        eq(jobs.serviceId, serviceId),
        eq(jobs.type, 'BUILD'),
        eq(jobs.commit, commit),
        not(inArray(jobs.state, [...endedStates])),
      ),
    );
  return row;
}

/** Builds of a service that haven't been begun. */
export function listWaitingBuilds(reader: Reader, serviceId: string): Promise<JobRow[]> {
  return reader
    .select()
    .from(jobs)
    .where(and(eq(jobs.serviceId, serviceId), eq(jobs.type, 'BUILD'), eq(jobs.state, 'SCHEDULED')));
}

/** The commit of the newest build of each service: what has been pushed and told of. */
export async function listNewestBuilds(
  reader: Reader,
  serviceIds: readonly string[],
): Promise<Map<string, string | null>> {
  if (serviceIds.length === 0) return new Map();
  const rows = await reader
    .selectDistinctOn([jobs.serviceId], { serviceId: jobs.serviceId, commit: jobs.commit })
    .from(jobs)
    .where(and(inArray(jobs.serviceId, [...serviceIds]), eq(jobs.type, 'BUILD')))
    .orderBy(jobs.serviceId, desc(jobs.id));
  return new Map(rows.map((row) => [row.serviceId, row.commit]));
}

/** Builds that nobody has finished, oldest first. */
export function listOpenBuilds(reader: Reader): Promise<JobRow[]> {
  return reader
    .select()
    .from(jobs)
    .where(and(eq(jobs.type, 'BUILD'), inArray(jobs.state, ['SCHEDULED', 'STARTING', 'RUNNING'])))
    .orderBy(asc(jobs.id));
}

/** Undefined when it has ended meanwhile. */
export function noteAttempt(tx: Transaction, id: string, attempt: number): Promise<JobRow | undefined> {
  return updateJob(tx, id, { attempt }, eq(jobs.state, 'RUNNING'));
}
