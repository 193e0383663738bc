// Events about webhooks.
import type { EventType } from '../model/events.ts';
import { builder } from './builder.ts';
import { dataOf, EventInterface, type Item } from './event.ts';
import { WebhookRef } from './refs.ts';

const WebhookChanged = builder.objectRef<Item>('WebhookChanged').implement({
  interfaces: [EventInterface],
  description:
    'A webhook was made, changed, removed or disabled, has a new secret, or is sent events again; its type says which.',
  fields: (t) => ({
    webhook: t.field({
      type: WebhookRef,
      nullable: true,
      description: 'The webhook, as it is now; null when it is gone or the token has not the scope `admin`.',
      resolve: (item, _args, { loaders }) => loaders.webhook.load(dataOf(item, 'WEBHOOK_CREATED').webhookId),
    }),
  }),
});

export const webhookEvents = {
  WEBHOOK_CREATED: WebhookChanged,
  WEBHOOK_UPDATED: WebhookChanged,
  WEBHOOK_DELETED: WebhookChanged,
  WEBHOOK_SECRET_ROTATED: WebhookChanged,
  WEBHOOK_REPLAYED: WebhookChanged,
  WEBHOOK_DISABLED: WebhookChanged,
} satisfies Partial<Record<EventType, unknown>>;
