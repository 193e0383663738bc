// Webhooks of an environment: where its events are sent, and what is sent again. Signing secrets are made here and shown
// once; the sending itself is the orchestrator's.
import { randomBytes } from 'node:crypto';
import { Conflict, InvalidInput, LimitReached, NotFound } from '../errors.ts';
import { newId } from '../ids.ts';
import type { Caller } from '../model/callers.ts';
import type { EventType } from '../model/events.ts';
import { checkRange } from '../model/rules.ts';
import { checkWebhookUrl, webhookLimits } from '../model/webhooks.ts';
import type { Change } from '../postgres/change.ts';
import {
  addWebhookSecret,
  countWebhooks,
  dueAgain,
  insertWebhook,
  listDeliveriesById,
  listWebhooksById,
  lockWebhook,
  moveWebhook,
  removeWebhook,
  type WebhookRow,
  updateWebhook as writeWebhook,
} from '../postgres/webhooks.ts';
import { type Control, type Mutated, mutate } from './control.ts';
import { readCursor } from './cursors.ts';
import { checkRevision, environmentFor } from './places.ts';

export type WebhookIds = { webhookId: string };
/** `secret` is there the first time only; a repetition with the same idempotency key answers without it. */
export type WithSecret = { webhookId: string; secret: string };

interface WebhookFields {
  readonly url?: string | null | undefined;
  readonly description?: string | null | undefined;
  /** Undefined: as it was; null: all. */
  readonly eventTypes?: readonly EventType[] | null | undefined;
}

export type CreateWebhookInput = WebhookFields & {
  readonly environmentId: string;
  readonly url: string;
  readonly idempotencyKey?: string | null | undefined;
};

/** It is sent what happens from now on, its own making included. */
export function createWebhook(
  control: Control,
  caller: Caller,
  input: CreateWebhookInput,
): Promise<Mutated<WithSecret>> {
  return withSecret((secret) =>
    mutate(control, caller, { name: 'createWebhook', input }, async (change) => {
      const environment = await environmentFor(change, caller, 'MANAGE_ENVIRONMENTS', input.environmentId);
      const { id: environmentId, organizationId } = environment;
      const most = webhookLimits.endpoints;
      const present = await countWebhooks(change.tx, environmentId);
      if (present >= most)
        throw new LimitReached(`An environment has at most ${most} webhooks.`, ['input'], most, present);
      const state = await control.log.state(environmentId);
      const row = { id: newId(), environmentId, ...chosen(control, input), seq: state?.lastSeq ?? 0 };
      await insertWebhook(change.tx, row);
      await addWebhookSecret(change.tx, control.vault, organizationId, row, secret(0));
      tell(change, row, 'WEBHOOK_CREATED', `${caller.tokenName} made a webhook to ${hostOf(row)}.`);
      audit(change, caller, row, 'createWebhook', hostOf(row));
      return { ids: { webhookId: row.id }, environmentId };
    }),
  );
}

export type UpdateWebhookInput = WebhookFields & {
  readonly webhookId: string;
  /** Enabled again it goes on where it stood: what has happened since is sent. */
  readonly enabled?: boolean | null | undefined;
  readonly expectedRevision?: number | null | undefined;
};

export function updateWebhook(
  control: Control,
  caller: Caller,
  input: UpdateWebhookInput,
): Promise<Mutated<WebhookIds>> {
  return mutate(control, caller, { name: 'updateWebhook', input: {} }, async (change) => {
    const before = await webhookFor(change, caller, input.webhookId);
    checkRevision(input.expectedRevision, before.revision);
    const enabled = input.enabled ?? before.enabled;
    const set = { ...chosen(control, input, before), enabled };
    const fields = (Object.keys(set) as (keyof typeof set)[]).filter(
      (field) => JSON.stringify(set[field]) !== JSON.stringify(before[field]),
    );
    if (fields.length === 0) throw new InvalidInput(['input'], 'must change at least one field.');
    const turned = enabled
      ? { disabledReason: null, disabledAt: null, failingSince: null }
      : { disabledReason: 'REQUESTED' as const, disabledAt: new Date() };
    await writeWebhook(change.tx, before.id, { ...set, ...(enabled === before.enabled ? {} : turned) });
    if (enabled && !before.enabled) await dueAgain(change.tx, before.id);
    const message = `${caller.tokenName} changed ${fields.join(', ')} of the webhook to ${hostOf(before)}.`;
    tell(change, before, 'WEBHOOK_UPDATED', message);
    audit(change, caller, before, 'updateWebhook', fields.join(' '));
    return { ids: { webhookId: before.id }, environmentId: before.environmentId };
  });
}

