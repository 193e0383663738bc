// Short ways to look at a world: a service's jobs, what a job has said, a phase reached.
import { eq } from 'drizzle-orm';
import { isAlive } from '../../src/model/jobs.ts';
import { listLastLines } from '../../src/postgres/job-lines.ts';
import { type JobRow, listJobsById } from '../../src/postgres/jobs.ts';
import { listServicesById, type ServiceRow } from '../../src/postgres/services.ts';
import { jobs } from '../../src/postgres/tables/jobs.ts';
import type { World } from '../support/world.ts';

/** Oldest first. */
export function jobsOf(world: World, serviceId: string): Promise<JobRow[]> {
  const { db } = world.control.store;
  return db.select().from(jobs).where(eq(jobs.serviceId, serviceId)).orderBy(jobs.id);
}

export async function livingJobs(world: World, serviceId: string): Promise<JobRow[]> {
  return (await jobsOf(world, serviceId)).filter(isAlive);
}

export async function serviceOf(world: World, serviceId: string): Promise<ServiceRow> {
  const [service] = await listServicesById(world.control.store.db, [serviceId]);
  if (service === undefined) throw new Error(`no service ${serviceId}`);
  return service;
}

/** The kept lines of an ended job, else what its container has said so far. */
export async function outputOf(world: World, jobId: string): Promise<string> {
  const { store, output } = world.control;
  const kept = await listLastLines(store.db, jobId, 100);
  if (kept.length > 0) return kept.map((line) => line.text).join('\n');
  const [job] = await listJobsById(store.db, [jobId]);
  if (job === undefined) throw new Error(`no job ${jobId}`);
  const lines = output(job, { since: undefined, follow: false }, AbortSignal.timeout(5_000));
  return (await Array.fromAsync(lines)).map((line) => line.text).join('\n');
}
