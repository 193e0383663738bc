// Events about checks and incidents, with what they are about to be selected into.
import type { EventType } from '../model/events.ts';
import { builder } from './builder.ts';
import { CheckStateEnum } from './check-enums.ts';
import { dataOf, EventInterface, type Item } from './event.ts';
import { CheckRef, IncidentRef } from './refs.ts';

const event = { interfaces: [EventInterface] };

const CheckStateChanged = builder.objectRef<Item>('CheckStateChanged').implement({
  ...event,
  description: 'A check has reached another hard state, or began or ceased to flap.',
  fields: (t) => ({
    check: t.field({
      type: CheckRef,
      nullable: true,
      description: 'The check, as it is now.',
      resolve: (item, _args, { loaders }) => loaders.check.load(dataOf(item, 'CHECK_STATE_CHANGED').checkId),
    }),
    state: t.field({
      type: CheckStateEnum,
      description: 'The state it reached.',
      resolve: (item) => dataOf(item, 'CHECK_STATE_CHANGED').state,
    }),
    before: t.field({
      type: CheckStateEnum,
      description: 'The state of the result before.',
      resolve: (item) => dataOf(item, 'CHECK_STATE_CHANGED').before,
    }),
    flapping: t.boolean({
      description: 'Whether it flaps.',
      resolve: (item) => dataOf(item, 'CHECK_STATE_CHANGED').flapping,
    }),
  }),
});

const CheckChanged = builder.objectRef<Item>('CheckChanged').implement({
  ...event,
  description: 'A check was made, changed or removed, or is to be run now.',
  fields: (t) => ({
    check: t.field({
      type: CheckRef,
      nullable: true,
      description: 'The check, as it is now.',
      resolve: (item, _args, { loaders }) => loaders.check.load(dataOf(item, 'CHECK_CREATED').checkId),
    }),
  }),
});

const IncidentChanged = builder.objectRef<Item>('IncidentChanged').implement({
  ...event,
  description: 'An incident was opened, acknowledged or resolved; its type says which.',
  fields: (t) => ({
    incident: t.field({
      type: IncidentRef,
      nullable: true,
      description: 'The incident, as it is now.',
      resolve: (item, _args, { loaders }) =>
        loaders.incident.load(dataOf(item, 'INCIDENT_OPENED').incidentId),
    }),
    check: t.field({
      type: CheckRef,
      nullable: true,
      description: 'The check that raised it, as it is now.',
      resolve: (item, _args, { loaders }) => loaders.check.load(dataOf(item, 'INCIDENT_OPENED').checkId),
    }),
  }),
});

export const checkEvents = {
  CHECK_STATE_CHANGED: CheckStateChanged,
  CHECK_CREATED: CheckChanged,
  CHECK_UPDATED: CheckChanged,
  CHECK_DELETED: CheckChanged,
  CHECK_RUN_REQUESTED: CheckChanged,
  INCIDENT_OPENED: IncidentChanged,
  INCIDENT_ACKNOWLEDGED: IncidentChanged,
  INCIDENT_RESOLVED: IncidentChanged,
} satisfies Partial<Record<EventType, unknown>>;