export function deleteWebhook(
  control: Control,
  caller: Caller,
  input: Pick<UpdateWebhookInput, 'webhookId' | 'expectedRevision'>,
): Promise<Mutated<WebhookIds>> {
  return mutate(control, caller, { name: 'deleteWebhook', input: {} }, async (change) => {
    const row = await webhookFor(change, caller, input.webhookId);
    checkRevision(input.expectedRevision, row.revision);
    await removeWebhook(change.tx, row.id);
    tell(change, row, 'WEBHOOK_DELETED', `${caller.tokenName} removed the webhook to ${hostOf(row)}.`);
    audit(change, caller, row, 'deleteWebhook', hostOf(row));
    return { ids: { webhookId: row.id }, environmentId: row.environmentId };
  });
}

export interface RotateWebhookSecretInput {
  readonly webhookId: string;
  /** How long the former secret signs beside the new one. */
  readonly overlapSeconds?: number | null | undefined;
  readonly idempotencyKey?: string | null | undefined;
}

export function rotateWebhookSecret(
  control: Control,
  caller: Caller,
  input: RotateWebhookSecretInput,
): Promise<Mutated<WithSecret>> {
  return withSecret((secret) =>
    mutate(control, caller, { name: 'rotateWebhookSecret', input }, async (change) => {
      const row = await webhookFor(change, caller, input.webhookId);
      const { standard, maximum } = webhookLimits.overlapSeconds;
      const overlap = input.overlapSeconds ?? standard;
      checkRange(overlap, 0, maximum, ['input', 'overlapSeconds'], 'seconds');
      await addWebhookSecret(change.tx, control.vault, caller.organizationId, row, secret(overlap));
      const message = `${caller.tokenName} gave the webhook to ${hostOf(row)} a new secret.`;
      tell(change, row, 'WEBHOOK_SECRET_ROTATED', message);
      audit(change, caller, row, 'rotateWebhookSecret');
      return { ids: { webhookId: row.id }, environmentId: row.environmentId };
    }),
  );
}

/** Everything after a place in the log, in order, whether or not it was sent before. */
export function replayWebhook(
  control: Control,
  caller: Caller,
  input: { readonly webhookId: string; readonly after: string },
): Promise<Mutated<WebhookIds>> {
  return mutate(control, caller, { name: 'replayWebhook', input: {} }, async (change) => {
    const row = await webhookFor(change, caller, input.webhookId);
    refuseDisabled(row, ['input', 'webhookId']);
    const path = ['input', 'after'];
    const after = readCursor(input.after, 'EVENTS', path);
    const state = await control.log.state(row.environmentId);
    if (after.environmentId !== row.environmentId || after.epoch !== state?.epoch)
      throw new InvalidInput(path, "must be a cursor of this environment's events.");
    if (after.seq > row.seq)
      throw new InvalidInput(path, 'must not lie behind what was taken already: that comes by itself.');
    await moveWebhook(change.tx, row.id, after.seq);
    const message = `${caller.tokenName} had events sent again to the webhook to ${hostOf(row)}.`;
    tell(change, row, 'WEBHOOK_REPLAYED', message);
    audit(change, caller, row, 'replayWebhook', String(after.seq));
    return { ids: { webhookId: row.id }, environmentId: row.environmentId };
  });
}

/** One delivery, now and from its first try on. */
export function resendWebhookDelivery(
  control: Control,
  caller: Caller,
  input: { readonly deliveryId: string },
): Promise<Mutated<{ deliveryId: string }>> {
  return mutate(control, caller, { name: 'resendWebhookDelivery', input: {} }, async (change) => {
    const path = ['input', 'deliveryId'];
    const [delivery] = await listDeliveriesById(change.tx, [input.deliveryId]);
    if (delivery === undefined) throw new NotFound('webhookdelivery', path);
    const row = await webhookFor(change, caller, delivery.webhookId, path, 'webhookdelivery');
    refuseDisabled(row, path);
    await dueAgain(change.tx, row.id, [delivery.id]);
    const message = `${caller.tokenName} had one event sent again to the webhook to ${hostOf(row)}.`;
    tell(change, row, 'WEBHOOK_REPLAYED', message);
    audit(change, caller, row, 'resendWebhookDelivery', String(delivery.seq));
    return { ids: { deliveryId: delivery.id }, environmentId: row.environmentId };
  });
}

