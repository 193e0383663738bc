// Log streams of numbered logs: everything after a cursor, in order, each once; a Gap where that can't be given; CaughtUp
// where the past ends; a Heartbeat with the cursor while nothing happens. Pulled: the next item is made when it is asked for.
import { NotFound } from '../errors.ts';
import type { Position } from '../model/events.ts';
import type { Numbered, NumberedLog, StreamState } from '../postgres/numbered-log.ts';
import { type CursorKind, readCursor, writeCursor } from './cursors.ts';

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

const batch = 200;
export const heartbeatMs = 15_000;

export interface Selection<Item extends Numbered, Part> {
  readonly log: NumberedLog<Item, Part>;
  readonly cursors: CursorKind;
  readonly environmentId: string;
  /** Only items of this part; `opens` is the first of them. */
  readonly part?:
    | {
        readonly of: Part;
        readonly belongs: (item: Item) => boolean;
        readonly opens: (item: Item) => boolean;
      }
    | undefined;
  readonly wants?: ((item: Item) => boolean) | undefined;
  readonly after?: string | null | undefined;
  /** Where to begin without `after`. */
  readonly begin: 'NOW' | 'FIRST';
  /** Whether nothing can follow this item; undefined: no item says so, and the stream ends once its subject has. */
  readonly isLast?: ((item: Item) => boolean) | undefined;
  /** Whether the subject has ended, so that nothing can follow what is in the log. */
  readonly ended: () => Promise<boolean>;
}

/** The caller's right is checked before the first item; a revoked one ends the stream from outside, by the signal. */
export async function* streamLog<Item extends Numbered, Part>(
  selection: Selection<Item, Part>,
  signal: AbortSignal,
): AsyncGenerator<StreamItem<Item>, void, undefined> {
  const { log, environmentId, part } = selection;
  const state = await stateOf(log, environmentId);
  const places = placesIn(selection, state);
  const following = log.follow(environmentId);
  try {
    const start = startOf(selection, state);
    let { seq } = start;
    let caughtUp = false;
    let fromItsOpening = part !== undefined && selection.after == null;
    let sureOfEnd = false;
    let endMayHaveCome = false;
    let quietSince = performance.now();
    if (start.gap !== undefined) yield start.gap;
    while (!signal.aborted) {
      // Asked before reading: what ends the subject is in the log before it shows as ended.
      const ended = caughtUp && !endMayHaveCome ? false : await selection.ended();
      endMayHaveCome = false;
      const fromTable = ended || fromItsOpening || sureOfEnd;
      const items = await log.read(environmentId, seq, batch, { part: part?.of, fromTable });
      const [first] = items;
      if (fromItsOpening && (first === undefined || part?.opens(first) !== true))
        yield places.gap(null, first === undefined ? seq : first.seq - 1);
      fromItsOpening = false;
      for (const item of items) {
        const wanted = selection.wants?.(item) ?? true;
        if (part === undefined && item.seq !== seq + 1) yield places.gap(seq, item.seq - 1);
        seq = item.seq;
        if (wanted) yield { kind: 'ITEM', cursor: places.at(seq), item };
        if (wanted) quietSince = performance.now();
        if (signal.aborted || selection.isLast?.(item)) return;
      }
      if (items.length === batch) continue;
      // The window may still be filling: what was there when the stream began is in the table at least.
      if (!caughtUp && !fromTable && seq < state.lastSeq) {
        sureOfEnd = true;
        continue;
      }
      sureOfEnd = false;
      if (caughtUp && ended) return;
      if (!caughtUp) {
        caughtUp = true;
        yield { kind: 'CAUGHT_UP', cursor: places.at(seq) };
        if (ended) return;
        continue;
      }
      const quietMs = performance.now() - quietSince;
      if (quietMs >= heartbeatMs) {
        quietSince = performance.now();
        endMayHaveCome = selection.isLast === undefined;
        yield { kind: 'HEARTBEAT', cursor: places.at(seq) };
        continue;
      }
      const more = await following.wait(seq, heartbeatMs - quietMs, signal);
      // A stream of one part passes over the others: its place moves on so that it needn't look again.
      if (more && part !== undefined) seq = await passOver(selection, part.belongs, seq);
    }
  } finally {
    following.release();
  }
}

/** The place before the first item that belongs to the part, or the newest there is. */
async function passOver<Item extends Numbered, Part>(
  { log, environmentId }: Selection<Item, Part>,
  belongs: (item: Item) => boolean,
  seq: number,
): Promise<number> {
  const newest = await log.read(environmentId, seq, 1_000);
  const own = newest.find(belongs);
  return own === undefined ? (newest.at(-1)?.seq ?? seq) : own.seq - 1;
}

