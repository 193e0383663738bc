// Jobs, and the lines of output that are kept here: build logs whole, other jobs' last lines once their container is gone.
import { sql } from 'drizzle-orm';
import { bigint, boolean, index, integer, pgTable, primaryKey, text, uuid } from 'drizzle-orm/pg-core';
import type { JobHealth, JobState, JobType } from '../../model/jobs.ts';
import type { AppliedRotation, Rotation } from '../../model/rotation.ts';
import type { Spec } from '../../model/spec.ts';
import { json, moment } from './columns.ts';
import { environments } from './environments.ts';
import { redeploys } from './redeploys.ts';
import { services } from './services.ts';

export const jobs = pgTable(
  'jobs',
  {
    id: uuid('id').primaryKey(),
    environmentId: uuid('environment_id')
      .notNull()
      .references(() => environments.id),
    serviceId: uuid('service_id')
      .notNull()
      .references(() => services.id),
    redeployId: uuid('redeploy_id').references(() => redeploys.id),
    /** The failed redeploy that started this job again from the last good spec. */
    restoredBy: uuid('restored_by').references(() => redeploys.id),
    /** The redeploy that stopped this job to replace it. */
    replacedBy: uuid('replaced_by').references(() => redeploys.id),
    releaseId: uuid('release_id'),
    type: text('type').$type<JobType>().notNull(),
    target: text('target'),
    /** One-off jobs: the argument vector. */
    command: json<string[]>('command'),
    /** Builds: the pushed commit. */
    commit: text('commit'),
    /** Builds: who pushed. */
    requestedBy: text('requested_by'),
    state: text('state').$type<JobState>().notNull(),
    health: text('health').$type<JobHealth>(),
    spec: json<Spec>('spec'),
    image: text('image').notNull(),
    containerId: text('container_id'),
    address: text('address'),
    exitCode: integer('exit_code'),
    outOfMemory: boolean('out_of_memory').notNull().default(false),
    reason: text('reason'),
    checkAttempts: integer('check_attempts').notNull().default(0),
    checkOutput: text('check_output'),
    /** Whether service proxies are to send it requests; null for jobs that no proxy knows. */
    rotation: text('rotation').$type<Rotation>(),
    /** DRAINING: when it is over, whatever the job has still begun. */
    drainUntil: moment('drain_until'),
    /** A proxy's job: the rotation it was last seen to have. */
    applied: json<AppliedRotation>('applied'),
    stopRequested: boolean('stop_requested').notNull().default(false),
    cleaned: boolean('cleaned').notNull().default(false),
    createdAt: moment('created_at').notNull().defaultNow(),
    startedAt: moment('started_at'),
    stoppedAt: moment('stopped_at'),
    attempt: integer('attempt').notNull().default(0),
    /** Sorts the living before the ended and, within each, by creation: lists show it from the highest down. */
    listKey: text('list_key')
      .notNull()
      .generatedAlwaysAs(
        sql`(case when state in ('SCHEDULED', 'STARTING', 'RUNNING', 'STOPPING') then '1' else '0' end) || id::text`,
      ),
  },
  (t) => [
    index('jobs_service').on(t.serviceId, t.listKey),
    index('jobs_redeploy').on(t.redeployId),
    index('jobs_restored').on(t.restoredBy).where(sql`${t.restoredBy} is not null`),
    index('jobs_replaced').on(t.replacedBy).where(sql`${t.replacedBy} is not null`),
    index('jobs_alive')
      .on(t.serviceId)
      .where(sql`${t.state} in ('SCHEDULED', 'STARTING', 'RUNNING', 'STOPPING') or not ${t.cleaned}`),
    index('jobs_building')
      .on(t.id)
      .where(sql`${t.type} = 'BUILD' and ${t.state} in ('SCHEDULED', 'STARTING', 'RUNNING')`),
  ],
);

export const jobLines = pgTable(
  'job_lines',
  {
    jobId: uuid('job_id')
      .notNull()
      .references(() => jobs.id),
    seq: integer('seq').notNull(),
    /** Nanoseconds since the epoch. */
    timeNanos: bigint('time_nanos', { mode: 'bigint' }).notNull(),
    stream: text('stream').$type<'STDOUT' | 'STDERR'>().notNull(),
    text: text('text').notNull(),
  },
  (t) => [primaryKey({ columns: [t.jobId, t.seq] })],
);
