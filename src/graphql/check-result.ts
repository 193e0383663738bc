// Results of checks: one outcome with its text and its numbers, and their stream by subscription and by query.
import { writeCursor } from '../control/cursors.ts';
import { type LogPage, readPage, streamLog } from '../control/numbered-stream.ts';
import { type ResultItem, type ResultRow, resultSelection } from '../control/result-stream.ts';
import { InvalidInput } from '../errors.ts';
import type { Metric } from '../model/monitoring/observations.ts';
import { builder } from './builder.ts';
import { CheckStateEnum, ResultSourceEnum } from './check-enums.ts';
import { loaded, localId } from './ids.ts';
import { callerOf } from './mutation.ts';
import { CheckRef, CheckResultRef } from './refs.ts';
import { afterOf, plainItems, present, source } from './stream.ts';

const MetricRef = builder.objectRef<Metric>('Metric').implement({
  description: 'A number that a check has measured, with the limits that applied.',
  fields: (t) => ({
    name: t.exposeString('name', { description: 'Its name, the same in every result of a type.' }),
    value: t.exposeFloat('value', { description: 'The number.' }),
    unit: t.exposeString('unit', {
      description: '`ms`, `B`, `%`, `c` for a counter that only grows; empty for a plain number.',
    }),
    warning: t.float({
      nullable: true,
      description: 'From here on WARNING.',
      resolve: ({ warning }) => warning ?? null,
    }),
    critical: t.float({
      nullable: true,
      description: 'From here on CRITICAL.',
      resolve: ({ critical }) => critical ?? null,
    }),
    minimum: t.float({
      nullable: true,
      description: 'The least it can be.',
      resolve: ({ minimum }) => minimum ?? null,
    }),
    maximum: t.float({
      nullable: true,
      description: 'The most it can be.',
      resolve: ({ maximum }) => maximum ?? null,
    }),
  }),
});

CheckResultRef.implement({
  description: 'One outcome of a check. Never changed.',
  fields: (t) => ({
    cursor: t.field({
      type: 'Cursor',
      description: 'The place in the stream of results behind this one.',
      resolve: async (row, _args, { loaders }) => {
        if ('cursor' in row) return row.cursor as string;
        const { environmentId, seq } = row;
        const epoch = await loaded(loaders.resultEpoch.load(environmentId));
        return writeCursor({ environmentId, epoch, seq }, 'RESULTS');
      },
    }),
    check: t.field({
      type: CheckRef,
      description: 'The check, as it is now.',
      resolve: ({ checkId }, _args, { loaders }) => loaded(loaders.check.load(checkId)),
    }),
    state: t.expose('state', { type: CheckStateEnum, description: 'What was seen.' }),
    attempt: t.exposeInt('attempt', {
      description: 'Which one in a row that was not OK, at most the number of attempts; 0 when OK.',
    }),
    hard: t.exposeBoolean('hard', { description: 'Whether it counts: it was seen often enough.' }),
    flapping: t.exposeBoolean('flapping', {
      description: 'Whether the state changed too often lately (Nagios: over 20 % of 21 results) to count.',
    }),
    maintenance: t.exposeBoolean('maintenance', {
      description: 'Made during a redeploy of its service or a planned window: it raises no incident.',
    }),
    source: t.expose('source', { type: ResultSourceEnum, description: 'Who made it.' }),
    output: t.exposeString('output', { description: 'A sentence for people; at most 8,192 characters.' }),
    metrics: t.field({
      type: [MetricRef],
      description: 'What was measured.',
      resolve: ({ metrics }) => metrics,
    }),
    startedAt: t.expose('startedAt', { type: 'DateTime', description: 'When the check began.' }),
    durationMs: t.exposeFloat('durationMs', { description: 'How long it took, in milliseconds.' }),
  }),
});

/** A result brings its cursor along, so that nothing has to be asked for it. */
type Shown = (ResultRow & { readonly cursor: string }) | Exclude<ResultItem, { kind: 'ITEM' }>;

