// Reading the event log. Within a process one window per environment holds the newest events and serves every reader
// that has caught up; older ones are read by cursor. Readers pull: nothing is queued for anybody. A nudge or the slow
// poll beneath moves the windows forward.
import { and, asc, eq, gt, inArray, lte, sql } from 'drizzle-orm';
import type { LoggedEvent, Position } from '../model/events.ts';
import type { Nudges } from './nudges.ts';
import { type Reader, type Store, withDeadline } from './open.ts';
import { eventStreams, events } from './tables/events.ts';

const windowEvents = 1_000;
const pollEveryMs = 2_000;

export interface StreamState {
  readonly epoch: string;
  readonly firstSeq: number;
  readonly lastSeq: number;
}

export interface ReadOptions {
  /** Only events of this redeploy. */
  readonly redeployId?: string | undefined;
  /** Past the window, which may lag a moment behind what is committed. */
  readonly fromTable?: boolean;
}

export interface EventLog {
  state(environmentId: string): Promise<StreamState | undefined>;
  /** Events after `seq`, oldest first. A hole at the beginning means that retention has removed what is missing. */
  read(environmentId: string, seq: number, limit: number, options?: ReadOptions): Promise<LoggedEvent[]>;
  /** Keeps the environment's window alive until `release`. */
  follow(environmentId: string): Following;
  close(): void;
}

export interface Following {
  /** Answers when the log has something after `seq`, after `milliseconds`, or when the signal fires; says if it has. */
  wait(seq: number, milliseconds: number, signal: AbortSignal): Promise<boolean>;
  release(): void;
}

interface Window {
  followers: number;
  events: LoggedEvent[];
  lastSeq: number;
  advancing: Promise<void> | undefined;
  again: boolean;
  waiters: Set<() => void>;
}

export function openEventLog(store: Store, nudges: Nudges): EventLog {
  const windows = new Map<string, Window>();

  async function advance(environmentId: string, window: Window): Promise<void> {
    do {
      window.again = false;
      const fresh = await query(store, environmentId, window.lastSeq, windowEvents);
      const last = fresh.at(-1);
      if (last === undefined) continue;
      window.again ||= fresh.length === windowEvents;
      window.events = [...window.events, ...fresh].slice(-windowEvents);
      window.lastSeq = last.seq;
      for (const wake of [...window.waiters]) wake();
    } while (window.again);
  }
  function look(environmentId: string): void {
    const window = windows.get(environmentId);
    if (window === undefined) return;
    window.again = true;
    window.advancing ??= advance(environmentId, window)
      .catch(() => {})
      .finally(() => {
        window.advancing = undefined;
      });
  }
  const stopListening = nudges.listen((topic) => {
    if (topic === undefined) for (const id of windows.keys()) look(id);
    else if (topic.startsWith('events:')) look(topic.slice('events:'.length));
  });
  async function poll(): Promise<void> {
    if (windows.size === 0) return;
    const heads = await store.db
      .select({ id: eventStreams.environmentId, lastSeq: eventStreams.lastSeq })
      .from(eventStreams)
      .where(inArray(eventStreams.environmentId, [...windows.keys()]));
    for (const { id, lastSeq } of heads) if (lastSeq > (windows.get(id)?.lastSeq ?? lastSeq)) look(id);
  }
  // One at a time: those that a silent database holds up would only queue.
  let isPolling = false;
  const polling = setInterval(() => {
    if (isPolling) return;
    isPolling = true;
    poll()
      .catch(() => {})
      .finally(() => {
        isPolling = false;
      });
  }, pollEveryMs);

  return {
    state: (environmentId) => withDeadline(store, findState(store.db, environmentId)),
    read: async (environmentId, seq, limit, { redeployId, fromTable = false } = {}) => {
      const kept = windows.get(environmentId)?.events ?? [];
      const oldest = kept[0]?.seq;
      if (!fromTable && oldest !== undefined && seq >= oldest - 1) {
        const wanted = redeployId === undefined ? kept : kept.filter((e) => e.redeployId === redeployId);
        return wanted.filter((event) => event.seq > seq).slice(0, limit);
      }
      return query(store, environmentId, seq, limit, redeployId);
    },
    follow: (environmentId) => follow(windows, environmentId, look),
    close: () => {
      stopListening();
      clearInterval(polling);
    },
  };
}

