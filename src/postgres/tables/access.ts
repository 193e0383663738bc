// Tokens, idempotency keys and the audit chain.
import { bigint, boolean, index, pgTable, primaryKey, text, uuid } from 'drizzle-orm/pg-core';
import type { Scope } from '../../model/callers.ts';
import { json, moment } from './columns.ts';
import { organizations } from './organizations.ts';

export const tokens = pgTable('tokens', {
  id: uuid('id').primaryKey(),
  organizationId: uuid('organization_id')
    .notNull()
    .references(() => organizations.id),
  environmentId: uuid('environment_id'),
  name: text('name').notNull(),
  /** SHA-256 of the token, hexadecimal; the token itself is shown once and kept nowhere. */
  hash: text('hash').notNull().unique(),
  scopes: text('scopes').$type<Scope>().array().notNull(),
  operator: boolean('operator').notNull().default(false),
  createdAt: moment('created_at').notNull().defaultNow(),
  createdBy: text('created_by').notNull(),
  expiresAt: moment('expires_at'),
  lastUsedAt: moment('last_used_at'),
  revokedAt: moment('revoked_at'),
});

export const idempotencyKeys = pgTable(
  'idempotency_keys',
  {
    organizationId: uuid('organization_id').notNull(),
    tokenId: uuid('token_id').notNull(),
    mutation: text('mutation').notNull(),
    key: text('key').notNull(),
    bodyDigest: text('body_digest').notNull(),
    /** What the first call answered: ids and cursor, never a secret. */
    result: json<Record<string, string>>('result'),
    createdAt: moment('created_at').notNull().defaultNow(),
  },
  (t) => [primaryKey({ columns: [t.tokenId, t.mutation, t.key] }), index('idempotency_age').on(t.createdAt)],
);

export const auditHeads = pgTable('audit_heads', {
  organizationId: uuid('organization_id').primaryKey(),
  seq: bigint('seq', { mode: 'number' }).notNull().default(0),
  hash: text('hash').notNull(),
});

export const audit = pgTable(
  'audit',
  {
    organizationId: uuid('organization_id').notNull(),
    seq: bigint('seq', { mode: 'number' }).notNull(),
    environmentId: uuid('environment_id'),
    tokenId: uuid('token_id').notNull(),
    actor: text('actor').notNull(),
    address: text('address'),
    action: text('action').notNull(),
    subjectType: text('subject_type').notNull(),
    subjectId: text('subject_id').notNull(),
    outcome: text('outcome').notNull(),
    before: text('before'),
    after: text('after'),
    occurredAt: moment('occurred_at').notNull(),
    previousHash: text('previous_hash').notNull(),
    hash: text('hash').notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.organizationId, t.seq] }),
    index('audit_environment').on(t.environmentId, t.seq),
  ],
);
