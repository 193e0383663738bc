// Control planes at work. Each holds an advisory lock under its number for as long as it lives, which is how others
// know within a moment that it died.
import { integer, pgTable, text } from 'drizzle-orm/pg-core';
import { moment } from './columns.ts';

export const replicas = pgTable('replicas', {
  number: integer('number').primaryKey().generatedAlwaysAsIdentity(),
  host: text('host').notNull(),
  startedAt: moment('started_at').notNull().defaultNow(),
});
