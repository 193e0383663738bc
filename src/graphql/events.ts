// The event log as clients see it: one type per kind of thing that happens, by subscription and by query alike.
import type { EventItem } from '../control/event-stream.ts';
import type { EventType, LoggedEvent } from '../model/events.ts';
import { builder } from './builder.ts';
import { checkEvents } from './check-events.ts';
import { dataOf, EventInterface, type Item } from './event.ts';
import { FailureCauseRef } from './failure-cause.ts';
import {
  JobHealthEnum,
  JobStateEnum,
  PhaseNameEnum,
  RedeployStateEnum,
  RotationEnum,
} from './redeploy-enums.ts';
import { plainItems } from './stream.ts';
import { webhookEvents } from './webhook-events.ts';

const event = { interfaces: [EventInterface] };

const PhaseStarted = builder.objectRef<Item>('PhaseStarted').implement({
  ...event,
  description:
    'A phase of a redeploy has begun. Where it makes the service unreachable, the message says so before it does.',
  fields: (t) => ({
    phase: t.field({
      type: PhaseNameEnum,
      description: 'Which phase.',
      resolve: (item) => dataOf(item, 'PHASE_STARTED').phase,
    }),
  }),
});

const PhaseEnded = builder.objectRef<Item>('PhaseEnded').implement({
  ...event,
  description: 'A phase of a redeploy has ended.',
  fields: (t) => ({
    phase: t.field({
      type: PhaseNameEnum,
      description: 'Which phase.',
      resolve: (item) => dataOf(item, 'PHASE_ENDED').phase,
    }),
    succeeded: t.boolean({
      description: 'False when the redeploy failed in it.',
      resolve: (item) => dataOf(item, 'PHASE_ENDED').succeeded,
    }),
  }),
});

const JobChanged = builder.objectRef<Item>('JobChanged').implement({
  ...event,
  description: 'A job moved to another state or health; state and health are those of the moment.',
  fields: (t) => ({
    state: t.field({
      type: JobStateEnum,
      description: 'State it moved to.',
      resolve: (item) => dataOf(item, 'JOB_CHANGED').state,
    }),
    health: t.field({
      type: JobHealthEnum,
      nullable: true,
      description: 'Its health then; null unless it ran.',
      resolve: (item) => dataOf(item, 'JOB_CHANGED').health,
    }),
    exitCode: t.int({
      nullable: true,
      description: 'Its exit code, when it had ended with one.',
      resolve: (item) => dataOf(item, 'JOB_CHANGED').exitCode,
    }),
  }),
});

const ImageProgressRef = builder.objectRef<Item>('ImageProgress').implement({
  ...event,
  description: 'An image is being pulled or made; at most a few a second.',
  fields: (t) => ({
    current: t.float({
      nullable: true,
      description: 'Bytes so far, when known.',
      resolve: (item) => dataOf(item, 'IMAGE_PROGRESS').current,
    }),
    total: t.float({
      nullable: true,
      description: 'Bytes in all, when known.',
      resolve: (item) => dataOf(item, 'IMAGE_PROGRESS').total,
    }),
  }),
});

const RedeployEnded = builder.objectRef<Item>('RedeployEnded').implement({
  ...event,
  description: 'A redeploy has ended. The last event of its progress.',
  fields: (t) => ({
    state: t.field({
      type: RedeployStateEnum,
      description: 'How it ended.',
      resolve: (item) => dataOf(item, 'REDEPLOY_ENDED').state,
    }),
    cause: t.field({
      type: FailureCauseRef,
      nullable: true,
      description: 'Why it did not succeed.',
      resolve: (item) => dataOf(item, 'REDEPLOY_ENDED').cause,
    }),
  }),
});

const VariablesChanged = builder.objectRef<Item>('VariablesChanged').implement({
  ...event,
  description: 'Variables of a service were changed; they take effect with its next redeploy.',
  fields: (t) => ({
    set: t.stringList({
      description: 'Names of those that were set to another value.',
      resolve: (item) => [...dataOf(item, 'VARIABLES_CHANGED').set],
    }),
    unset: t.stringList({
      description: 'Names of those that were unset.',
      resolve: (item) => [...dataOf(item, 'VARIABLES_CHANGED').unset],
    }),
  }),
});

