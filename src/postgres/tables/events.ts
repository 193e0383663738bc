// The event log: one stream per environment with a gapless sequence, and the counter that gives it.
import { bigint, index, pgTable, primaryKey, text, uuid } from 'drizzle-orm/pg-core';
import type { EventData, EventType } from '../../model/events.ts';
import { json, moment } from './columns.ts';

export const eventStreams = pgTable('event_streams', {
  environmentId: uuid('environment_id').primaryKey(),
  /** Changes when the log is begun anew, so that an older cursor is noticed. */
  epoch: text('epoch').notNull(),
  lastSeq: bigint('last_seq', { mode: 'number' }).notNull().default(0),
  /** The oldest event still kept; events before it were removed by retention. */
  firstSeq: bigint('first_seq', { mode: 'number' }).notNull().default(1),
});

export const events = pgTable(
  'events',
  {
    environmentId: uuid('environment_id').notNull(),
    seq: bigint('seq', { mode: 'number' }).notNull(),
    type: text('type').$type<EventType>().notNull(),
    data: json<EventData[EventType]>('data').notNull(),
    message: text('message').notNull(),
    serviceId: uuid('service_id'),
    redeployId: uuid('redeploy_id'),
    jobId: uuid('job_id'),
    occurredAt: moment('occurred_at').notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.environmentId, t.seq] }),
    index('events_redeploy').on(t.redeployId, t.seq),
  ],
);
