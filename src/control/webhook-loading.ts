// Reading webhooks and their deliveries for a caller; see loading.ts. Only who may change them sees them: an address may
// hold a secret of its own.
import { type Caller, may } from '../model/callers.ts';
import type { PageRequest } from '../postgres/pages.ts';
import {
  type AttemptRow,
  type DeliveryRow,
  listAttempts,
  listDeliveriesById,
  listFormerSecretEnds,
  listWebhooksById,
  pageDeliveries,
  pageWebhooks,
  type WebhookRow,
} from '../postgres/webhooks.ts';
import type { Control } from './control.ts';
import { byId, visible } from './loading.ts';

export type { AttemptRow, DeliveryRow, WebhookRow };

type Ids = readonly string[];
type ById<T> = Promise<Map<string, T>>;

export async function loadWebhooks(control: Control, caller: Caller | undefined, ids: Ids): ById<WebhookRow> {
  if (caller === undefined || !may(caller, 'MANAGE_ENVIRONMENTS')) return new Map();
  return byId(await visible(control, caller, await listWebhooksById(control.store.db, ids)));
}

/** Seen with their webhook. */
export async function loadDeliveries(
  control: Control,
  caller: Caller | undefined,
  ids: Ids,
): ById<DeliveryRow> {
  const rows = await listDeliveriesById(control.store.db, ids);
  const seen = await loadWebhooks(control, caller, [...new Set(rows.map(({ webhookId }) => webhookId))]);
  return byId(rows.filter(({ webhookId }) => seen.has(webhookId)));
}

export function webhooksPage(control: Control, environmentIds: Ids, request: PageRequest) {
  return pageWebhooks(control.store.db, environmentIds, request);
}

export function deliveriesPage(control: Control, webhookIds: Ids, request: PageRequest) {
  return pageDeliveries(control.store.db, webhookIds, request);
}

/** By delivery, newest first. */
export function loadAttempts(control: Control, deliveryIds: Ids): ById<AttemptRow[]> {
  return listAttempts(control.store.db, deliveryIds);
}

/** By webhook. */
export function loadFormerSecretEnds(control: Control, webhookIds: Ids): ById<Date> {
  return listFormerSecretEnds(control.store.db, webhookIds);
}
