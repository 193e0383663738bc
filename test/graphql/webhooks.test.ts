// Webhooks as clients see them: made with a secret that is shown once and stands nowhere else in the clear, listed with their
// deliveries and attempts in a bounded number of statements, and by nobody without the scope for it.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { webhookAttempts } from '../../src/postgres/tables/webhooks.ts';
import { type Api, localIdOf, openApi } from '../support/api.ts';
import { type Furnished, furnish } from '../support/furnish.ts';

let api: Api;
let own: Furnished;

beforeAll(async () => {
  api = await openApi();
  own = await furnish(api.control, api.admin, 'own');
});

afterAll(() => api.close());

const create = `mutation ($input: CreateWebhookInput!) { createWebhook(input: $input) { __typename
  ... on CreateWebhookPayload { secret cursor webhook { id url enabled eventTypes revision formerSecretValidUntil } }
  ... on UserError { code path message } } }`;

test('a secret is shown once, and is nowhere in the clear', async () => {
  const input = {
    ...{
      environmentId: own.Environment,
      url: 'https://hooks.example.org/in?key=in-the-address',
      eventTypes: ['INCIDENT_OPENED'],
    },
    idempotencyKey: 'once',
  };
  const first = await api.run(create, { input });
  const { secret, webhook } = first.data.createWebhook;
  expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
  expect(webhook).toMatchObject({
    enabled: true,
    eventTypes: ['INCIDENT_OPENED'],
    formerSecretValidUntil: null,
  });
  const again = await api.run(create, { input });
  expect(again.data.createWebhook).toMatchObject({ secret: null, webhook: { id: webhook.id } });
  const bare = secret.slice('whsec_'.length);
  const bytes = Buffer.from(bare, 'base64');
  const audited = await api.control.store
    .raw`select * from audit where subject_id = ${localIdOf(webhook.id)}`;
  expect(audited).toHaveLength(1);
  expect(JSON.stringify(audited)).not.toContain('in-the-address');
  const dump = await api.dump();
  for (const form of [bare, bytes.toString('hex'), bytes.toString('base64url')])
    expect(dump).not.toContain(form);
  const rotated = await api.run(
    `mutation ($input: RotateWebhookSecretInput!) { rotateWebhookSecret(input: $input) { __typename
      ... on RotateWebhookSecretPayload { secret webhook { formerSecretValidUntil } } } }`,
    { input: { webhookId: webhook.id } },
  );
  expect(rotated.data.rotateWebhookSecret.secret).not.toBe(secret);
  expect(Date.parse(rotated.data.rotateWebhookSecret.webhook.formerSecretValidUntil)).toBeGreaterThan(
    Date.now(),
  );
});

test('an environment has at most twenty', async () => {
  const made = await furnish(api.control, api.admin, 'many');
  const input = { environmentId: made.Environment, url: 'https://hooks.example.org/' };
  for (let n = 0; n < 18; n++) await api.run(create, { input });
  const { data } = await api.run(create, { input });
  expect(data.createWebhook).toMatchObject({ __typename: 'LimitError', code: 'LIMIT', path: ['input'] });
});

const list = `query ($id: ID!) { node(id: $id) { ... on Environment { webhooks(first: 20) { nodes { url
  deliveries(first: 5) { nodes { id eventType state tries nextAttemptAt webhook { id }
    attempts { number status answer error durationMs } } } } } } } }`;

test('webhooks with their deliveries and attempts are read in few statements, by administrators alone', async () => {
  const deliveryId = localIdOf(own.WebhookDelivery);
  const made = { deliveryId, startedAt: new Date(), durationMs: 12, status: 500, answer: 'no', error: 'bad' };
  await api.control.store.db.insert(webhookAttempts).values([
    { ...made, number: 1 },
    { ...made, number: 2, status: 204, error: null },
  ]);
  api.statements.length = 0;
  const { data, errors } = await api.run(list, { id: own.Environment });
  expect(errors).toEqual([]);
  expect(api.statements.length).toBeLessThan(12);
  const all = data.node.webhooks.nodes.flatMap(
    (each: { deliveries: { nodes: object[] } }) => each.deliveries.nodes,
  );
  expect(all).toContainEqual({
    ...{ id: own.WebhookDelivery, eventType: 'ENVIRONMENT_CREATED', state: 'SUCCEEDED', tries: 0 },
    ...{ nextAttemptAt: null, webhook: { id: own.Webhook } },
    attempts: [
      { number: 2, status: 204, answer: 'no', error: null, durationMs: 12 },
      { number: 1, status: 500, answer: 'no', error: 'bad', durationMs: 12 },
    ],
  });
  const { caller } = await api.world.addToken({ scopes: ['read', 'deploy'] });
  const refused = await api.run(list, { id: own.Environment }, caller);
  expect(refused.errors[0]?.extensions.code ?? refused.errors[0]).toBe('FORBIDDEN');
});

test('events tell of webhooks, and of which to administrators alone', async () => {
  const document = `query ($id: ID!) { events(environmentId: $id, first: 100) { items {
    ... on WebhookChanged { type message webhook { id } } } } }`;
  const seenBy = async (who = api.admin) => {
    const { data } = await api.run(document, { id: own.Environment }, who);
    return data.events.items.filter((each: { type?: string }) => each.type !== undefined);
  };
  expect(await seenBy()).toContainEqual({
    ...{ type: 'WEBHOOK_CREATED', webhook: { id: expect.any(String) } },
    message: expect.stringMatching(/made a webhook to hooks\.example\.org\.$/),
  });
  const { caller } = await api.world.addToken({ scopes: ['read'] });
  expect((await seenBy(caller)).every(({ webhook }: { webhook: unknown }) => webhook === null)).toBe(true);
});
