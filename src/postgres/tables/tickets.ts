// Support tickets: what customers ask of the support side, from opening to resolution.
import { index, integer, pgTable, text, uuid } from 'drizzle-orm/pg-core';
import type { TicketKind, TicketState } from '../../model/tickets.ts';
import { moment } from './columns.ts';
import { environments } from './environments.ts';
import { redeploys } from './redeploys.ts';
import { services } from './services.ts';

export const tickets = pgTable(
  'tickets',
  {
    id: uuid('id').primaryKey(),
    environmentId: uuid('environment_id')
      .notNull()
      .references(() => environments.id),
    /** What it is about; null for OTHER about the environment as a whole. */
    serviceId: uuid('service_id').references(() => services.id),
    kind: text('kind').$type<TicketKind>().notNull(),
    state: text('state').$type<TicketState>().notNull().default('OPEN'),
    text: text('text').notNull(),
    /** OVERLAP_PERIOD: the period asked for. */
    overlapSeconds: integer('overlap_seconds'),
    answer: text('answer'),
    /** REDEPLOY, once accepted: the redeploy it led to. */
    redeployId: uuid('redeploy_id').references(() => redeploys.id),
    openedBy: text('opened_by').notNull(),
    openedAt: moment('opened_at').notNull().defaultNow(),
    resolvedBy: text('resolved_by'),
    resolvedAt: moment('resolved_at'),
  },
  (t) => [index('tickets_environment').on(t.environmentId, t.id)],
);
