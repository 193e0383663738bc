// Endpoints that an environment's events are sent to, what is to be sent to each, and how it went.
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
import type { EventType } from '../../model/events.ts';
import type { DeliveredType, DeliveryState, DisabledReason } from '../../model/webhooks.ts';
import { bytea, json, moment } from './columns.ts';
import { environments } from './environments.ts';

export const webhooks = pgTable(
  'webhooks',
  {
    id: uuid('id').primaryKey(),
    environmentId: uuid('environment_id')
      .notNull()
      .references(() => environments.id),
    url: text('url').notNull(),
    description: text('description').notNull(),
    /** Null: all. */
    eventTypes: json<readonly EventType[]>('event_types'),
    enabled: boolean('enabled').notNull().default(true),
    disabledReason: text('disabled_reason').$type<DisabledReason>(),
    disabledAt: moment('disabled_at'),
    /** Up to here the log was taken into deliveries. */
    seq: bigint('seq', { mode: 'number' }).notNull(),
    /** Since when every attempt has failed; null when the last one did not. */
    failingSince: moment('failing_since'),
    revision: integer('revision').notNull().default(1),
    /** The earliest of its waiting deliveries, or before it while somebody sends to it; null: none waits. */
    dueAt: moment('due_at'),
    /** The replica that sends to it at present, and a number that every claim gets anew. */
    holder: integer('holder'),
    claim: integer('claim').notNull().default(0),
    heldUntil: moment('held_until'),
    createdAt: moment('created_at').notNull().defaultNow(),
    deletedAt: moment('deleted_at'),
  },
  (t) => [
    index('webhooks_environment').on(t.environmentId, t.id),
    index('webhooks_active').on(t.dueAt).where(sql`${t.enabled} and ${t.deletedAt} is null`),
  ],
);

/** Encrypted, as variables are. One without an end is the present one. */
export const webhookSecrets = pgTable(
  'webhook_secrets',
  {
    id: uuid('id').primaryKey(),
    webhookId: uuid('webhook_id')
      .notNull()
      .references(() => webhooks.id),
    /** Which key-encryption key wrapped the data key. */
    keyId: text('key_id').notNull(),
    wrappedKey: bytea('wrapped_key').notNull(),
    sealed: bytea('sealed').notNull(),
    createdAt: moment('created_at').notNull().defaultNow(),
    validUntil: moment('valid_until'),
  },
  (t) => [index('webhook_secrets_webhook').on(t.webhookId)],
);

/** One event on its way to one endpoint. */
export const webhookDeliveries = pgTable(
  'webhook_deliveries',
  {
    id: uuid('id').primaryKey(),
    webhookId: uuid('webhook_id')
      .notNull()
      .references(() => webhooks.id),
    /** Of the event. */
    seq: bigint('seq', { mode: 'number' }).notNull(),
    eventType: text('event_type').$type<DeliveredType>().notNull(),
    state: text('state').$type<DeliveryState>().notNull().default('PENDING'),
    /** Since it was last asked for. */
    tries: integer('tries').notNull().default(0),
    /** Null once it has ended. */
    dueAt: moment('due_at'),
    createdAt: moment('created_at').notNull().defaultNow(),
    endedAt: moment('ended_at'),
  },
  (t) => [
    uniqueIndex('webhook_deliveries_event').on(t.webhookId, t.seq),
    index('webhook_deliveries_due').on(t.webhookId, t.dueAt, t.seq).where(sql`${t.dueAt} is not null`),
    index('webhook_deliveries_ended').on(t.endedAt).where(sql`${t.endedAt} is not null`),
  ],
);

export const webhookAttempts = pgTable(
  'webhook_attempts',
  {
    deliveryId: uuid('delivery_id')
      .notNull()
      .references(() => webhookDeliveries.id, { onDelete: 'cascade' }),
    /** Ascending over all that were made of the delivery. */
    number: integer('number').notNull(),
    startedAt: moment('started_at').notNull(),
    durationMs: integer('duration_ms').notNull(),
    status: integer('status'),
    answer: text('answer').notNull(),
    error: text('error'),
  },
  (t) => [primaryKey({ columns: [t.deliveryId, t.number] })],
);
