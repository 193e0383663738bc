// The work of webhooks: endpoints claimed by one replica at a time, deliveries taken out of the event log by each endpoint's
// place in it, and what came of them. Whoever changes what an endpoint waits for has its row locked.
import { and, asc, eq, gt, isNotNull, isNull, min, not, notInArray, or, sql } from 'drizzle-orm';
import { newId } from '../ids.ts';
import type { LoggedEvent } from '../model/events.ts';
import { type Attempt, type DisabledReason, type Verdict, webhookLimits } from '../model/webhooks.ts';
import { type Reader, type Store, type Transaction, withDeadline } from './open.ts';
import { lives, type Replica } from './replicas.ts';
import { storableText } from './storable.ts';
import { eventStreams, events } from './tables/events.ts';
import { webhookAttempts, webhookDeliveries, webhooks } from './tables/webhooks.ts';
import type { DeliveryRow, WebhookRow } from './webhooks.ts';

/** More than an attempt and its record take. */
const heldSeconds = 60;
const mostTaken = 500;

export interface WebhookClaim {
  readonly webhookId: string;
  /** Of this very claim: a later one has another. */
  readonly claim: number;
  /** Its last attempt has failed. */
  readonly failing: boolean;
}

const held = sql`now() + make_interval(secs => ${heldSeconds})`;
/** Something waits for its time, or has happened since. */
const due = or(sql`${webhooks.dueAt} <= now()`, sql`${webhooks.seq} < ${eventStreams.lastSeq}`);

/** Failing or other endpoints with something to do that nobody works on, least recently served first. */
export async function claimWebhooks(
  store: Store,
  replica: Replica,
  { most, own, failing }: { most: number; own: readonly string[]; failing: boolean },
): Promise<WebhookClaim[]> {
  const mine = eq(webhooks.holder, replica.number);
  const free = or(
    isNull(webhooks.holder),
    mine,
    sql`${webhooks.heldUntil} < now()`,
    not(lives(sql`${webhooks.holder}`)),
  );
  const found = store.db
    .select({ id: webhooks.id })
    .from(webhooks)
    .innerJoin(eventStreams, eq(eventStreams.environmentId, webhooks.environmentId))
    .where(
      and(
        eq(webhooks.enabled, true),
        isNull(webhooks.deletedAt),
        due,
        free,
        own.length === 0 ? undefined : notInArray(webhooks.id, [...own]),
        failing ? isNotNull(webhooks.failingSince) : isNull(webhooks.failingSince),
        lives(sql`${replica.number}`),
      ),
    )
    .orderBy(sql`${webhooks.heldUntil} nulls first`, webhooks.id)
    .limit(most)
    .for('update', { of: webhooks, skipLocked: true });
  const claimed = store.db
    .update(webhooks)
    .set({ holder: replica.number, claim: sql`${webhooks.claim} + 1`, heldUntil: held })
    .where(sql`${webhooks.id} in (${found})`)
    .returning({ webhookId: webhooks.id, claim: webhooks.claim, failingSince: webhooks.failingSince });
  const rows = await withDeadline(store, claimed.execute());
  return rows.map(({ failingSince, ...row }) => ({ ...row, failing: failingSince !== null }));
}

function isHeld(replica: Replica, { webhookId, claim }: WebhookClaim) {
  return and(eq(webhooks.id, webhookId), eq(webhooks.holder, replica.number), eq(webhooks.claim, claim));
}

/** Locks and prolongs; undefined when it is another's by now. */
export async function holdWebhook(
  tx: Transaction,
  replica: Replica,
  claim: WebhookClaim,
): Promise<WebhookRow | undefined> {
  const [row] = await tx.update(webhooks).set({ heldUntil: held }).where(isHeld(replica, claim)).returning();
  return row;
}

export async function releaseWebhook(tx: Transaction, replica: Replica, claim: WebhookClaim): Promise<void> {
  // Locked before the look at what waits: what others have made wait is seen by then.
  if ((await holdWebhook(tx, replica, claim)) === undefined) return;
  const [next] = await tx
    .select({ at: min(webhookDeliveries.dueAt) })
    .from(webhookDeliveries)
    .where(eq(webhookDeliveries.webhookId, claim.webhookId));
  const free = { holder: null, heldUntil: sql`now()`, dueAt: next?.at ?? null };
  await tx.update(webhooks).set(free).where(isHeld(replica, claim));
}

/**
 * Makes deliveries of what has happened after its place in the log, and moves the place with them: a crash loses and repeats
 * none. One that is there already was asked for again. Where the log no longer has what comes next, that is delivered too.
 */
export async function takeFromLog(tx: Transaction, row: WebhookRow): Promise<void> {
  const fresh = await tx
    .select({ seq: events.seq, type: events.type })
    .from(events)
    .where(and(eq(events.environmentId, row.environmentId), gt(events.seq, row.seq)))
    .orderBy(asc(events.seq))
    .limit(mostTaken);
  const last = fresh.at(-1);
  if (last === undefined || (await isFull(tx, row.id))) return;
  const wanted = fresh.filter(({ type }) => row.eventTypes === null || row.eventTypes.includes(type));
  const dueAt = sql`now()`;
  const first = fresh[0]?.seq ?? 0;
  const gap = first > row.seq + 1 ? [{ seq: first - 1, type: 'GAP' as const }] : [];
  const rows = [...gap, ...wanted].map(({ seq, type }) => ({
    id: newId(),
    webhookId: row.id,
    seq,
    eventType: type,
    dueAt,
  }));
  if (rows.length > 0)
    await tx
      .insert(webhookDeliveries)
      .values(rows)
      .onConflictDoUpdate({
        target: [webhookDeliveries.webhookId, webhookDeliveries.seq],
        set: { state: 'PENDING', tries: 0, dueAt, endedAt: null, eventType: sql`excluded.event_type` },
      });
  // Due until it is given back: whoever takes over from one that died finds what it had taken.
  const waits = rows.length > 0 ? { dueAt } : {};
  await tx
    .update(webhooks)
    .set({ seq: last.seq, ...waits })
    .where(eq(webhooks.id, row.id));
}

