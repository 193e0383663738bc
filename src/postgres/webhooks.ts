// Rows of webhooks as callers see and change them. How deliveries are taken out of the log and sent is webhook-work.ts's.
import { and, asc, count, desc, eq, inArray, isNull, or, sql } from 'drizzle-orm';
import type { Reader, Transaction } from './open.ts';
import { type PageRequest, pagesByParent } from './pages.ts';
import { environments } from './tables/environments.ts';
import { webhookAttempts, webhookDeliveries, webhookSecrets, webhooks } from './tables/webhooks.ts';
import type { Vault } from './vault.ts';

export type WebhookRow = typeof webhooks.$inferSelect;
export type WebhookPatch = Partial<typeof webhooks.$inferInsert>;
export type DeliveryRow = typeof webhookDeliveries.$inferSelect;
export type AttemptRow = typeof webhookAttempts.$inferSelect;

export async function insertWebhook(tx: Transaction, row: typeof webhooks.$inferInsert): Promise<void> {
  await tx.insert(webhooks).values(row);
}

export function listWebhooksById(reader: Reader, ids: readonly string[]): Promise<WebhookRow[]> {
  return reader
    .select()
    .from(webhooks)
    .where(and(inArray(webhooks.id, [...ids]), isNull(webhooks.deletedAt)));
}

/** Locked: whoever sends to it waits, and so does everybody who changes what it waits for. */
export async function lockWebhook(tx: Transaction, id: string): Promise<WebhookRow | undefined> {
  const living = and(eq(webhooks.id, id), isNull(webhooks.deletedAt));
  const [row] = await tx.select().from(webhooks).where(living).for('update');
  return row;
}

export async function updateWebhook(tx: Transaction, id: string, set: WebhookPatch): Promise<void> {
  const revision = sql`${webhooks.revision} + 1`;
  await tx
    .update(webhooks)
    .set({ ...set, revision })
    .where(eq(webhooks.id, id));
}

/** From where its next deliveries are taken; nothing that its owner has changed. */
export async function moveWebhook(tx: Transaction, id: string, seq: number): Promise<void> {
  await tx.update(webhooks).set({ seq }).where(eq(webhooks.id, id));
}

export async function countWebhooks(reader: Reader, environmentId: string): Promise<number> {
  const living = and(eq(webhooks.environmentId, environmentId), isNull(webhooks.deletedAt));
  const [row] = await reader.select({ count: count() }).from(webhooks).where(living);
  return row?.count ?? 0;
}

const livingPages = {
  table: webhooks,
  key: webhooks.id,
  parent: webhooks.environmentId,
  where: isNull(webhooks.deletedAt),
};

export function pageWebhooks(
  reader: Reader,
  environmentIds: readonly string[],
  request: PageRequest,
): Promise<Map<string, WebhookRow[]>> {
  return pagesByParent(reader, environmentIds, livingPages, request);
}

const deliveryPages = {
  table: webhookDeliveries,
  key: webhookDeliveries.seq,
  parent: webhookDeliveries.webhookId,
  newestFirst: true,
};

export function pageDeliveries(
  reader: Reader,
  webhookIds: readonly string[],
  request: PageRequest,
): Promise<Map<string, DeliveryRow[]>> {
  return pagesByParent(reader, webhookIds, deliveryPages, request);
}

export function listDeliveriesById(reader: Reader, ids: readonly string[]): Promise<DeliveryRow[]> {
  return reader
    .select()
    .from(webhookDeliveries)
    .where(inArray(webhookDeliveries.id, [...ids]));
}

/** By delivery, newest first. */
export async function listAttempts(
  reader: Reader,
  deliveryIds: readonly string[],
): Promise<Map<string, AttemptRow[]>> {
  const rows = await reader
    .select()
    .from(webhookAttempts)
    .where(inArray(webhookAttempts.deliveryId, [...deliveryIds]))
    .orderBy(asc(webhookAttempts.deliveryId), desc(webhookAttempts.number));
  return Map.groupBy(rows, (row) => row.deliveryId);
}

