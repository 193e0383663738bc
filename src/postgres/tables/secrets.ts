// Encrypted values, and the variables that point at them. A secret's row is never changed: a new value is a new row, so
// that the spec copy of a job keeps meaning what it meant.
import { index, pgTable, primaryKey, text, uuid } from 'drizzle-orm/pg-core';
import type { VariableSource } from '../../model/spec.ts';
import { bytea, moment } from './columns.ts';
import { services } from './services.ts';

export const secrets = pgTable(
  'secrets',
  {
    id: uuid('id').primaryKey(),
    serviceId: uuid('service_id')
      .notNull()
      .references(() => services.id),
    name: text('name').notNull(),
    /** Which key-encryption key wrapped the data key. */
    keyId: text('key_id').notNull(),
    wrappedKey: bytea('wrapped_key').notNull(),
    sealed: bytea('sealed').notNull(),
    createdAt: moment('created_at').notNull().defaultNow(),
  },
  (t) => [index('secrets_service').on(t.serviceId, t.name)],
);

export const variables = pgTable(
  'variables',
  {
    serviceId: uuid('service_id')
      .notNull()
      .references(() => services.id),
    name: text('name').notNull(),
    source: text('source').$type<VariableSource>().notNull(),
    secretId: uuid('secret_id')
      .notNull()
      .references(() => secrets.id),
    /** Keyed digest of the value: equal values of an installation have equal digests, and nothing more can be told. */
    digest: text('digest').notNull(),
    updatedAt: moment('updated_at').notNull().defaultNow(),
    updatedBy: text('updated_by').notNull(),
  },
  (t) => [primaryKey({ columns: [t.serviceId, t.name] })],
);
