// The past as graphs and timelines need it: of a check in parts, of a service as availability, of an incident as one story.
import { loadAvailability, loadHistory, type Moment } from '../control/history.ts';
import {
  type Availability,
  type HistoryPoint,
  historyLimits,
  ratioOf,
  worstOf,
} from '../model/monitoring/history.ts';
import { builder } from './builder.ts';
import { CheckStateEnum } from './check-enums.ts';
import { described } from './described.ts';
import { CheckRef, CheckResultRef, IncidentRef, RedeployRef, ServiceRef } from './refs.ts';

const HistoryPointRef = builder.objectRef<HistoryPoint>('CheckHistoryPoint').implement({
  description: 'Results of one part of a period.',
  fields: (t) => ({
    at: t.expose('at', { type: 'DateTime', description: 'When the part begins.' }),
    worst: t.field({
      type: CheckStateEnum,
      description: 'The worst state among its results, soft ones included.',
      resolve: worstOf,
    }),
    results: t.int({
      description: 'How many results there are.',
      resolve: ({ counts }) => Object.values(counts).reduce((sum, count) => sum + count, 0),
    }),
    ok: t.int({ description: 'How many of them are OK.', resolve: ({ counts }) => counts.OK }),
    minimum: t.exposeFloat('minimum', { nullable: true, description: 'Least value of the metric.' }),
    average: t.exposeFloat('average', { nullable: true, description: 'Mean value of the metric.' }),
    maximum: t.exposeFloat('maximum', { nullable: true, description: 'Greatest value of the metric.' }),
  }),
});

const { points } = historyLimits;

builder.objectField(CheckRef, 'history', (t) =>
  t.field({
    type: [HistoryPointRef],
    description: `Its results in so many parts of a period, for state timelines and graphs: parts without a result are left out. At most ${historyLimits.days} days; results are kept for 14 days and 100,000 an environment.`,
    args: {
      from: t.arg({ type: 'DateTime', required: true, description: 'Where the period begins.' }),
      to: t.arg({ type: 'DateTime', required: true, description: 'Where it ends, itself not included.' }),
      points: t.arg.int({ description: `In how many parts, ${points.minimum} to ${points.maximum}.` }),
      metric: t.arg.string({
        required: false,
        description: 'Name of a metric whose values are told; none when absent.',
      }),
    },
    // The database does the work: a part costs about what a field does.
    complexity: (args) => ({
      field: 1,
      multiplier: Math.max(1, Math.ceil(Math.min(points.maximum, args.points) / 10)),
    }),
    resolve: async (row, args, { loaders, control }, { fieldNodes }) => {
      const query = { from: args.from, to: args.to, points: args.points, metric: args.metric ?? undefined };
      const { rows } = loaders.asked(fieldNodes, () => ({
        load: (ids: readonly string[]) => loadHistory(control, ids, query),
      }));
      return (await rows.load(row.id)) ?? [];
    },
  }),
);

const AvailabilityRef = builder.objectRef<Availability>('Availability').implement({
  description:
    'How much of a period a service was well: the time without an open incident that has been CRITICAL. Planned maintenance and redeploys raise no incident.',
  fields: (t) => ({
    from: t.expose('from', {
      type: 'DateTime',
      description: 'From where on it was measured: not before the service was made.',
    }),
    to: t.expose('to', { type: 'DateTime', description: 'Until where it was measured: not beyond now.' }),
    ratio: t.float({
      nullable: true,
      description:
        'From 0 to 1; null where nothing is measured: in sandboxes, and before the service was made.',
      resolve: (seen) => ratioOf(seen) ?? null,
    }),
    downSeconds: t.exposeFloat('downSeconds', {
      description: 'Seconds with such an incident, each counted once.',
    }),
    incidents: t.exposeInt('incidents', { description: 'How many such incidents there were.' }),
  }),
});

builder.objectField(ServiceRef, 'availability', (t) =>
  t.field({
    type: AvailabilityRef,
    description: `Its availability over a period of at most ${historyLimits.days} days.`,
    args: {
      from: t.arg({ type: 'DateTime', required: true, description: 'Where the period begins.' }),
      to: t.arg({ type: 'DateTime', required: true, description: 'Where it ends.' }),
    },
    resolve: async (row, { from, to }, { loaders, control }, { fieldNodes }) => {
      const { rows } = loaders.asked(fieldNodes, () => ({
        load: (ids: readonly string[]) => loadAvailability(control, ids, { from, to }),
      }));
      const seen = await rows.load(row.id);
      return seen ?? { from, to, downSeconds: 0, incidents: 0, measured: false };
    },
  }),
);

const moments = [
  'OPENED',
  'ACKNOWLEDGED',
  'RESOLVED',
  'RESULT',
  'REDEPLOY_REQUESTED',
  'REDEPLOY_ENDED',
] as const;

const MomentKindEnum = builder.enumType('IncidentMomentKind', {
  description: 'What happened at a moment of an incident.',
  values: described(moments, {
    OPENED: 'The incident was opened.',
    ACKNOWLEDGED: 'Somebody took care of it.',
    RESOLVED: 'It was over.',
    RESULT: 'A result with which the state of the check changed, or began to count.',
    REDEPLOY_REQUESTED: 'A redeploy of the service was asked for.',
    REDEPLOY_ENDED: 'A redeploy of the service ended.',
  }),
});

const MomentRef = builder.objectRef<Moment>('IncidentMoment').implement({
  description: 'One moment in the story of an incident.',
  fields: (t) => ({
    kind: t.expose('kind', { type: MomentKindEnum, description: 'What happened.' }),
    at: t.expose('at', { type: 'DateTime', description: 'When.' }),
    result: t.field({
      type: CheckResultRef,
      nullable: true,
      description: 'RESULT: the result.',
      resolve: (moment) => ('result' in moment ? moment.result : null),
    }),
    redeploy: t.field({
      type: RedeployRef,
      nullable: true,
      description: 'REDEPLOY_REQUESTED and REDEPLOY_ENDED: the redeploy, as it is now.',
      resolve: (moment) => ('redeploy' in moment ? moment.redeploy : null),
    }),
  }),
});

builder.objectField(IncidentRef, 'timeline', (t) =>
  t.field({
    type: [MomentRef],
    description:
      'Its story from 15 minutes before it on, oldest first: its own steps, the newest 50 results with which its check changed, and the newest 20 redeploys of its service.',
    complexity: { field: 1, multiplier: 20 },
    resolve: async (row, _args, { loaders }) => (await loaders.timeline.load(row)) ?? [],
  }),
);