/** Made to wait for now, from their first try on; `ids` or all that wait already. */
export async function dueAgain(tx: Transaction, webhookId: string, ids?: readonly string[]): Promise<void> {
  const which = ids ? inArray(webhookDeliveries.id, [...ids]) : eq(webhookDeliveries.state, 'PENDING');
  await tx
    .update(webhookDeliveries)
    .set({ state: 'PENDING', tries: 0, dueAt: sql`now()`, endedAt: null })
    .where(and(eq(webhookDeliveries.webhookId, webhookId), which));
  await tx.update(webhooks).set({ dueAt: sql`now()` }).where(eq(webhooks.id, webhookId));
}

const valid = or(isNull(webhookSecrets.validUntil), sql`${webhookSecrets.validUntil} > now()`);

/** The present secret from now on; the former one is valid for so many seconds more, and any older one no longer. */
export async function addWebhookSecret(
  tx: Transaction,
  vault: Vault,
  organizationId: string,
  { environmentId, id: webhookId }: Pick<WebhookRow, 'environmentId' | 'id'>,
  secret: { readonly id: string; readonly value: string; readonly overlapSeconds: number },
): Promise<void> {
  const { id, value, overlapSeconds } = secret;
  const own = eq(webhookSecrets.webhookId, webhookId);
  const validUntil = sql`now() + make_interval(secs => ${overlapSeconds})`;
  await tx.delete(webhookSecrets).where(and(own, sql`${webhookSecrets.validUntil} is not null`));
  if (overlapSeconds > 0) await tx.update(webhookSecrets).set({ validUntil }).where(own);
  else await tx.delete(webhookSecrets).where(own);
  const sealed = vault.seal(bindingOf(organizationId, environmentId, webhookId, id), value);
  await tx.insert(webhookSecrets).values({ id, webhookId, ...sealed });
}

/** The valid ones, newest first. */
export async function openWebhookSecrets(reader: Reader, vault: Vault, webhookId: string): Promise<string[]> {
  const rows = await reader
    .select({
      secret: webhookSecrets,
      environmentId: webhooks.environmentId,
      organizationId: environments.organizationId,
    })
    .from(webhookSecrets)
    .innerJoin(webhooks, eq(webhooks.id, webhookSecrets.webhookId))
    .innerJoin(environments, eq(environments.id, webhooks.environmentId))
    .where(and(eq(webhookSecrets.webhookId, webhookId), valid))
    .orderBy(desc(webhookSecrets.id));
  return rows.map(({ secret, environmentId, organizationId }) =>
    vault.open(bindingOf(organizationId, environmentId, webhookId, secret.id), secret),
  );
}

/** Until when the former secret signs too, by webhook. */
export async function listFormerSecretEnds(
  reader: Reader,
  webhookIds: readonly string[],
): Promise<Map<string, Date>> {
  const rows = await reader
    .select({ webhookId: webhookSecrets.webhookId, validUntil: webhookSecrets.validUntil })
    .from(webhookSecrets)
    .where(
      and(inArray(webhookSecrets.webhookId, [...webhookIds]), sql`${webhookSecrets.validUntil} > now()`),
    );
  return new Map(rows.flatMap((row) => (row.validUntil === null ? [] : [[row.webhookId, row.validUntil]])));
}

/** Nothing is sent to it any more; what was sent stays for its time. */
export async function removeWebhook(tx: Transaction, id: string): Promise<void> {
  await tx.delete(webhookSecrets).where(eq(webhookSecrets.webhookId, id));
  const ended = { state: 'FAILED' as const, dueAt: null, endedAt: sql`now()` };
  const waiting = and(eq(webhookDeliveries.webhookId, id), eq(webhookDeliveries.state, 'PENDING'));
  await tx.update(webhookDeliveries).set(ended).where(waiting);
  await tx
    .update(webhooks)
    .set({ deletedAt: sql`now()`, enabled: false, dueAt: null })
    .where(eq(webhooks.id, id));
}

function bindingOf(organizationId: string, environmentId: string, webhookId: string, secretId: string) {
  return { organizationId, environmentId, serviceId: webhookId, name: 'webhook secret', secretId };
}
