// The edge of a pod: what holds its public ports, as it was last seen to be.
import { pgTable, uuid } from 'drizzle-orm/pg-core';
import type { AppliedEdge } from '../../model/edge.ts';
import { json, moment } from './columns.ts';
import { pods } from './organizations.ts';

export const edges = pgTable('edges', {
  podId: uuid('pod_id')
    .primaryKey()
    .references(() => pods.id),
  applied: json<AppliedEdge>('applied').notNull(),
  seenAt: moment('seen_at').notNull(),
});
