// The one way to change anything: a transaction that collects events and audit entries and writes them last, so that
// event order is commit order without a hole, and audit rows stand or fall with what they tell of. Nudges go out after
// the commit.
import { sql } from 'drizzle-orm';
import type { NewEvent, Position } from '../model/events.ts';
import { type AuditEntry, writeAudit } from './audit.ts';
import type { Nudges, Topic } from './nudges.ts';
import { isDeadlock, type Store, type Transaction, together, withDeadline } from './open.ts';
import { storableJson } from './storable.ts';

export interface Change {
  readonly tx: Transaction;
  emit(event: NewEvent): void;
  audit(entry: AuditEntry): void;
  /** Another hint to send after the commit; those for events are sent by themselves. */
  nudge(topic: Topic): void;
  /** Work that needs the place of this change's events in the log; runs after they were written, before the commit. */
  afterEvents(work: (positions: ReadonlyMap<string, Position>) => Promise<void>): void;
}

export interface Changed<T> {
  readonly value: T;
  /** Where the last event of this change stands, by environment. */
  readonly positions: ReadonlyMap<string, Position>;
}

export interface Changer {
  readonly store: Store;
  readonly nudges: Nudges;
}

export async function change<T>(
  { store, nudges }: Changer,
  work: (change: Change) => Promise<T>,
): Promise<Changed<T>> {
  const topics = new Set<Topic>();
  const committed = againAfterDeadlock(store, async (tx) => {
    const events: NewEvent[] = [];
    const entries: AuditEntry[] = [];
    const last: ((positions: ReadonlyMap<string, Position>) => Promise<void>)[] = [];
    const value = await work({
      tx,
      emit: (event) => events.push(event),
      audit: (entry) => entries.push(entry),
      nudge: (topic) => topics.add(topic),
      afterEvents: (each) => last.push(each),
    });
    // The audit chain's head is locked before any stream's counter, as by every change.
    const [, positions] = await together([writeAudits(tx, entries), writeEvents(tx, events)]);
    for (const each of last) await each(positions);
    return { value, positions };
  });
  const changed = await withDeadline(store, committed);
  for (const environmentId of changed.positions.keys()) topics.add(`events:${environmentId}`);
  nudges.send(topics);
  return changed;
}

/** Two changes that took rows in different order: Postgres ends one of them, which then finds the way free. */
async function againAfterDeadlock<T>(store: Store, work: (tx: Transaction) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await store.db.transaction(work);
    } catch (error) {
      if (attempt === 3 || !isDeadlock(error)) throw error;
    }
  }
}

async function writeAudits(tx: Transaction, entries: readonly AuditEntry[]): Promise<void> {
  for (const entry of entries) await writeAudit(tx, entry);
}

/** Last in the transaction: the counter's row is held from here to the commit. Streams in sorted order, against deadlock. */
async function writeEvents(tx: Transaction, events: readonly NewEvent[]): Promise<Map<string, Position>> {
  const positions = new Map<string, Position>();
  const streams = Map.groupBy(events, (event) => event.environmentId);
  for (const environmentId of [...streams.keys()].sort()) {
    const rows = (streams.get(environmentId) ?? []).map((event) => ({
      type: event.type,
      data: event.data,
      message: event.message,
      service_id: event.serviceId ?? null,
      redeploy_id: event.redeployId ?? null,
      job_id: event.jobId ?? null,
    }));
    positions.set(environmentId, await append(tx, environmentId, rows));
  }
  return positions;
}

async function append(tx: Transaction, environmentId: string, rows: readonly object[]): Promise<Position> {
  const [head] = await tx.execute<{ epoch: string; last_seq: string }>(sql`
    with counted as (
      update event_streams set last_seq = last_seq + ${rows.length}
      where environment_id = ${environmentId} returning epoch, last_seq
    ), written as (
      insert into events (environment_id, seq, type, data, message, service_id, redeploy_id, job_id, occurred_at)
      select ${environmentId}, counted.last_seq - ${rows.length} + item.ordinal, item.type, item.data, item.message,
        item.service_id, item.redeploy_id, item.job_id, clock_timestamp()
      from counted, rows from (
        jsonb_to_recordset(${storableJson(rows)}::text::jsonb)
          as (type text, data jsonb, message text, service_id uuid, redeploy_id uuid, job_id uuid)
      ) with ordinality as item(type, data, message, service_id, redeploy_id, job_id, ordinal)
    )
    select epoch, last_seq from counted`);
  if (head === undefined) throw new Error(`environment ${environmentId} has no event stream`);
  return { environmentId, epoch: head.epoch, seq: Number(head.last_seq) };
}

export async function createEventStream(
  tx: Transaction,
  environmentId: string,
  epoch: string,
): Promise<void> {
  await tx.execute(
    sql`insert into event_streams (environment_id, epoch) values (${environmentId}, ${epoch})`,
  );
}
