// Webhooks and their deliveries: the types and their lists. The mutations are webhook-mutations.ts's.
import { type AttemptRow, deliveriesPage, webhooksPage } from '../control/webhook-loading.ts';
import { isId } from '../ids.ts';
import { deliveryStates, disabledReasons, retrySeconds, webhookLimits } from '../model/webhooks.ts';
import { builder } from './builder.ts';
import { childPage, pageRequest } from './connections.ts';
import { described } from './described.ts';
import { sized } from './environment.ts';
import { EventTypeEnum } from './event-type.ts';
import { loadEach, loaded } from './ids.ts';
import { EnvironmentRef, WebhookDeliveryRef, WebhookRef } from './refs.ts';

const DisabledReasonEnum = builder.enumType('WebhookDisabledReason', {
  description: 'Why nothing is sent to a webhook.',
  values: described(disabledReasons, {
    REQUESTED: 'Somebody has disabled it.',
    GONE: 'Its receiver has answered 410 Gone.',
    EXHAUSTED: 'An event could not be delivered by its last try.',
  }),
});

const DeliveryStateEnum = builder.enumType('WebhookDeliveryState', {
  description: 'How far a delivery is.',
  values: described(deliveryStates, {
    PENDING: 'It waits for its first or next try.',
    SUCCEEDED: 'The receiver has answered with a status from 200 to 299.',
    FAILED: 'It was given up; see its last attempt.',
  }),
});

const AttemptRef = builder.objectRef<AttemptRow>('WebhookAttempt').implement({
  description: 'One try to deliver a message.',
  fields: (t) => ({
    number: t.exposeInt('number', { description: 'From 1 on, over all tries of the delivery.' }),
    startedAt: t.expose('startedAt', { type: 'DateTime', description: 'When it began.' }),
    durationMs: t.exposeInt('durationMs', { description: 'How long it took, in milliseconds.' }),
    status: t.exposeInt('status', {
      nullable: true,
      description: 'HTTP status of the answer; null when there was none.',
    }),
    answer: t.exposeString('answer', {
      description: `The first ${webhookLimits.answerBytes} bytes of the answer's body.`,
    }),
    error: t.exposeString('error', {
      nullable: true,
      description: 'Why it does not count; null when it does.',
    }),
  }),
});

builder.node(WebhookDeliveryRef, {
  description: `One event on its way to one webhook. A try that fails is made again, ${retrySeconds.length + 1} tries over some 52 hours in all.`,
  id: { resolve: (row) => row.id, description: 'Global id.' },
  loadManyWithoutCache: (ids, { loaders }) => loadEach(loaders.webhookDelivery, ids),
  fields: (t) => ({
    webhook: t.field({
      type: WebhookRef,
      description: 'Where it goes.',
      resolve: (row, _args, { loaders }) => loaded(loaders.webhook.load(row.webhookId)),
    }),
    eventType: t.field({
      type: EventTypeEnum,
      nullable: true,
      description: 'What happened; null where events past their retention are told of instead.',
      resolve: ({ eventType }) => (eventType === 'GAP' ? null : eventType),
    }),
    state: t.expose('state', { type: DeliveryStateEnum, description: 'How far it is.' }),
    tries: t.exposeInt('tries', { description: 'Made since it was last asked for.' }),
    nextAttemptAt: t.expose('dueAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it is tried next; null once it has ended.',
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was taken out of the log.' }),
    endedAt: t.expose('endedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it succeeded or was given up.',
    }),
    attempts: t.field({
      type: [AttemptRef],
      description: `Its newest ${webhookLimits.attempts} attempts, newest first.`,
      resolve: async ({ id }, _args, { loaders }) => (await loaders.webhookAttempts.load(id)) ?? [],
    }),
  }),
});

builder.node(WebhookRef, {
  description:
    'Where events of an environment are sent, each as a POST of JSON signed by the Standard Webhooks specification (headers webhook-id, webhook-timestamp, webhook-signature). The body holds type, timestamp and data: cursor, message, global ids of what it is about, and details. An event may come twice with the same webhook-id, and in another order than the log where a try had failed: the cursor tells the order. Visible with the scope `admin`.',
  id: { resolve: (row) => row.id, description: 'Global id.' },
  loadManyWithoutCache: (ids, { loaders }) => loadEach(loaders.webhook, ids),
  fields: (t) => ({
    url: t.exposeString('url', { description: 'Its address.' }),
    description: t.exposeString('description', { description: 'What it is for; may be empty.' }),
    eventTypes: t.field({
      type: [EventTypeEnum],
      nullable: true,
      description: 'Only these are sent; null: all.',
      resolve: ({ eventTypes }) => eventTypes,
    }),
    enabled: t.exposeBoolean('enabled', { description: 'Whether events are sent to it.' }),
    disabledReason: t.expose('disabledReason', {
      type: DisabledReasonEnum,
      nullable: true,
      description: 'Why not; null while it is enabled.',
    }),
    disabledAt: t.expose('disabledAt', {
      type: 'DateTime',
      nullable: true,
      description: 'Since when not; null while it is enabled.',
    }),
    failingSince: t.expose('failingSince', {
      type: 'DateTime',
      nullable: true,
      description: 'Since when every attempt has failed; null when the last one did not.',
    }),
    formerSecretValidUntil: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'Until when messages are signed with the former secret as well; null: with one alone.',
      resolve: ({ id }, _args, { loaders }) => loaders.formerSecretEnd.load(id),
    }),
    revision: t.exposeInt('revision', {
      description: 'Grows with every change; give it as expectedRevision to notice changes of others.',
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was made.' }),
    deliveries: t.connection(
      {
        type: WebhookDeliveryRef,
        description: `Its deliveries, those of the newest events first. Ended ones are kept for ${webhookLimits.keptDays} days, at most ${webhookLimits.kept}.`,
        complexity: sized,
        resolve: (row, args, context, info) =>
          childPage(context, info, row.id, () => {
            const request = pageRequest(args, (key) => /^\d{1,15}$/.test(key));
            const load = (ids: readonly string[]) => deliveriesPage(context.control, ids, request);
            return { request, load, keyOf: ({ seq }) => `${seq}` };
          }),
      },
      { name: 'WebhookDeliveryConnection', description: 'A page of deliveries.' },
      { name: 'WebhookDeliveryEdge', description: 'One delivery in its list.' },
    ),
  }),
});

builder.objectField(EnvironmentRef, 'webhooks', (t) =>
  t.connection(
    {
      type: WebhookRef,
      description: 'Its webhooks, oldest first. Needs the scope `admin`.',
      authScopes: { may: 'MANAGE_ENVIRONMENTS' },
      complexity: sized,
      resolve: (row, args, context, info) =>
        childPage(context, info, row.id, () => {
          const request = pageRequest(args, isId);
          const load = (ids: readonly string[]) => webhooksPage(context.control, ids, request);
          return { request, load, keyOf: ({ id }) => id };
        }),
    },
    { name: 'WebhookConnection', description: 'A page of webhooks.' },
    { name: 'WebhookEdge', description: 'One webhook in its list.' },
  ),
);
