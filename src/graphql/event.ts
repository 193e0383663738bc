// What every event has in common.
import type { EventItem } from '../control/event-stream.ts';
import type { EventData, EventType } from '../model/events.ts';
import { builder } from './builder.ts';
import { EventTypeEnum } from './event-type.ts';
import { JobRef, RedeployRef, ServiceRef } from './refs.ts';

export type Item = Extract<EventItem, { kind: 'ITEM' }>;

/** The item's data, whose shape its type tells. */
export function dataOf<T extends EventType>(item: Item, _type: T): EventData[T] {
  return item.item.data as EventData[T];
}

export const EventInterface = builder.interfaceRef<Item>('Event').implement({
  description:
    'Something that happened, as it was at its moment. The objects it links to are as they are now.',
  fields: (t) => ({
    cursor: t.expose('cursor', { type: 'Cursor', description: 'The place in the log behind this event.' }),
    type: t.field({ type: EventTypeEnum, description: 'What happened.', resolve: ({ item }) => item.type }),
    occurredAt: t.field({ type: 'DateTime', description: 'When.', resolve: ({ item }) => item.occurredAt }),
    message: t.string({ description: 'One sentence for people.', resolve: ({ item }) => item.message }),
    service: t.field({
      type: ServiceRef,
      nullable: true,
      description: 'The service it is about, as it is now; null for events of the environment itself.',
      resolve: ({ item }, _args, { loaders }) =>
        item.serviceId === null ? null : loaders.service.load(item.serviceId),
    }),
    redeploy: t.field({
      type: RedeployRef,
      nullable: true,
      description: 'The redeploy it belongs to, as it is now; null when it belongs to none.',
      resolve: ({ item }, _args, { loaders }) =>
        item.redeployId === null ? null : loaders.redeploy.load(item.redeployId),
    }),
    job: t.field({
      type: JobRef,
      nullable: true,
      description: 'The job it is about, as it is now; null when it is about none.',
      resolve: ({ item }, _args, { loaders }) => (item.jobId === null ? null : loaders.job.load(item.jobId)),
    }),
  }),
});
