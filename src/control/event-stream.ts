// Log streams of events: everything after a cursor, in order, each once; a Gap where that can't be given; CaughtUp where
// the past ends; a Heartbeat with the cursor while nothing happens. Pulled: the next item is made when it is asked for.
import { NotFound } from '../errors.ts';
import { authorise, type Caller } from '../model/callers.ts';
import type { EventType, LoggedEvent, Position } from '../model/events.ts';
import { listEnvironmentsById } from '../postgres/environments.ts';
import { type EventLog, positionOf, type StreamState } from '../postgres/event-log.ts';
import { listRedeploysById } from '../postgres/redeploys.ts';
import type { Control } from './control.ts';
import { readCursor, writeCursor } from './cursors.ts';
import { placeOf } from './visibility.ts';

export type GapReason = 'RETENTION' | 'OTHER_STREAM' | 'LOG_RESTARTED' | 'LINES_CUT' | 'CONTAINER_GONE';

export type StreamItem<T> =
  | { readonly kind: 'ITEM'; readonly cursor: string; readonly item: T }
  | { readonly kind: 'CAUGHT_UP'; readonly cursor: string }
  | { readonly kind: 'HEARTBEAT'; readonly cursor: string }
  | {
      readonly kind: 'GAP';
      readonly cursor: string;
      readonly from: string | null;
      readonly to: string;
      readonly reason: GapReason;
    };

export type EventItem = StreamItem<LoggedEvent>;

const batch = 200;
export const heartbeatMs = 15_000;

export interface EventSelection {
  readonly environmentId: string;
  readonly redeployId?: string;
  readonly types?: readonly EventType[];
  readonly after?: string | null | undefined;
  /** Where to begin without `after`. */
  readonly begin: 'NOW' | 'FIRST';
  /** Whether the subject has ended, so that nothing can follow what is in the log. */
  readonly ended: () => Promise<boolean>;
}

/** The caller's right is checked before the first item; a revoked one ends the stream from outside, by the signal. */
export async function* streamEvents(
  control: Control,
  selection: EventSelection,
  signal: AbortSignal,
): AsyncGenerator<EventItem, void, undefined> {
  const { log } = control;
  const { environmentId, redeployId } = selection;
  const state = await stateOf(log, environmentId);
  const following = log.follow(environmentId);
  try {
    const start = startOf(selection, state);
    let { seq } = start;
    let caughtUp = false;
    let fromItsRequest = redeployId !== undefined && selection.after == null;
    let sureOfEnd = false;
    let quietSince = performance.now();
    if (start.gap !== undefined) yield start.gap;
    const place = (at: number) => writeCursor(positionOf(environmentId, state, at));
    while (!signal.aborted) {
      // Asked before reading: what ends the subject is in the log before it shows as ended.
      const ended = caughtUp ? false : await selection.ended();
      const fromTable = ended || fromItsRequest || sureOfEnd;
      const events = await log.read(environmentId, seq, batch, { redeployId, fromTable });
      if (fromItsRequest && events[0]?.type !== 'REDEPLOY_REQUESTED')
        yield gapTo(environmentId, state, null, events[0] === undefined ? seq : events[0].seq - 1);
      fromItsRequest = false;
      for (const event of events) {
        const wanted = selection.types === undefined || selection.types.includes(event.type);
        if (redeployId === undefined && event.seq !== seq + 1)
          yield gapTo(environmentId, state, seq, event.seq - 1);
        seq = event.seq;
        if (wanted) yield { kind: 'ITEM', cursor: place(seq), item: event };
        if (wanted) quietSince = performance.now();
        if (signal.aborted || isLast(event, selection)) return;
      }
      if (events.length === batch) continue;
      // The window may still be filling: what was there when the stream began is in the table at least.
      if (!caughtUp && !fromTable && seq < state.lastSeq) {
        sureOfEnd = true;
        continue;
      }
      sureOfEnd = false;
      if (!caughtUp) {
        caughtUp = true;
        yield { kind: 'CAUGHT_UP', cursor: place(seq) };
        if (ended) return;
        continue;
      }
      const quietMs = performance.now() - quietSince;
      if (quietMs >= heartbeatMs) {
        quietSince = performance.now();
        yield { kind: 'HEARTBEAT', cursor: place(seq) };
        continue;
      }
      const more = await following.wait(seq, heartbeatMs - quietMs, signal);
      // A stream of one redeploy passes over the events of others: its place moves on so that it needn't look again.
      if (more && redeployId !== undefined) seq = await passOver(control, selection, seq);
    }
  } finally {
    following.release();
  }
}

/** Of one redeploy: the place before the first event that belongs to it, or the newest there is. */
async function passOver({ log }: Control, selection: EventSelection, seq: number): Promise<number> {
  const { environmentId, redeployId } = selection;
  const newest = await log.read(environmentId, seq, 1_000);
  const own = newest.find((event) => event.redeployId === redeployId);
  return own === undefined ? (newest.at(-1)?.seq ?? seq) : own.seq - 1;
}

