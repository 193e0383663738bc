// Redeploys and releases. A redeploy keeps the spec it was asked with; an index holds the rule that a service has at
// most one open redeploy.
import { sql } from 'drizzle-orm';
import { boolean, index, pgTable, text, uniqueIndex, uuid } from 'drizzle-orm/pg-core';
import type { FailureCause } from '../../model/failures.ts';
import type { Phase, RedeployReason, RedeployState } from '../../model/redeploy.ts';
import type { RedeployStrategy, Spec, SpecChange } from '../../model/spec.ts';
import { json, moment } from './columns.ts';
import { environments } from './environments.ts';
import { services } from './services.ts';

export const releases = pgTable(
  'releases',
  {
    id: uuid('id').primaryKey(),
    serviceId: uuid('service_id')
      .notNull()
      .references(() => services.id),
    commit: text('commit').notNull(),
    subject: text('subject').notNull(),
    imageId: text('image_id').notNull(),
    language: text('language').notNull(),
    commands: json<Record<string, string>>('commands').notNull(),
    buildJobId: uuid('build_job_id').notNull(),
    createdAt: moment('created_at').notNull().defaultNow(),
  },
  (t) => [index('releases_service').on(t.serviceId, t.id)],
);

export const redeploys = pgTable(
  'redeploys',
  {
    id: uuid('id').primaryKey(),
    environmentId: uuid('environment_id')
      .notNull()
      .references(() => environments.id),
    serviceId: uuid('service_id')
      .notNull()
      .references(() => services.id),
    reason: text('reason').$type<RedeployReason>().notNull(),
    strategy: text('strategy').$type<RedeployStrategy>().notNull(),
    state: text('state').$type<RedeployState>().notNull(),
    note: text('note'),
    spec: json<Spec>('spec').notNull(),
    changes: json<SpecChange[]>('changes').notNull(),
    phases: json<Phase[]>('phases').notNull().default([]),
    imageId: text('image_id'),
    cause: json<FailureCause>('cause'),
    /** OVERLAP: what ran before it switched, to go back to. */
    previousId: uuid('previous_id'),
    cancelRequested: boolean('cancel_requested').notNull().default(false),
    requestedBy: text('requested_by').notNull(),
    requestedAt: moment('requested_at').notNull().defaultNow(),
    startedAt: moment('started_at'),
    endedAt: moment('ended_at'),
    deadlineAt: moment('deadline_at').notNull(),
  },
  (t) => [
    uniqueIndex('redeploys_open').on(t.serviceId).where(sql`${t.state} in ('QUEUED', 'RUNNING')`),
    index('redeploys_service').on(t.serviceId, t.id),
    index('redeploys_environment').on(t.environmentId, t.id),
  ],
);
