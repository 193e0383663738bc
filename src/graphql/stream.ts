// Streams as GraphQL sees them: sources that can be ended from outside, the items that every log stream has besides its
// own, and the cursor handed to the transport.
import type { StreamItem } from '../control/numbered-stream.ts';
import { builder } from './builder.ts';
import { type Context, renewLoaders } from './context.ts';

/**
 * A source whose `return()` ends a wait that is under way: an async generator alone would only end after its next item.
 * Pulled by one consumer, one item at a time.
 */
export function source<T>(
  context: Context,
  open: (signal: AbortSignal) => AsyncGenerator<T, void, undefined>,
): AsyncIterableIterator<T> {
  const ended = new AbortController();
  const items = open(AbortSignal.any([context.signal, ended.signal]));
  const done = { value: undefined, done: true as const };
  return {
    next: () => (ended.signal.aborted ? Promise.resolve(done) : items.next()),
    return: async () => {
      ended.abort();
      await items.return(undefined);
      return done;
    },
    throw: async (error: unknown) => {
      ended.abort();
      await items.return(undefined);
      throw error;
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

/** What is answered for one item: fresh loaders, and its cursor for transports that send it along. */
export function present<T extends StreamItem<unknown>>(context: Context, item: T): T {
  renewLoaders(context);
  context.cursor = item.cursor;
  return item;
}

/** What SSE's Last-Event-ID says, else `after` as given: a client that reconnects sends its first document again. */
export function afterOf(context: Context, after: string | null | undefined): string | undefined {
  return context.lastEventId ?? after ?? undefined;
}

type Plain<K extends StreamItem<unknown>['kind']> = Extract<StreamItem<unknown>, { kind: K }>;

const cursor = { type: 'Cursor', description: 'The place in the stream behind this item.' } as const;

export const CaughtUpRef = builder.objectRef<Plain<'CAUGHT_UP'>>('CaughtUp').implement({
  description: 'Everything that had happened was given; what follows is the present. Comes once.',
  fields: (t) => ({ cursor: t.expose('cursor', cursor) }),
});

export const HeartbeatRef = builder.objectRef<Plain<'HEARTBEAT'>>('Heartbeat').implement({
  description: 'Nothing has happened; the stream lives. Comes every 15 s on a quiet stream.',
  fields: (t) => ({ cursor: t.expose('cursor', cursor) }),
});

const GapReasonEnum = builder.enumType('GapReason', {
  description: 'Why items are missing.',
  values: {
    RETENTION: {
      description: 'They are past their retention (7 days and 10,000 events an environment are kept).',
    },
    OTHER_STREAM: { description: 'The cursor is of another stream; this one begins with what it still has.' },
    LOG_RESTARTED: {
      description: 'The log was begun anew since, for example after a restore of the database.',
    },
    LINES_CUT: {
      description:
        'Older lines are not kept: of a running job all but some 30 MB, of an ended one all but its last 1,000.',
    },
    CONTAINER_GONE: {
      description:
        "The job's container was removed by somebody else before its last lines could be kept; what was not given by then is lost.",
    },
  },
});

export const GapRef = builder.objectRef<Plain<'GAP'>>('Gap').implement({
  description:
    'Items that were asked for can not be given: never a silent hole. Read the present state anew.',
  fields: (t) => ({
    cursor: t.expose('cursor', cursor),
    from: t.expose('from', {
      type: 'Cursor',
      nullable: true,
      description: 'Where the missing begins; null for the beginning.',
    }),
    to: t.expose('to', { type: 'Cursor', description: 'Where the missing ends.' }),
    reason: t.expose('reason', { type: GapReasonEnum, description: 'Why they are missing.' }),
  }),
});

export const plainItems = { CAUGHT_UP: CaughtUpRef, HEARTBEAT: HeartbeatRef, GAP: GapRef };