function isLast(event: LoggedEvent, selection: EventSelection): boolean {
  return (
    event.type === 'ENVIRONMENT_DELETED' ||
    (selection.redeployId !== undefined && event.type === 'REDEPLOY_ENDED')
  );
}

async function stateOf(log: EventLog, environmentId: string): Promise<StreamState> {
  const state = await log.state(environmentId);
  if (state === undefined) throw new NotFound('environment', ['environmentId']);
  return state;
}

function startOf(selection: EventSelection, state: StreamState): { seq: number; gap?: EventItem } {
  const { environmentId, after, begin } = selection;
  if (after == null) return { seq: begin === 'NOW' ? state.lastSeq : state.firstSeq - 1 };
  const given = readCursor(after);
  const to = writeCursor(positionOf(environmentId, state, state.firstSeq - 1));
  const gap = (reason: GapReason): EventItem => ({ kind: 'GAP', cursor: to, from: after, to, reason });
  if (given.environmentId !== environmentId) return { seq: state.firstSeq - 1, gap: gap('OTHER_STREAM') };
  if (given.epoch !== state.epoch || given.seq > state.lastSeq)
    return { seq: state.firstSeq - 1, gap: gap('LOG_RESTARTED') };
  if (given.seq < state.firstSeq - 1) return { seq: state.firstSeq - 1, gap: gap('RETENTION') };
  return { seq: given.seq };
}

function gapTo(environmentId: string, state: StreamState, from: number | null, to: number): EventItem {
  const place = (seq: number) => writeCursor(positionOf(environmentId, state, seq));
  const missingFrom = from === null ? null : place(from);
  return { kind: 'GAP', cursor: place(to), from: missingFrom, to: place(to), reason: 'RETENTION' };
}

/** A page of the same items, for the query; ends with CaughtUp when there is no more. */
export async function readEvents(
  control: Control,
  selection: EventSelection,
  limit: number,
): Promise<{ readonly items: EventItem[]; readonly endCursor: string; readonly hasNextPage: boolean }> {
  const { environmentId } = selection;
  const state = await stateOf(control.log, environmentId);
  const start = startOf(selection, state);
  const events = await control.log.read(environmentId, start.seq, limit + 1);
  const shown = events.slice(0, limit);
  const place = (seq: number) => writeCursor(positionOf(environmentId, state, seq));
  const items: EventItem[] = start.gap === undefined ? [] : [start.gap];
  // Removed between the two readings.
  if (shown[0] !== undefined && shown[0].seq !== start.seq + 1)
    items.push(gapTo(environmentId, state, start.seq, shown[0].seq - 1));
  for (const event of shown) items.push({ kind: 'ITEM', cursor: place(event.seq), item: event });
  const endCursor = place(shown.at(-1)?.seq ?? start.seq);
  const hasNextPage = events.length > limit;
  if (!hasNextPage) items.push({ kind: 'CAUGHT_UP', cursor: endCursor });
  return { items, endCursor, hasNextPage };
}

type Subject = Pick<EventSelection, 'environmentId' | 'redeployId' | 'ended'>;

export async function environmentSelection(
  control: Control,
  caller: Caller,
  environmentId: string,
): Promise<Subject> {
  const find = async () => (await listEnvironmentsById(control.store.db, [environmentId]))[0];
  const row = await find();
  if (row === undefined) throw new NotFound('environment', ['environmentId']);
  const place = { organizationId: row.organizationId, environmentId };
  authorise(caller, 'READ', place, 'environment', ['environmentId']);
  return { environmentId, ended: async () => (await find())?.deletedAt !== null };
}

export async function redeploySelection(
  control: Control,
  caller: Caller,
  redeployId: string,
): Promise<Subject> {
  const find = async () => (await listRedeploysById(control.store.db, [redeployId]))[0];
  const row = await find();
  const place = row && (await placeOf(control, row.environmentId));
  if (row === undefined || place === undefined) throw new NotFound('redeploy', ['redeployId']);
  const { environmentId } = row;
  authorise(caller, 'READ', place, 'redeploy', ['redeployId']);
  return { environmentId, redeployId, ended: async () => (await find())?.endedAt !== null };
}

/** State streams: a mark at once, then one whenever something about the subject has happened; steps may be skipped. */
export async function* streamChanges(
  control: Control,
  environmentId: string,
  concerns: (event: LoggedEvent) => boolean,
  signal: AbortSignal,
): AsyncGenerator<Position, void, undefined> {
  const { log } = control;
  const following = log.follow(environmentId);
  try {
    const state = await stateOf(log, environmentId);
    let seq = state.lastSeq;
    let changed = false;
    yield positionOf(environmentId, state, seq);
    while (!signal.aborted) {
      await following.wait(seq, heartbeatMs, signal);
      const events = await log.read(environmentId, seq, batch);
      seq = events.at(-1)?.seq ?? seq;
      changed ||= events.some(concerns);
      if (events.length === batch) continue;
      if (changed && !signal.aborted) yield positionOf(environmentId, state, seq);
      changed = false;
      if (events.some((event) => event.type === 'ENVIRONMENT_DELETED')) return;
    }
  } finally {
    following.release();
  }
}
