// Services: the spec that is wanted, what runs (the last redeploy that was seen healthy), and the claim by which one
// orchestrator at a time works on a service. `due_at` says that there is something to look at; null costs nothing.
import { sql } from 'drizzle-orm';
import {
  bigint,
  boolean,
  index,
  integer,
  pgTable,
  primaryKey,
  text,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core';
import type { HealthCheck } from '../../model/health-check.ts';
import type { ServiceType } from '../../model/service-types/index.ts';
import type { RedeployStrategy, Size, Spec } from '../../model/spec.ts';
import { json, moment } from './columns.ts';
import { environments } from './environments.ts';

export const services = pgTable(
  'services',
  {
    id: uuid('id').primaryKey(),
    environmentId: uuid('environment_id')
      .notNull()
      .references(() => environments.id),
    type: text('type').$type<ServiceType>().notNull(),
    runtime: text('runtime'),
    version: text('version'),
    label: text('label').notNull(),
    dnsName: text('dns_name').notNull(),
    size: json<Size>('size').notNull(),
    scale: integer('scale').notNull(),
    workerLimit: integer('worker_limit').notNull().default(0),
    redeployable: boolean('redeployable').notNull().default(true),
    /** Null: OVERLAP wherever it is allowed. */
    strategy: text('strategy').$type<RedeployStrategy>(),
    rollBack: boolean('roll_back').notNull().default(true),
    /** Set by operators: a redeploy starts the new jobs first and keeps the old ones so long. Null: off. */
    overlapSeconds: integer('overlap_seconds'),
    /** Null: the standard check of its type. */
    healthCheck: json<HealthCheck>('health_check'),
    /** The proxy answers 503 with a page while the jobs run on. */
    maintenance: boolean('maintenance').notNull().default(false),
    hasVolume: boolean('has_volume').notNull().default(false),
    releaseId: uuid('release_id'),
    /** User, password and database that the engine was made with, encrypted. */
    credentialsId: uuid('credentials_id'),
    stopped: boolean('stopped').notNull().default(false),
    failingSince: moment('failing_since'),
    budgetFrom: moment('budget_from'),
    runningRedeployId: uuid('running_redeploy_id'),
    runningSpec: json<Spec>('running_spec'),
    runningImageId: text('running_image_id'),
    revision: integer('revision').notNull().default(1),
    createdAt: moment('created_at').notNull().defaultNow(),
    deletionRequestedAt: moment('deletion_requested_at'),
    deletedAt: moment('deleted_at'),
    dueAt: moment('due_at'),
    attention: bigint('attention', { mode: 'number' }).notNull().default(0),
    leaseHolder: integer('lease_holder'),
    leaseEpoch: bigint('lease_epoch', { mode: 'number' }).notNull().default(0),
    leaseUntil: moment('lease_until'),
  },
  (t) => [
    uniqueIndex('services_label').on(t.environmentId, t.label).where(sql`${t.deletedAt} is null`),
    uniqueIndex('services_dns_name').on(t.environmentId, t.dnsName).where(sql`${t.deletedAt} is null`),
    index('services_environment').on(t.environmentId, t.id),
    index('services_due').on(t.dueAt).where(sql`${t.dueAt} is not null`),
  ],
);

/** Saved worker counts; every redeploy brings them back. */
export const workerTargets = pgTable(
  'worker_targets',
  {
    serviceId: uuid('service_id')
      .notNull()
      .references(() => services.id),
    target: text('target').notNull(),
    count: integer('count').notNull(),
  },
  (t) => [primaryKey({ columns: [t.serviceId, t.target] })],
);

/** Volumes outlive their service by a waiting time. */
export const volumes = pgTable(
  'volumes',
  {
    name: text('name').primaryKey(),
    serviceId: uuid('service_id')
      .notNull()
      .references(() => services.id),
    removeAt: moment('remove_at'),
    removedAt: moment('removed_at'),
  },
  (t) => [index('volumes_due').on(t.removeAt).where(sql`${t.removedAt} is null`)],
);