const WorkersChanged = builder.objectRef<Item>('WorkersChanged').implement({
  ...event,
  description: 'Another number of worker jobs is wanted.',
  fields: (t) => ({
    target: t.string({
      description: 'Procfile target.',
      resolve: (item) => dataOf(item, 'WORKERS_CHANGED').target,
    }),
    count: t.int({
      description: 'How many are wanted now.',
      resolve: (item) => dataOf(item, 'WORKERS_CHANGED').count,
    }),
  }),
});

const CodePushed = builder.objectRef<Item>('CodePushed').implement({
  ...event,
  description: 'Code was pushed; its build is the job.',
  fields: (t) => ({
    commit: t.string({
      description: 'SHA of the pushed commit.',
      resolve: (item) => dataOf(item, 'CODE_PUSHED').commit,
    }),
    subject: t.string({
      description: "First line of the commit's message.",
      resolve: (item) => dataOf(item, 'CODE_PUSHED').subject,
    }),
  }),
});

const ServiceUpdated = builder.objectRef<Item>('ServiceUpdated').implement({
  ...event,
  description: 'The spec of a service was changed; it takes effect with its next redeploy.',
  fields: (t) => ({
    fields: t.stringList({
      description: 'Names of the changed fields.',
      resolve: (item) => [...dataOf(item, 'SERVICE_UPDATED').fields],
    }),
  }),
});

const RotationChanged = builder.objectRef<Item>('RotationChanged').implement({
  ...event,
  description:
    'Every running service proxy of the environment has taken over whether requests go to a job. Told after it is so.',
  fields: (t) => ({
    rotation: t.field({
      type: RotationEnum,
      description: 'Where the job stands now.',
      resolve: (item) => dataOf(item, 'ROTATION_CHANGED').rotation,
    }),
    proxies: t.int({
      description: 'How many proxies have it so.',
      resolve: (item) => dataOf(item, 'ROTATION_CHANGED').proxies,
    }),
  }),
});

const MaintenanceChanged = builder.objectRef<Item>('MaintenanceChanged').implement({
  ...event,
  description: 'A code service was put into maintenance or taken out of it; the proxies follow at once.',
  fields: (t) => ({
    enabled: t.boolean({
      description: 'Whether its sites answer 503 with a page.',
      resolve: (item) => dataOf(item, 'MAINTENANCE_CHANGED').enabled,
    }),
  }),
});

const OtherEvent = builder.objectRef<Item>('OtherEvent').implement({
  ...event,
  description:
    'An event that has nothing more to tell than its type, its message and the objects it is about.',
});

const byType: Partial<Record<EventType, typeof OtherEvent>> = {
  PHASE_STARTED: PhaseStarted,
  PHASE_ENDED: PhaseEnded,
  JOB_CHANGED: JobChanged,
  IMAGE_PROGRESS: ImageProgressRef,
  REDEPLOY_ENDED: RedeployEnded,
  VARIABLES_CHANGED: VariablesChanged,
  WORKERS_CHANGED: WorkersChanged,
  CODE_PUSHED: CodePushed,
  SERVICE_UPDATED: ServiceUpdated,
  ROTATION_CHANGED: RotationChanged,
  MAINTENANCE_CHANGED: MaintenanceChanged,
  ...checkEvents,
  ...webhookEvents,
};

export const progressMembers = [
  PhaseStarted,
  PhaseEnded,
  JobChanged,
  ImageProgressRef,
  RotationChanged,
  RedeployEnded,
  OtherEvent,
];
export const eventMembers = [...new Set([...Object.values(byType), OtherEvent])];

export function memberOf(item: EventItem) {
  return item.kind === 'ITEM' ? memberOfEvent(item.item) : plainItems[item.kind];
}

function memberOfEvent({ type }: LoggedEvent) {
  return byType[type] ?? OtherEvent;
}
