// Output of jobs: a page of lines by query, and live by subscription with resume.

import type { ShownJob } from '../control/loading.ts';
import { jobForOutput, type LogItem, readOutputPage, streamOutput } from '../control/log-stream.ts';
import { InvalidInput } from '../errors.ts';
import { builder } from './builder.ts';
import type { Context } from './context.ts';
import { loaded, localId } from './ids.ts';
import { callerOf } from './mutation.ts';
import { JobRef } from './refs.ts';
import { afterOf, plainItems, present, source } from './stream.ts';

const OutputStreamEnum = builder.enumType('OutputStream', {
  description: 'Which stream of a process a line was written to.',
  values: {
    STDOUT: { description: 'Standard output; all of a build.' },
    STDERR: { description: 'Standard error.' },
  },
});

const LogLineRef = builder.objectRef<Extract<LogItem, { kind: 'ITEM' }>>('LogLine').implement({
  description: 'One line of output. Values of variables that look secret are shown as [redacted].',
  fields: (t) => ({
    cursor: t.expose('cursor', { type: 'Cursor', description: 'The place behind this line.' }),
    occurredAt: t.field({
      type: 'DateTime',
      description: 'When the engine took it.',
      resolve: ({ item }) => new Date(Number(item.timeNanos / 1_000_000n)),
    }),
    timeNanos: t.string({
      description: 'The same in nanoseconds since 1970, as decimal digits.',
      resolve: ({ item }) => String(item.timeNanos),
    }),
    stream: t.field({
      type: OutputStreamEnum,
      description: 'Where it was written to.',
      resolve: ({ item }) => item.stream,
    }),
    text: t.string({
      description: 'Without line end; at most 16 KiB, then marked as cut.',
      resolve: ({ item }) => item.text,
    }),
    job: t.field({
      type: JobRef,
      description: 'The job that wrote it.',
      resolve: ({ item }, _args, { loaders }) => loaded(loaders.job.load(item.jobId)),
    }),
  }),
});

const members = { ITEM: LogLineRef, ...plainItems };

export const LogItemRef = builder.unionType('LogItem', {
  description: 'An item of a stream of output.',
  types: Object.values(members),
  resolveType: (item) => members[(item as LogItem).kind],
});

type LogPage = Awaited<ReturnType<typeof readOutputPage>>;

export const LogPageRef = builder.objectRef<LogPage>('LogPage').implement({
  description: 'A page of a stream of output, by the same cursors as the subscription.',
  fields: (t) => ({
    items: t.field({
      type: [LogItemRef],
      description: 'Lines, and a Gap where lines are missing.',
      resolve: ({ items }) => items,
    }),
    endCursor: t.expose('endCursor', {
      type: 'Cursor',
      description: 'Where the page ends; give it as `after`.',
    }),
    hasNextPage: t.exposeBoolean('hasNextPage', { description: 'Whether there is more by now.' }),
  }),
});

export async function logPage(
  context: Context,
  { id }: ShownJob,
  first: number,
  after: string | null | undefined,
): Promise<LogPage> {
  if (!Number.isInteger(first) || first < 1 || first > 100)
    throw new InvalidInput(['first'], 'must be from 1 to 100.');
  const job = await jobForOutput(context.control, callerOf(context), id);
  return readOutputPage(context.control, job, after, first);
}

const LogFilter = builder.inputType('LogFilter', {
  description: 'Which lines.',
  fields: (t) => ({ jobId: t.id({ description: 'Lines of this job.' }) }),
});

const after = {
  type: 'Cursor',
  required: false,
  description: 'Lines after this place; from the first that is kept when absent.',
} as const;

async function subscribe(
  context: Context,
  globalId: string,
  path: string[],
  given: string | null | undefined,
) {
  const { control } = context;
  const job = await jobForOutput(control, callerOf(context), localId('Job', globalId, path), path);
  return source(context, (signal) => streamOutput(control, job.id, afterOf(context, given), signal));
}

builder.subscriptionField('logs', (t) =>
  t.field({
    type: LogItemRef,
    description:
      'Log stream of the output of a job, live; completes when the job has ended and every line was given.',
    authScopes: { may: 'READ' },
    args: {
      environmentId: t.arg.id({ description: "The job's environment." }),
      filter: t.arg({ type: LogFilter, description: 'Which job.' }),
      after: t.arg(after),
    },
    subscribe: async (_root, args, context) => {
      const environmentId = localId('Environment', args.environmentId, ['environmentId']);
      const path = ['filter', 'jobId'];
      const job = await jobForOutput(
        context.control,
        callerOf(context),
        localId('Job', args.filter.jobId, path),
        path,
      );
      if (job.environmentId !== environmentId)
        throw new InvalidInput(path, 'is a job of another environment.');
      return subscribe(context, args.filter.jobId, path, args.after);
    },
    resolve: (item, _args, context) => present(context, item),
  }),
);

builder.subscriptionField('buildLog', (t) =>
  t.field({
    type: LogItemRef,
    description: 'Log stream of a build, live; completes when the build has ended and every line was given.',
    authScopes: { may: 'READ' },
    args: { jobId: t.arg.id({ description: 'The build job.' }), after: t.arg(after) },
    subscribe: (_root, args, context) => subscribe(context, args.jobId, ['jobId'], args.after),
    resolve: (item, _args, context) => present(context, item),
  }),
);
