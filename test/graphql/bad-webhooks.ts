// What the mutations of webhooks must refuse.
import { type BadInput, badKeys } from './bad-input.ts';

const v = 'ValidationError';
const conflict = 'ConflictError';
const url = 'https://hooks.example.org/berth';
const made = (o: { Environment: string }, more: object = {}) => ({
  ...{ environmentId: o.Environment, url },
  ...more,
});

const badUrls = [
  ...['', 'hooks.example.org', '/hook', 'ftp://example.org/', 'http://example.org/'],
  ...['https://a:b@example.org/', 'https://example.org/#part', 'https://exämple.org/', 'https://a.b:0/'],
  `https://example.org/${'x'.repeat(2_000)}`,
];

/** Ways to say the common fields wrongly. */
function fieldCases(base: (o: { Environment: string; Webhook: string }) => object): BadInput[] {
  const wrong: [string, object][] = [
    ...badUrls.map((each): [string, object] => ['url', { url: each }]),
    ['description', { description: 'x'.repeat(201) }],
    ['description', { description: 'a\nb' }],
    ['eventTypes', { eventTypes: [] }],
  ];
  return wrong.map(([field, more]): BadInput => [v, field, (o) => ({ ...base(o), ...more })]);
}

export const badWebhooks: Readonly<Record<string, readonly BadInput[]>> = {
  createWebhook: [
    ...fieldCases((o) => made(o)),
    [conflict, 'environmentId', (o) => made({ Environment: o.doomed.Environment })],
    ...badKeys((o, idempotencyKey) => made(o, { idempotencyKey })),
  ],
  updateWebhook: [
    ...fieldCases((o) => ({ webhookId: o.Webhook })),
    [v, '', (o) => ({ webhookId: o.Webhook })],
    [v, '', (o) => ({ webhookId: o.Webhook, enabled: true })],
    ['StalePlanError', 'expectedRevision', (o) => ({ webhookId: o.Webhook, url, expectedRevision: 99 })],
    [conflict, 'webhookId', (o) => ({ webhookId: o.doomed.Webhook, url })],
  ],
  deleteWebhook: [
    ['StalePlanError', 'expectedRevision', (o) => ({ webhookId: o.Webhook, expectedRevision: 99 })],
    [conflict, 'webhookId', (o) => ({ webhookId: o.doomed.Webhook })],
  ],
  rotateWebhookSecret: [
    ...[-1, 604_801].map(
      (overlapSeconds): BadInput => [v, 'overlapSeconds', (o) => ({ webhookId: o.Webhook, overlapSeconds })],
    ),
    [conflict, 'webhookId', (o) => ({ webhookId: o.doomed.Webhook })],
    ...badKeys((o, idempotencyKey) => ({ webhookId: o.Webhook, idempotencyKey })),
  ],
  replayWebhook: [
    [v, 'after', (o) => ({ webhookId: o.Webhook, after: 'no cursor' })],
    [conflict, 'webhookId', (o) => ({ webhookId: o.disabledWebhook, after: 'no cursor' })],
  ],
  resendWebhookDelivery: [[conflict, 'deliveryId', (o) => ({ deliveryId: o.heldDelivery })]],
};
