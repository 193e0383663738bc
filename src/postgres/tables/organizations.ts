// Organizations own environments; pods are where environments run. One of each to begin with.
import { pgTable, text, uuid } from 'drizzle-orm/pg-core';
import { moment } from './columns.ts';

export const organizations = pgTable('organizations', {
  id: uuid('id').primaryKey(),
  name: text('name').notNull(),
  createdAt: moment('created_at').notNull().defaultNow(),
});

export const pods = pgTable('pods', {
  id: uuid('id').primaryKey(),
  name: text('name').notNull().unique(),
  /** DOCKER today; SWARM will be the second. */
  kind: text('kind').notNull(),
  createdAt: moment('created_at').notNull().defaultNow(),
});

/** One row a fact about the installation: its id on the engine's labels. */
export const installation = pgTable('installation', {
  name: text('name').primaryKey(),
  value: text('value').notNull(),
});