/**
 * State streams: a mark at once, then one whenever something that concerns it has happened; steps may be skipped. Of a
 * subject that has ended there is one mark and no more.
 */
export async function* streamChanges<Item extends Numbered, Part>(
  {
    log,
    environmentId,
    isLast,
    ended,
  }: Pick<Selection<Item, Part>, 'log' | 'environmentId' | 'ended'> &
    Required<Pick<Selection<Item, Part>, 'isLast'>>,
  concerns: (item: Item) => boolean,
  signal: AbortSignal,
): AsyncGenerator<Position, void, undefined> {
  const following = log.follow(environmentId);
  try {
    const { epoch, lastSeq } = await stateOf(log, environmentId);
    let seq = lastSeq;
    let changed = false;
    let last = false;
    // Asked after the log's end was read: an end that comes later is in the log behind it.
    const over = await ended();
    yield { environmentId, epoch, seq };
    while (!signal.aborted && !over) {
      await following.wait(seq, heartbeatMs, signal);
      const items = await log.read(environmentId, seq, batch);
      seq = items.at(-1)?.seq ?? seq;
      changed ||= items.some(concerns);
      last ||= items.some((item) => isLast?.(item));
      if (items.length === batch) continue;
      if (changed && !signal.aborted) yield { environmentId, epoch, seq };
      changed = false;
      if (last) return;
    }
  } finally {
    following.release();
  }
}

export interface LogPage<Item> {
  readonly items: StreamItem<Item>[];
  readonly endCursor: string;
  readonly hasNextPage: boolean;
}

/** A page of the same items, for the query; ends with CaughtUp when there is no more. */
export async function readPage<Item extends Numbered, Part>(
  selection: Selection<Item, Part>,
  limit: number,
): Promise<LogPage<Item>> {
  const { log, environmentId, wants } = selection;
  const state = await stateOf(log, environmentId);
  const places = placesIn(selection, state);
  const start = startOf(selection, state);
  // What others follow may not have come to this replica yet, and the end is said to be the present one.
  const found = await log.read(environmentId, start.seq, limit + 1, { fromTable: true });
  const shown = found.slice(0, limit);
  const items: StreamItem<Item>[] = start.gap === undefined ? [] : [start.gap];
  // Removed between the two readings.
  if (shown[0] !== undefined && shown[0].seq !== start.seq + 1)
    items.push(places.gap(start.seq, shown[0].seq - 1));
  for (const item of shown)
    if (wants?.(item) ?? true) items.push({ kind: 'ITEM', cursor: places.at(item.seq), item });
  const endCursor = places.at(shown.at(-1)?.seq ?? start.seq);
  const hasNextPage = found.length > limit;
  if (!hasNextPage) items.push({ kind: 'CAUGHT_UP', cursor: endCursor });
  return { items, endCursor, hasNextPage };
}

async function stateOf<Item extends Numbered, Part>(
  log: NumberedLog<Item, Part>,
  environmentId: string,
): Promise<StreamState> {
  const state = await log.state(environmentId);
  if (state === undefined) throw new NotFound('environment', ['environmentId']);
  return state;
}

type Gap = Extract<StreamItem<never>, { kind: 'GAP' }>;

function placesIn(
  { environmentId, cursors }: { environmentId: string; cursors: CursorKind },
  { epoch }: StreamState,
) {
  const at = (seq: number) => writeCursor({ environmentId, epoch, seq }, cursors);
  const gap = (from: number | null, to: number): Gap => ({
    kind: 'GAP',
    cursor: at(to),
    from: from === null ? null : at(from),
    to: at(to),
    reason: 'RETENTION',
  });
  return { at, gap };
}

function startOf<Item extends Numbered, Part>(
  selection: Selection<Item, Part>,
  state: StreamState,
): { seq: number; gap?: Gap } {
  const { environmentId, after, begin, cursors } = selection;
  const first = state.firstSeq - 1;
  if (after == null) return { seq: begin === 'NOW' ? state.lastSeq : first };
  const given = readCursor(after, cursors);
  const to = placesIn(selection, state).at(first);
  const behind = (reason: GapReason): { seq: number; gap: Gap } => ({
    seq: first,
    gap: { kind: 'GAP', cursor: to, from: after, to, reason },
  });
  if (given.environmentId !== environmentId) return behind('OTHER_STREAM');
  if (given.epoch !== state.epoch || given.seq > state.lastSeq) return behind('LOG_RESTARTED');
  return given.seq < first ? behind('RETENTION') : { seq: given.seq };
}