function follow(windows: Map<string, Window>, environmentId: string, look: (id: string) => void): Following {
  let window = windows.get(environmentId);
  if (window === undefined) {
    window = {
      followers: 0,
      events: [],
      lastSeq: -1,
      advancing: undefined,
      again: false,
      waiters: new Set(),
    };
    windows.set(environmentId, window);
  }
  const held = window;
  held.followers += 1;
  let released = false;
  return {
    wait: (seq, milliseconds, signal) =>
      new Promise((resolve) => {
        if (held.lastSeq < 0 && seq >= 0) held.lastSeq = seq;
        if (held.lastSeq > seq || signal.aborted) return resolve(held.lastSeq > seq);
        const timer = setTimeout(done, milliseconds);
        function done(): void {
          if (held.lastSeq <= seq && !signal.aborted && performance.now() < end) return;
          clearTimeout(timer);
          held.waiters.delete(done);
          signal.removeEventListener('abort', done);
          resolve(held.lastSeq > seq);
        }
        const end = performance.now() + milliseconds - 1;
        held.waiters.add(done);
        signal.addEventListener('abort', done);
        look(environmentId);
      }),
    release: () => {
      if (released) return;
      released = true;
      held.followers -= 1;
      if (held.followers === 0) windows.delete(environmentId);
    },
  };
}

async function findState(reader: Reader, environmentId: string): Promise<StreamState | undefined> {
  const [state] = await reader
    .select({ epoch: eventStreams.epoch, firstSeq: eventStreams.firstSeq, lastSeq: eventStreams.lastSeq })
    .from(eventStreams)
    .where(eq(eventStreams.environmentId, environmentId));
  return state;
}

function query(
  store: Store,
  environmentId: string,
  seq: number,
  limit: number,
  redeployId?: string,
): Promise<LoggedEvent[]> {
  const ofRedeploy = redeployId === undefined ? undefined : eq(events.redeployId, redeployId);
  const rows = store.db
    .select()
    .from(events)
    .where(and(eq(events.environmentId, environmentId), gt(events.seq, seq), ofRedeploy))
    .orderBy(asc(events.seq))
    .limit(limit);
  return withDeadline(store, rows.execute());
}

export function positionOf(environmentId: string, state: StreamState, seq = state.lastSeq): Position {
  return { environmentId, epoch: state.epoch, seq };
}

/**
 * Removes events past their retention; the newest `keep` of each environment stay whatever their age. In batches: however
 * much has gathered, no transaction is long and no writer waits for more than one of them.
 */
export async function pruneEvents(store: Store, keep: number, days: number, batch = 2_000): Promise<void> {
  const streams = await store.db
    .select({
      id: eventStreams.environmentId,
      bound: sql<number>`${eventStreams.lastSeq} - ${keep}`.mapWith(Number),
    })
    .from(eventStreams)
    .where(sql`${eventStreams.lastSeq} - ${eventStreams.firstSeq} >= ${keep}`);
  for (const { id, bound } of streams) while (await pruneBatch(store, id, bound, { days, batch }));
}

/** Removes the oldest, up to the first that is too young; says if there may be more. */
async function pruneBatch(
  store: Store,
  id: string,
  bound: number,
  { days, batch }: { days: number; batch: number },
): Promise<boolean> {
  const isOld = sql<boolean>`${events.occurredAt} < now() - make_interval(days => ${days})`;
  const oldest = await store.db
    .select({ seq: events.seq, isOld })
    .from(events)
    .where(and(eq(events.environmentId, id), lte(events.seq, bound)))
    .orderBy(asc(events.seq))
    .limit(batch);
  const young = oldest.findIndex((event) => !event.isOld);
  const last = oldest.at(young === -1 ? -1 : young - 1)?.seq;
  if (last === undefined || young === 0) return false;
  await store.db.transaction(async (tx) => {
    // Another replica may be ahead: what is gone stays gone, and the beginning never moves back.
    await tx.delete(events).where(and(eq(events.environmentId, id), lte(events.seq, last)));
    await tx
      .update(eventStreams)
      .set({ firstSeq: sql`greatest(${eventStreams.firstSeq}, ${last + 1})` })
      .where(eq(eventStreams.environmentId, id));
  });
  return young === -1 && oldest.length === batch;
}
