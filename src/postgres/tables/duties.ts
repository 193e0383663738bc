// Work that one replica at a time does for the whole installation. Whoever holds a duty keeps it by renewing it.
import { integer, pgTable, text } from 'drizzle-orm/pg-core';
import { moment } from './columns.ts';

export const duties = pgTable('duties', {
  name: text('name').primaryKey(),
  holder: integer('holder').notNull(),
  heldUntil: moment('held_until').notNull(),
});
