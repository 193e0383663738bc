// The event log's tables, and its retention. How a log is read is numbered-log.ts's.
import { and, asc, eq, gt, inArray } from 'drizzle-orm';
import type { LoggedEvent } from '../model/events.ts';
import type { Nudges } from './nudges.ts';
import { type NumberedLog, openLog } from './numbered-log.ts';
import type { Store } from './open.ts';
import { pruneLog } from './retention.ts';
import { eventStreams, events } from './tables/events.ts';

/** A part is what belongs to one redeploy, by its id. */
export type EventLog = NumberedLog<LoggedEvent, string>;

export function openEventLog(store: Store, nudges: Nudges): EventLog {
  return openLog<LoggedEvent, string>(store, nudges, {
    topic: 'events',
    heads: (ids) =>
      store.db
        .select({ id: eventStreams.environmentId, lastSeq: eventStreams.lastSeq })
        .from(eventStreams)
        .where(inArray(eventStreams.environmentId, [...ids])),
    state: async (environmentId) => {
      const { epoch, firstSeq, lastSeq } = eventStreams;
      const rows = store.db.select({ epoch, firstSeq, lastSeq }).from(eventStreams);
      return (await rows.where(eq(eventStreams.environmentId, environmentId)))[0];
    },
    query: (environmentId, seq, limit, redeployId) => {
      const ofRedeploy = redeployId === undefined ? undefined : eq(events.redeployId, redeployId);
      return store.db
        .select()
        .from(events)
        .where(and(eq(events.environmentId, environmentId), gt(events.seq, seq), ofRedeploy))
        .orderBy(asc(events.seq))
        .limit(limit)
        .execute();
    },
    belongs: (event, redeployId) => event.redeployId === redeployId,
  });
}

/** Removes events past their retention; the newest `keep` of each environment stay whatever their age. */
export function pruneEvents(store: Store, keep: number, days: number, batch?: number): Promise<void> {
  return pruneLog(
    store,
    { streams: eventStreams, items: events, madeAt: events.occurredAt },
    { keep, days, batch },
  );
}