const CheckResultItemRef = builder.unionType('CheckResultItem', {
  description: 'An item of the stream of check results.',
  types: [CheckResultRef, ...Object.values(plainItems)],
  resolveType: (item) => {
    const given = item as Shown;
    return 'kind' in given ? plainItems[given.kind] : CheckResultRef;
  },
});

function shown(item: ResultItem): Shown {
  return item.kind === 'ITEM' ? { ...item.item, cursor: item.cursor } : item;
}

const which = builder.args((t) => ({
  serviceId: t.id({ required: false, description: 'Only those of this service.' }),
  checkId: t.id({ required: false, description: 'Only those of this check.' }),
  states: t.field({ type: [CheckStateEnum], required: false, description: 'Only these states.' }),
}));

builder.subscriptionField('checkResults', (t) =>
  t.field({
    type: CheckResultItemRef,
    description:
      'Log stream of the results of all checks of an environment, in the order they were recorded, each once. Without `after` it starts at now. Completes after the deletion of the environment. Retention: 14 days and 100,000 results an environment at least.',
    authScopes: { may: 'READ' },
    args: {
      environmentId: t.arg.id({ description: 'Which environment.' }),
      ...which,
      after: t.arg({
        type: 'Cursor',
        required: false,
        description: 'Everything after this place, in order, each once; a Gap where that can not be given.',
      }),
    },
    subscribe: async (_root, args, context) => {
      const filter = { ...filterOf(args), after: afterOf(context, args.after) };
      const id = localId('Environment', args.environmentId, ['environmentId']);
      const selection = await resultSelection(context.control, callerOf(context), id, filter, 'NOW');
      return source(context, (signal) => streamLog(selection, signal));
    },
    resolve: (item, _args, context) => shown(present(context, item)),
  }),
);

type ResultPage = LogPage<ResultRow>;

const ResultPageRef = builder.objectRef<ResultPage>('CheckResultPage').implement({
  description: 'A page of the stream of check results, by the same cursors as the subscription.',
  fields: (t) => ({
    items: t.field({
      type: [CheckResultItemRef],
      description: 'Results in order; a Gap where some are missing; CaughtUp at the present end.',
      resolve: ({ items }) => items.map(shown),
    }),
    endCursor: t.expose('endCursor', {
      type: 'Cursor',
      description: 'Where the page ends; give it as `after`.',
    }),
    hasNextPage: t.exposeBoolean('hasNextPage', { description: 'Whether there is more by now.' }),
  }),
});

builder.queryField('checkResults', (t) =>
  t.field({
    type: ResultPageRef,
    description: 'The stream of check results by pages: the same items as the subscription.',
    authScopes: { may: 'READ' },
    args: {
      environmentId: t.arg.id({ description: 'Which environment.' }),
      ...which,
      after: t.arg({
        type: 'Cursor',
        required: false,
        description: 'Results after this place; from the oldest kept when absent.',
      }),
      first: t.arg.int({ description: 'How many at most, 1 to 100, before they are filtered.' }),
    },
    complexity: ({ first }) => ({ field: 1, multiplier: Math.min(100, Math.max(1, first)) }),
    resolve: async (_root, args, context) => {
      const { first } = args;
      if (first < 1 || first > 100) throw new InvalidInput(['first'], 'must be from 1 to 100.');
      const filter = { ...filterOf(args), after: args.after };
      const id = localId('Environment', args.environmentId, ['environmentId']);
      const selection = await resultSelection(context.control, callerOf(context), id, filter, 'FIRST');
      return readPage(selection, first);
    },
  }),
);

interface FilterArguments {
  readonly serviceId?: string | number | null | undefined;
  readonly checkId?: string | number | null | undefined;
  readonly states?: readonly (typeof CheckStateEnum.$inferType)[] | null | undefined;
}

function filterOf({ serviceId, checkId, states }: FilterArguments) {
  return {
    serviceId: serviceId == null ? undefined : localId('Service', String(serviceId), ['serviceId']),
    checkId: checkId == null ? undefined : localId('Check', String(checkId), ['checkId']),
    states: states?.flatMap((state) => (state === 'PENDING' ? [] : [state])),
  };
}