/** A living webhook, locked after its environment, as everywhere. */
async function webhookFor(
  change: Change,
  caller: Caller,
  id: string,
  path = ['input', 'webhookId'],
  what = 'webhook',
): Promise<WebhookRow> {
  const [found] = await listWebhooksById(change.tx, [id]);
  if (found === undefined) throw new NotFound(what, path);
  await environmentFor(change, caller, 'MANAGE_ENVIRONMENTS', found.environmentId, path, what);
  const row = await lockWebhook(change.tx, id);
  if (row === undefined) throw new NotFound(what, path);
  return row;
}

function refuseDisabled({ id, enabled }: WebhookRow, path: string[]): void {
  if (!enabled)
    throw new Conflict('The webhook is disabled. Enable it first.', path, { type: 'Webhook', id });
}

function chosen(
  { settings }: Control,
  { url, description, eventTypes }: WebhookFields,
  before: Pick<WebhookRow, 'url' | 'description' | 'eventTypes'> = {
    ...{ url: '', description: '', eventTypes: null },
  },
) {
  const path = (field: string) => ['input', field];
  if (eventTypes?.length === 0)
    throw new InvalidInput(path('eventTypes'), 'must name at least one, or be null for all.');
  const most = webhookLimits.descriptionCharacters;
  if (description != null && (description.length > most || /\p{Cc}/u.test(description)))
    throw new InvalidInput(
      path('description'),
      `must be at most ${most} characters, none of them a control.`,
    );
  if (description != null && !description.isWellFormed())
    throw new InvalidInput(path('description'), 'must be well-formed Unicode.');
  const reach = { plain: (settings.webhookNetworks ?? []).length > 0, mail: settings.mail !== undefined };
  return {
    url: url == null ? before.url : checkWebhookUrl(url, reach, path('url')),
    description: description ?? before.description,
    eventTypes: eventTypes === undefined ? before.eventTypes : eventTypes && [...new Set(eventTypes)],
  };
}

/** By the Standard Webhooks specification: 24 to 64 random bytes behind a prefix. */
function newSecret(): string {
  return `whsec_${randomBytes(32).toString('base64')}`;
}

/** The secret goes to the caller beside what is kept of the mutation. */
async function withSecret(
  work: (
    secret: (overlapSeconds: number) => { id: string; value: string; overlapSeconds: number },
  ) => Promise<Mutated<WebhookIds>>,
): Promise<Mutated<WithSecret>> {
  let made = '';
  const { ids, position } = await work((overlapSeconds) => {
    made = newSecret();
    return { id: newId(), value: made, overlapSeconds };
  });
  return { ids: { ...ids, secret: made }, position };
}

/** Of a mail address the part that says to whom. */
function hostOf({ url }: Pick<WebhookRow, 'url'>): string {
  const { protocol, host, pathname } = new URL(url);
  return protocol === 'mailto:' ? pathname : host;
}

function tell<
  T extends
    | 'WEBHOOK_CREATED'
    | 'WEBHOOK_UPDATED'
    | 'WEBHOOK_DELETED'
    | 'WEBHOOK_SECRET_ROTATED'
    | 'WEBHOOK_REPLAYED',
>(
  change: Change,
  { id: webhookId, environmentId }: Pick<WebhookRow, 'id' | 'environmentId'>,
  type: T,
  message: string,
): void {
  change.emit({ environmentId, type, data: { webhookId }, message });
  change.nudge('webhooks');
}

function audit(
  change: Change,
  caller: Caller,
  { id: subjectId, environmentId }: Pick<WebhookRow, 'id' | 'environmentId'>,
  action: string,
  after?: string,
): void {
  change.audit({ caller, action, environmentId, subjectType: 'Webhook', subjectId, after: after ?? null });
}
