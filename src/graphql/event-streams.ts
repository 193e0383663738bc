// Streams of the event log: of an environment, of one redeploy, the same by query, and the state streams that it drives.
import {
  type EventItem,
  environmentSelection,
  readEvents,
  redeploySelection,
  type StateSubject,
  serviceSubject,
  streamEventMarks,
  streamEvents,
} from '../control/event-stream.ts';
import { InvalidInput } from '../errors.ts';
import { builder } from './builder.ts';
import { type Context, renewLoaders } from './context.ts';
import { EventTypeEnum } from './event-type.ts';
import { eventMembers, memberOf, progressMembers } from './events.ts';
import { loaded, localId } from './ids.ts';
import { callerOf } from './mutation.ts';
import { EnvironmentRef, ServiceRef } from './refs.ts';
import { afterOf, plainItems, present, source } from './stream.ts';

const plain = Object.values(plainItems);

const EventItemRef = builder.unionType('EventItem', {
  description: 'An item of the stream of an environment.',
  types: [...eventMembers, ...plain],
  resolveType: (item) => memberOf(item as EventItem),
});

const ProgressItemRef = builder.unionType('RedeployProgressItem', {
  description: 'An item of the stream of one redeploy.',
  types: [...progressMembers, ...plain],
  resolveType: (item) => memberOf(item as EventItem),
});

const afterDescription =
  'Everything after this place, in order, each once; a Gap where that can not be given.';

builder.subscriptionField('environmentEvents', (t) =>
  t.field({
    type: EventItemRef,
    description:
      'Log stream of everything that happens in an environment. Without `after` it starts at now. Completes after the deletion of the environment.',
    authScopes: { may: 'READ' },
    args: {
      environmentId: t.arg.id({ description: 'Which environment.' }),
      after: t.arg({ type: 'Cursor', required: false, description: afterDescription }),
      types: t.arg({
        type: [EventTypeEnum],
        required: false,
        description: 'Only these; all when absent. Markers come always.',
      }),
    },
    subscribe: async (_root, args, context) => {
      const id = localId('Environment', args.environmentId, ['environmentId']);
      const subject = await environmentSelection(context.control, callerOf(context), id);
      const types = args.types == null ? {} : { types: args.types };
      const selection = { ...subject, ...types, begin: 'NOW' as const, after: afterOf(context, args.after) };
      return source(context, (signal) => streamEvents(context.control, selection, signal));
    },
    resolve: (item, _args, context) => present(context, item),
  }),
);

builder.subscriptionField('redeployProgress', (t) =>
  t.field({
    type: ProgressItemRef,
    description:
      'Log stream of one redeploy. Without `after` it starts at its beginning. Completes after its end.',
    authScopes: { may: 'READ' },
    args: {
      redeployId: t.arg.id({ description: 'Which redeploy.' }),
      after: t.arg({ type: 'Cursor', required: false, description: afterDescription }),
    },
    subscribe: async (_root, args, context) => {
      const id = localId('Redeploy', args.redeployId, ['redeployId']);
      const subject = await redeploySelection(context.control, callerOf(context), id);
      const selection = { ...subject, begin: 'FIRST' as const, after: afterOf(context, args.after) };
      return source(context, (signal) => streamEvents(context.control, selection, signal));
    },
    resolve: (item, _args, context) => present(context, item),
  }),
);

type EventPage = Awaited<ReturnType<typeof readEvents>>;

const EventPageRef = builder.objectRef<EventPage>('EventPage').implement({
  description: 'A page of the event log, by the same cursors as the subscription.',
  fields: (t) => ({
    items: t.field({
      type: [EventItemRef],
      description: 'Events in order; a Gap where some are missing; CaughtUp at the present end.',
      resolve: ({ items }) => items,
    }),
    endCursor: t.expose('endCursor', {
      type: 'Cursor',
      description: 'Where the page ends; give it as `after`.',
    }),
    hasNextPage: t.exposeBoolean('hasNextPage', { description: 'Whether there is more by now.' }),
  }),
});

builder.queryField('events', (t) =>
  t.field({
    type: EventPageRef,
    description: 'The event log of an environment by pages: the same items as environmentEvents.',
    authScopes: { may: 'READ' },
    args: {
      environmentId: t.arg.id({ description: 'Which environment.' }),
      after: t.arg({
        type: 'Cursor',
        required: false,
        description: 'Events after this place; from the oldest kept when absent.',
      }),
      first: t.arg.int({ description: 'How many at most, 1 to 100.' }),
    },
    complexity: ({ first }) => ({ field: 1, multiplier: Math.min(100, Math.max(1, first)) }),
    resolve: async (_root, { environmentId, after, first }, context) => {
      if (first < 1 || first > 100) throw new InvalidInput(['first'], 'must be from 1 to 100.');
      const id = localId('Environment', environmentId, ['environmentId']);
      const subject = await environmentSelection(context.control, callerOf(context), id);
      return readEvents(context.control, { ...subject, begin: 'FIRST', after }, first);
    },
  }),
);

builder.subscriptionField('environment', (t) =>
  t.field({
    type: EnvironmentRef,
    description:
      'State stream: the environment as it is, then again whenever something in it has happened. Steps may be skipped, a last state never. Completes after its deletion.',
    authScopes: { may: 'READ' },
    args: { id: t.arg.id({ description: 'Which environment.' }) },
    subscribe: async (_root, args, context) => {
      const id = localId('Environment', args.id, ['id']);
      return changes(context, await environmentSelection(context.control, callerOf(context), id), id);
    },
    resolve: (id, _args, context) => {
      renewLoaders(context);
      return loaded(context.loaders.environment.load(id));
    },
  }),
);

builder.subscriptionField('service', (t) =>
  t.field({
    type: ServiceRef,
    description:
      'State stream: the service as it is, then again whenever something about it has happened. Steps may be skipped, a last state never. Completes after its deletion.',
    authScopes: { may: 'READ' },
    args: { id: t.arg.id({ description: 'Which service.' }) },
    subscribe: async (_root, args, context) => {
      const id = localId('Service', args.id, ['id']);
      return changes(context, await serviceSubject(context.control, callerOf(context), id), id);
    },
    resolve: (id, _args, context) => {
      renewLoaders(context);
      return loaded(context.loaders.service.load(id));
    },
  }),
);

function changes(context: Context, subject: StateSubject, id: string) {
  return source(context, async function* (signal) {
    for await (const _position of streamEventMarks(context.control, subject, signal)) yield id;
  });
}
