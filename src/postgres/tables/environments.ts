// Environments. A deleted one stays as a row for its history, its namespace freed.
import { sql } from 'drizzle-orm';
import { index, integer, pgTable, text, uniqueIndex, uuid } from 'drizzle-orm/pg-core';
import { moment } from './columns.ts';
import { organizations, pods } from './organizations.ts';

export const environments = pgTable(
  'environments',
  {
    id: uuid('id').primaryKey(),
    organizationId: uuid('organization_id')
      .notNull()
      .references(() => organizations.id),
    podId: uuid('pod_id')
      .notNull()
      .references(() => pods.id),
    name: text('name').notNull(),
    namespace: text('namespace').notNull(),
    kind: text('kind').$type<'SANDBOX' | 'PRODUCTION'>().notNull(),
    /** Its place at the pod's edge; null: not reachable by it. */
    edgeSlot: integer('edge_slot'),
    revision: integer('revision').notNull().default(1),
    createdAt: moment('created_at').notNull().defaultNow(),
    deletionRequestedAt: moment('deletion_requested_at'),
    deletedAt: moment('deleted_at'),
  },
  (t) => [
    uniqueIndex('environments_namespace').on(t.namespace).where(sql`${t.deletedAt} is null`),
    uniqueIndex('environments_edge_slot').on(t.podId, t.edgeSlot).where(sql`${t.deletedAt} is null`),
    index('environments_organization').on(t.organizationId, t.id),
    index('environments_deleting')
      .on(t.id)
      .where(sql`${t.deletionRequestedAt} is not null and ${t.deletedAt} is null`),
  ],
);
