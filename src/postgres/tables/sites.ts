// Sites, the certificates they are served with, and the answers to an authority's questions while one is being obtained.
import { sql } from 'drizzle-orm';
import { boolean, index, integer, pgTable, primaryKey, text, uniqueIndex, uuid } from 'drizzle-orm/pg-core';
import type { CertificateSource, CertificateState } from '../../model/certificates.ts';
import type { SiteLimits } from '../../model/sites.ts';
import { json, moment } from './columns.ts';
import { environments } from './environments.ts';
import { secrets } from './secrets.ts';
import { services } from './services.ts';

export const certificates = pgTable(
  'certificates',
  {
    id: uuid('id').primaryKey(),
    environmentId: uuid('environment_id')
      .notNull()
      .references(() => environments.id),
    name: text('name').notNull(),
    source: text('source').$type<CertificateSource>().notNull(),
    state: text('state').$type<CertificateState>().notNull(),
    /** Names it is asked for or covers. */
    hosts: json<string[]>('hosts').notNull(),
    /** Chain and key as one PEM text; null until it is obtained. */
    secretId: uuid('secret_id').references(() => secrets.id),
    fingerprint: text('fingerprint'),
    issuer: text('issuer'),
    notBefore: moment('not_before'),
    notAfter: moment('not_after'),
    /** Why the last try to obtain or renew it failed. */
    failure: text('failure'),
    tries: integer('tries').notNull().default(0),
    /** When it is to be obtained or renewed next; null: never. */
    dueAt: moment('due_at'),
    createdAt: moment('created_at').notNull().defaultNow(),
    deletedAt: moment('deleted_at'),
  },
  (t) => [
    index('certificates_environment').on(t.environmentId, t.id),
    index('certificates_due').on(t.dueAt).where(sql`${t.dueAt} is not null`),
  ],
);

export const sites = pgTable(
  'sites',
  {
    id: uuid('id').primaryKey(),
    environmentId: uuid('environment_id')
      .notNull()
      .references(() => environments.id),
    host: text('host').notNull(),
    /** The code service that answers; null: the environment's first one. */
    serviceId: uuid('service_id').references(() => services.id),
    certificateId: uuid('certificate_id').references(() => certificates.id),
    limits: json<SiteLimits>('limits').notNull(),
    corsOrigins: json<string[]>('cors_origins').notNull(),
    /** The environment's own public host name; it can't be removed. */
    own: boolean('own').notNull().default(false),
    revision: integer('revision').notNull().default(1),
    createdAt: moment('created_at').notNull().defaultNow(),
    deletedAt: moment('deleted_at'),
  },
  (t) => [
    uniqueIndex('sites_host').on(t.host).where(sql`${t.deletedAt} is null`),
    index('sites_environment').on(t.environmentId, t.id),
  ],
);

/** ACME HTTP-01: what the proxies of an environment answer with while a certificate is being obtained. */
export const challenges = pgTable(
  'challenges',
  {
    token: text('token').notNull(),
    environmentId: uuid('environment_id')
      .notNull()
      .references(() => environments.id),
    answer: text('answer').notNull(),
    createdAt: moment('created_at').notNull().defaultNow(),
  },
  (t) => [primaryKey({ columns: [t.environmentId, t.token] })],
);
