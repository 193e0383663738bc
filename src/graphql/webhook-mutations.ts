// The mutations of webhooks.
import * as control from '../control/webhooks.ts';
import { webhookLimits } from '../model/webhooks.ts';
import { builder } from './builder.ts';
import { EventTypeEnum } from './event-type.ts';
import { writeGlobalId } from './global-id.ts';
import { loaded, localId } from './ids.ts';
import { mutation, type Payload } from './mutation.ts';
import { WebhookDeliveryRef, WebhookRef } from './refs.ts';

const at = (field: string) => ['input', field];
const webhookId = (id: string | number) => localId('Webhook', String(id), at('webhookId'));
const { overlapSeconds } = webhookLimits;

const urlRule = `https, up to ${webhookLimits.urlCharacters} ASCII characters, without user and password. Its host is looked up at each try, and addresses that are not public are refused unless the operator has named their network. Or mailto: and one mail address, where the operator has named a mail server: each event is sent as an e-mail, which is not signed.`;

function webhookPayload(name: string, description: string) {
  return builder.objectRef<Payload>(name).implement({
    description,
    fields: (t) => ({
      webhook: t.field({
        type: WebhookRef,
        description: 'The webhook as it is now.',
        resolve: ({ ids }, _args, { loaders }) => loaded(loaders.webhook.load(ids.webhookId ?? '')),
      }),
    }),
  });
}

function secretPayload(name: string, description: string) {
  const payload = webhookPayload(name, description);
  builder.objectField(payload, 'secret', (t) =>
    t.string({
      nullable: true,
      description:
        'What messages are signed with, whsec_ and base64. Shown this once; null when an idempotency key was repeated.',
      resolve: ({ ids }) => ids.secret || null,
    }),
  );
  return payload;
}

mutation({
  name: 'createWebhook',
  description: `Makes a webhook, which is sent everything that happens from now on. At most ${webhookLimits.endpoints} an environment. Needs the scope \`admin\`.`,
  input: builder.inputType('CreateWebhookInput', {
    description: 'A new webhook.',
    fields: (t) => ({
      environmentId: t.id({ description: 'Whose events.' }),
      url: t.string({ description: `Where to: ${urlRule}` }),
      description: t.string({
        required: false,
        description: `What it is for, up to ${webhookLimits.descriptionCharacters} characters.`,
      }),
      eventTypes: t.field({
        type: [EventTypeEnum],
        required: false,
        description: 'Only these; all when absent or null.',
      }),
      idempotencyKey: t.string({ required: false, description: 'The same key has one effect.' }),
    }),
  }),
  payload: secretPayload('CreateWebhookPayload', 'The new webhook.'),
  run: (room, caller, input) =>
    control.createWebhook(room, caller, {
      ...input,
      environmentId: localId('Environment', String(input.environmentId), at('environmentId')),
    }),
});

mutation({
  name: 'updateWebhook',
  description:
    'Changes, disables or enables a webhook. Enabled again it goes on where it stood: what has happened meanwhile is sent. Needs the scope `admin`.',
  input: builder.inputType('UpdateWebhookInput', {
    description: 'What of a webhook is to be another. Absent fields keep their value.',
    fields: (t) => ({
      webhookId: t.id({ description: 'Which webhook.' }),
      url: t.string({ required: false, description: `Where to: ${urlRule}` }),
      description: t.string({
        required: false,
        description: `What it is for, up to ${webhookLimits.descriptionCharacters} characters.`,
      }),
      eventTypes: t.field({ type: [EventTypeEnum], required: false, description: 'Only these; null: all.' }),
      enabled: t.boolean({ required: false, description: 'False: nothing is sent.' }),
      expectedRevision: t.int({
        required: false,
        description: 'Refused as stale when its revision is another.',
      }),
    }),
  }),
  payload: webhookPayload('UpdateWebhookPayload', 'The changed webhook.'),
  run: (room, caller, input) =>
    control.updateWebhook(room, caller, { ...input, webhookId: webhookId(input.webhookId) }),
});

mutation({
  name: 'deleteWebhook',
  description:
    'Removes a webhook with its secrets. What waits is not sent any more. Needs the scope `admin`.',
  input: builder.inputType('DeleteWebhookInput', {
    description: 'A webhook to remove.',
    fields: (t) => ({
      webhookId: t.id({ description: 'Which webhook.' }),
      expectedRevision: t.int({
        required: false,
        description: 'Refused as stale when its revision is another.',
      }),
    }),
  }),
  payload: builder.objectRef<Payload>('DeleteWebhookPayload').implement({
    description: 'The webhook is gone.',
    fields: (t) => ({
      deletedId: t.id({
        description: 'The global id that it had.',
        resolve: ({ ids }) => writeGlobalId('Webhook', ids.webhookId ?? ''),
      }),
    }),
  }),
  run: (room, caller, input) =>
    control.deleteWebhook(room, caller, { ...input, webhookId: webhookId(input.webhookId) }),
});

mutation({
  name: 'rotateWebhookSecret',
  description:
    'Gives a webhook a new secret. For a while messages are signed with both, so that receivers can change at their own time. Needs the scope `admin`.',
  input: builder.inputType('RotateWebhookSecretInput', {
    description: 'A webhook that is to sign with a new secret.',
    fields: (t) => ({
      webhookId: t.id({ description: 'Which webhook.' }),
      overlapSeconds: t.int({
        required: false,
        description: `How long the former secret signs too, 0 to ${overlapSeconds.maximum}; ${overlapSeconds.standard} by default. One before it ends at once.`,
      }),
      idempotencyKey: t.string({ required: false, description: 'The same key has one effect.' }),
    }),
  }),
  payload: secretPayload('RotateWebhookSecretPayload', 'The webhook with its new secret.'),
  run: (room, caller, input) =>
    control.rotateWebhookSecret(room, caller, { ...input, webhookId: webhookId(input.webhookId) }),
});

mutation({
  name: 'replayWebhook',
  description:
    'Sends everything after a place in the log again, in order and with the same ids. CONFLICT while the webhook is disabled. Needs the scope `admin`.',
  input: builder.inputType('ReplayWebhookInput', {
    description: 'From where events are sent again.',
    fields: (t) => ({
      webhookId: t.id({ description: 'Which webhook.' }),
      after: t.field({
        type: 'Cursor',
        required: true,
        description: "Cursor of the environment's events, from a stream, a page or a message.",
      }),
    }),
  }),
  payload: webhookPayload('ReplayWebhookPayload', 'The webhook.'),
  run: (room, caller, input) =>
    control.replayWebhook(room, caller, { ...input, webhookId: webhookId(input.webhookId) }),
});

mutation({
  name: 'resendWebhookDelivery',
  description:
    'Sends one message now, with the same id and from its first try on. CONFLICT while the webhook is disabled. Needs the scope `admin`.',
  input: builder.inputType('ResendWebhookDeliveryInput', {
    description: 'A delivery to make again.',
    fields: (t) => ({ deliveryId: t.id({ description: 'Which delivery.' }) }),
  }),
  payload: builder.objectRef<Payload>('ResendWebhookDeliveryPayload').implement({
    description: 'The delivery.',
    fields: (t) => ({
      delivery: t.field({
        type: WebhookDeliveryRef,
        description: 'The delivery as it is now.',
        resolve: ({ ids }, _args, { loaders }) => loaded(loaders.webhookDelivery.load(ids.deliveryId ?? '')),
      }),
    }),
  }),
  run: (room, caller, input) =>
    control.resendWebhookDelivery(room, caller, {
      deliveryId: localId('WebhookDelivery', String(input.deliveryId), at('deliveryId')),
    }),
});
