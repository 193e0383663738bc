// Checks with what they remember, their results as a numbered log of its own, and incidents. What the monitor of an
// environment was last told and up to where its results were taken stands with the counter of the log, so that taking a
// result and moving on is one transaction.
import { sql } from 'drizzle-orm';
import {
  bigint,
  boolean,
  doublePrecision,
  index,
  integer,
  pgTable,
  primaryKey,
  text,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core';
import type { IncidentState, Resolution } from '../../model/monitoring/incidents.ts';
import type { CheckState, Metric, ObservedState, Threshold } from '../../model/monitoring/observations.ts';
import type { ResultSource } from '../../model/monitoring/results.ts';
import { json, moment } from './columns.ts';
import { environments } from './environments.ts';
import { services } from './services.ts';

export const checks = pgTable(
  'checks',
  {
    id: uuid('id').primaryKey(),
    environmentId: uuid('environment_id')
      .notNull()
      .references(() => environments.id),
    serviceId: uuid('service_id')
      .notNull()
      .references(() => services.id),
    type: text('type').notNull(),
    name: text('name').notNull(),
    /** Null: the port its type looks at. */
    port: integer('port'),
    settings: json<Readonly<Record<string, unknown>>>('settings').notNull(),
    thresholds: json<readonly Threshold[]>('thresholds').notNull(),
    intervalSeconds: integer('interval_seconds').notNull(),
    timeoutSeconds: integer('timeout_seconds').notNull(),
    /** Results in a row until a state other than OK is hard. */
    attempts: integer('attempts').notNull(),
    /** Checks whose open incident keeps this one from raising its own. */
    dependsOn: json<readonly string[]>('depends_on').notNull().default([]),
    builtIn: boolean('built_in').notNull().default(false),
    paused: boolean('paused').notNull().default(false),
    revision: integer('revision').notNull().default(1),
    createdAt: moment('created_at').notNull().defaultNow(),
    deletedAt: moment('deleted_at'),
    runRequestedAt: moment('run_requested_at'),
    /** When the control plane makes it next; null: others make it, or it is made on demand alone. */
    dueAt: moment('due_at'),
    state: text('state').$type<CheckState>().notNull().default('PENDING'),
    since: moment('since').notNull().defaultNow(),
    attempt: integer('attempt').notNull().default(0),
    hard: boolean('hard').notNull().default(true),
    flapping: boolean('flapping').notNull().default(false),
    history: text('history').notNull().default(''),
    /** Of its newest result. */
    latestSeq: bigint('latest_seq', { mode: 'number' }),
  },
  (t) => [
    uniqueIndex('checks_name').on(t.serviceId, t.name).where(sql`${t.deletedAt} is null`),
    index('checks_environment').on(t.environmentId, t.id),
    index('checks_service').on(t.serviceId, t.id),
    index('checks_due')
      .on(t.dueAt)
      .where(sql`${t.dueAt} is not null and not ${t.paused} and ${t.deletedAt} is null`),
    index('checks_run_requested').on(t.runRequestedAt).where(sql`${t.runRequestedAt} is not null`),
  ],
);

export const resultStreams = pgTable('result_streams', {
  environmentId: uuid('environment_id').primaryKey(),
  epoch: text('epoch').notNull(),
  lastSeq: bigint('last_seq', { mode: 'number' }).notNull().default(0),
  firstSeq: bigint('first_seq', { mode: 'number' }).notNull().default(1),
  /** Of the monitor's store, and up to where it was taken; null: nothing was yet. */
  takenEpoch: text('taken_epoch'),
  takenSeq: bigint('taken_seq', { mode: 'number' }).notNull().default(0),
  /** What the monitor is to run: grows whenever its digest is another. */
  configurationRevision: integer('configuration_revision').notNull().default(0),
  configurationDigest: text('configuration_digest').notNull().default(''),
});

export const checkResults = pgTable(
  'check_results',
  {
    environmentId: uuid('environment_id').notNull(),
    seq: bigint('seq', { mode: 'number' }).notNull(),
    checkId: uuid('check_id').notNull(),
    serviceId: uuid('service_id').notNull(),
    state: text('state').$type<ObservedState>().notNull(),
    attempt: integer('attempt').notNull(),
    hard: boolean('hard').notNull(),
    flapping: boolean('flapping').notNull(),
    /** Made while a redeploy of its service, or a planned window, was under way. */
    maintenance: boolean('maintenance').notNull(),
    source: text('source').$type<ResultSource>().notNull(),
    output: text('output').notNull(),
    metrics: json<readonly Metric[]>('metrics').notNull(),
    startedAt: moment('started_at').notNull(),
    durationMs: doublePrecision('duration_ms').notNull(),
    recordedAt: moment('recorded_at').notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.environmentId, t.seq] }),
    index('check_results_check').on(t.checkId, t.seq),
    index('check_results_time').on(t.checkId, t.startedAt),
  ],
);

export const incidents = pgTable(
  'incidents',
  {
    id: uuid('id').primaryKey(),
    environmentId: uuid('environment_id')
      .notNull()
      .references(() => environments.id),
    serviceId: uuid('service_id')
      .notNull()
      .references(() => services.id),
    checkId: uuid('check_id')
      .notNull()
      .references(() => checks.id),
    state: text('state').$type<IncidentState>().notNull().default('OPEN'),
    /** The worst that was seen while it was open. */
    worst: text('worst').$type<ObservedState>().notNull(),
    /** What the check said as it opened. */
    output: text('output').notNull(),
    openedAt: moment('opened_at').notNull(),
    acknowledgedAt: moment('acknowledged_at'),
    acknowledgedBy: text('acknowledged_by'),
    note: text('note'),
    resolvedAt: moment('resolved_at'),
    resolution: text('resolution').$type<Resolution>(),
  },
  (t) => [
    uniqueIndex('incidents_open').on(t.checkId).where(sql`${t.state} <> 'RESOLVED'`),
    index('incidents_environment').on(t.environmentId, t.id),
    index('incidents_check').on(t.checkId, t.id),
  ],
);

/** Planned: results are kept and marked, and raise no alert. */
export const maintenanceWindows = pgTable(
  'maintenance_windows',
  {
    id: uuid('id').primaryKey(),
    environmentId: uuid('environment_id')
      .notNull()
      .references(() => environments.id),
    /** Null: all services of the environment. */
    serviceId: uuid('service_id').references(() => services.id),
    startsAt: moment('starts_at').notNull(),
    endsAt: moment('ends_at').notNull(),
    note: text('note'),
    createdBy: text('created_by').notNull(),
    createdAt: moment('created_at').notNull().defaultNow(),
  },
  (t) => [
    index('maintenance_windows_environment').on(t.environmentId, t.id),
    index('maintenance_windows_end').on(t.environmentId, t.endsAt),
  ],
);