async function isFull(tx: Transaction, webhookId: string): Promise<boolean> {
  const waiting = await tx
    .select({ seq: webhookDeliveries.seq })
    .from(webhookDeliveries)
    .where(and(eq(webhookDeliveries.webhookId, webhookId), sql`${webhookDeliveries.dueAt} is not null`))
    .offset(webhookLimits.waiting - 1)
    .limit(1);
  return waiting.length > 0;
}

export interface DueDelivery {
  readonly delivery: DeliveryRow;
  /** Undefined when the history no longer has it. */
  readonly event: LoggedEvent | undefined;
  readonly epoch: string;
}

/** The one to send next: in the order in which they fell due, those of one moment in the order of the log. */
export async function nextDelivery(reader: Reader, row: WebhookRow): Promise<DueDelivery | undefined> {
  const [found] = await reader
    .select({ delivery: webhookDeliveries, event: events, epoch: eventStreams.epoch })
    .from(webhookDeliveries)
    .innerJoin(eventStreams, eq(eventStreams.environmentId, row.environmentId))
    .leftJoin(events, and(eq(events.environmentId, row.environmentId), eq(events.seq, webhookDeliveries.seq)))
    .where(and(eq(webhookDeliveries.webhookId, row.id), sql`${webhookDeliveries.dueAt} <= now()`))
    .orderBy(asc(webhookDeliveries.dueAt), asc(webhookDeliveries.seq))
    .limit(1);
  return found && { ...found, event: found.event ?? undefined };
}

export interface Made extends Attempt {
  readonly startedAt: Date;
  readonly durationMs: number;
}

/** The attempt, and what it leads to for its delivery and its endpoint. */
export async function recordAttempt(
  tx: Transaction,
  row: WebhookRow,
  delivery: DeliveryRow,
  made: Made,
  verdict: Verdict,
): Promise<void> {
  const { startedAt, durationMs, status, answer, error } = made;
  const own = eq(webhookAttempts.deliveryId, delivery.id);
  const number = sql`(select coalesce(max(${webhookAttempts.number}), 0) + 1 from ${webhookAttempts} where ${own})`;
  const text = { answer: storableText(answer), error: error && storableText(error) };
  await tx
    .insert(webhookAttempts)
    .values({ deliveryId: delivery.id, number, startedAt, durationMs, status, ...text });
  const oldest = sql`(select max(${webhookAttempts.number}) from ${webhookAttempts} where ${own}) - ${webhookLimits.attempts}`;
  await tx.delete(webhookAttempts).where(and(own, sql`${webhookAttempts.number} <= ${oldest}`));
  const { state } = verdict;
  const set =
    verdict.state === 'PENDING'
      ? { state, dueAt: sql`now() + make_interval(secs => ${verdict.waitSeconds})` }
      : { state, dueAt: null, endedAt: sql`now()` };
  await tx
    .update(webhookDeliveries)
    .set({ ...set, tries: delivery.tries + 1 })
    .where(eq(webhookDeliveries.id, delivery.id));
  const failingSince = state === 'SUCCEEDED' ? null : (row.failingSince ?? startedAt);
  await tx.update(webhooks).set({ failingSince }).where(eq(webhooks.id, row.id));
}

/** Environments that have endpoints which events are sent to. */
export async function listWatchedEnvironments(reader: Reader): Promise<string[]> {
  const active = and(eq(webhooks.enabled, true), isNull(webhooks.deletedAt));
  const rows = await reader.selectDistinct({ id: webhooks.environmentId }).from(webhooks).where(active);
  return rows.map(({ id }) => id);
}

const mostPruned = 1_000;

/** Removes deliveries that ended long ago or are beyond the newest of their endpoint, and endpoints of what is deleted. */
export async function pruneWebhooks({ db }: Store): Promise<void> {
  for (;;) {
    const removed = await db.execute(sql`
      delete from webhook_deliveries where id in (
        select id from (
          select id, ended_at, row_number() over (partition by webhook_id order by seq desc) as place
          from webhook_deliveries where ended_at is not null) ended
        where ended.place > ${webhookLimits.kept} or ended.ended_at < now() - make_interval(days => ${webhookLimits.keptDays})
        limit ${mostPruned}) returning id`);
    if (removed.length < mostPruned) break;
  }
  await db.execute(sql`
    update webhooks set deleted_at = now(), enabled = false, due_at = null from environments
    where environments.id = webhooks.environment_id and webhooks.deleted_at is null
      and environments.deleted_at < now() - interval '3 days'`);
  await db.execute(sql`
    delete from webhook_secrets using webhooks
    where webhooks.id = webhook_secrets.webhook_id and webhooks.deleted_at is not null`);
}

export async function disableWebhook(tx: Transaction, id: string, reason: DisabledReason): Promise<void> {
  const disabled = { enabled: false, disabledReason: reason, disabledAt: sql`now()` };
  const revision = sql`${webhooks.revision} + 1`;
  await tx
    .update(webhooks)
    .set({ ...disabled, revision })
    .where(eq(webhooks.id, id));
}
