// This process as a replica: a number, and an advisory lock under it on a connection of its own as sign of life. When
// the process dies the lock falls within a moment, and others may take over what it held.
import { hostname } from 'node:os';
import { and, eq, inArray, isNotNull, not, notExists, notInArray, or, type SQL, sql } from 'drizzle-orm';
import type { Sql } from 'postgres';
import { connect, type Store, type Transaction, withDeadline } from './open.ts';
import { replicas } from './tables/replicas.ts';
import { services } from './tables/services.ts';

export const leaseSeconds = 15;
const lockClass = 7_226_002;

export interface Replica {
  readonly number: number;
  close(): Promise<void>;
}

/** `onLost` is called when the sign of life is gone though the process lives: it must stop writing at once. */
export async function joinReplicas(store: Store, onLost: () => void): Promise<Replica> {
  const host = hostname();
  const [row] = await store.db.insert(replicas).values({ host }).returning();
  if (row === undefined) throw new Error('no replica number was given');
  const { number } = row;
  let closed = false;
  let client = await takeLock();

  async function takeLock(): Promise<Sql> {
    const settings = { idle_session_timeout: 0 };
    const onEnd = () => {
      // At once: from now on others may take over.
      if (fresh === client && !closed) onLost();
    };
    const fresh: Sql = connect(store.url, { maximum: 1, settings, onEnd, answerWithinMs: store.deadlineMs });
    try {
      await fresh`select pg_advisory_lock(${lockClass}, ${number})`;
      return fresh;
    } catch (error) {
      await fresh.end({ timeout: 0 });
      throw error;
    }
  }
  async function checkLock(): Promise<void> {
    const [held] = await client`
      select 1 from pg_locks where locktype = 'advisory' and classid = ${lockClass}
      and objid = ${number} and pid = pg_backend_pid()`;
    if (held !== undefined || closed) return;
    onLost();
    // The old client stays until there is another: the next check needs one to find out with.
    const lost = client;
    client = await takeLock();
    await lost.end({ timeout: 0 });
    // It may have been taken for dead in the meantime.
    await store.db.insert(replicas).overridingSystemValue().values({ host, number }).onConflictDoNothing();
  }
  // One look at a time: those that a waiting one holds up would only queue.
  let checked: Promise<void> | undefined;
  const checking = setInterval(() => {
    checked ??= checkLock()
      .catch(() => {})
      .finally(() => {
        checked = undefined;
      });
  }, 2_000);
  return {
    number,
    close: async () => {
      closed = true;
      clearInterval(checking);
      await checked;
      await client.end({ timeout: 1 });
      await store.db.delete(replicas).where(eq(replicas.number, row.number));
    },
  };
}

/** Removes the rows of the dead that hold nothing any more, a bounded number at a time. */
export async function pruneReplicas(store: Store): Promise<void> {
  const dead = store.db
    .select({ number: replicas.number })
    .from(replicas)
    .where(
      and(
        // One that is starting shows its sign of life a moment after its row.
        sql`${replicas.startedAt} < now() - interval '1 minute'`,
        not(lives(sql`${replicas.number}`)),
        notExists(
          store.db
            .select({ id: services.id })
            .from(services)
            .where(eq(services.leaseHolder, replicas.number)),
        ),
      ),
    )
    .orderBy(replicas.number)
    .limit(1_000);
  await store.db.delete(replicas).where(inArray(replicas.number, dead));
}

export interface Claim {
  readonly serviceId: string;
  readonly environmentId: string;
  readonly epoch: number;
}

/** Nobody's, run out, or held by a replica whose sign of life is gone. */
const claimable = sql`(${services.leaseHolder} is null or ${services.leaseUntil} < now() or not ${lives(sql`${services.leaseHolder}`)})`;

/** Whether the replica of this number shows its sign of life; other databases of the server have numbers of their own. */
export function lives(number: SQL): SQL {
  return sql`exists (select 1 from pg_locks where locktype = 'advisory' and classid = ${lockClass} and objid = ${number}
    and objsubid = 2 and database = (select oid from pg_database where datname = current_database()))`;
}

/** Takes services that are due and that nobody else works on, longest due first. Without a sign of life of its own, none. */
export async function claimServices(
  store: Store,
  replica: Replica,
  attended: readonly string[],
  most: number,
): Promise<Claim[]> {
  // What this very replica holds but doesn't work on was left by an error of its own. What it does work on it never takes
  // again, not even when the lease has run out: two would work on it.
  const own = eq(services.leaseHolder, replica.number);
  const free = attended.length === 0 ? undefined : notInArray(services.id, [...attended]);
  const due = store.db
    .select({ id: services.id })
    .from(services)
    .where(
      and(
        isNotNull(services.dueAt),
        sql`${services.dueAt} <= now()`,
        free,
        or(claimable, own),
        lives(sql`${replica.number}`),
      ),
    )
    .orderBy(services.dueAt, services.id)
    .limit(most)
    .for('update', { skipLocked: true });
  const claimed = store.db
    .update(services)
    .set({
      leaseHolder: replica.number,
      leaseEpoch: sql`${services.leaseEpoch} + 1`,
      leaseUntil: sql`now() + make_interval(secs => ${leaseSeconds})`,
    })
    .where(inArray(services.id, due))
    .returning({
      serviceId: services.id,
      environmentId: services.environmentId,
      epoch: services.leaseEpoch,
    });
  const claims = await withDeadline(store, claimed.execute());
  return claims.sort((a, b) => (a.serviceId < b.serviceId ? -1 : 1));
}

/**
 * Prolongs the leases; answers with the services still held. Rows that a step has locked are waited for one by one, holding
 * none meanwhile: the step may be waiting for another of these rows.
 */
export async function renewLeases(
  store: Store,
  replica: Replica,
  claims: readonly Claim[],
): Promise<Set<string>> {
  if (claims.length === 0) return new Set();
  const free = store.db
    .select({ id: services.id })
    .from(services)
    .where(areClaimed(replica, claims))
    .for('no key update', { skipLocked: true });
  const rows = await prolong(store, inArray(services.id, free));
  const busy = claims.filter((claim) => !rows.some((row) => row.id === claim.serviceId));
  const later = await Promise.all(busy.map((claim) => prolong(store, areClaimed(replica, [claim]))));
  const epochs = new Map(claims.map((claim) => [claim.serviceId, claim.epoch]));
  const held = [...rows, ...later.flat()].filter((row) => epochs.get(row.id) === row.epoch);
  return new Set(held.map((row) => row.id));
}

function areClaimed(replica: Replica, claims: readonly Claim[]): SQL | undefined {
  const ids = claims.map((claim) => claim.serviceId);
  return and(eq(services.leaseHolder, replica.number), inArray(services.id, ids));
}

function prolong(store: Store, which: SQL | undefined): Promise<{ id: string; epoch: number }[]> {
  const prolonged = store.db
    .update(services)
    .set({ leaseUntil: sql`now() + make_interval(secs => ${leaseSeconds})` })
    .where(which)
    .returning({ id: services.id, epoch: services.leaseEpoch });
  return withDeadline(store, prolonged.execute());
}

/** Thrown when somebody else has taken the service over: nothing may be written or destroyed any more. */
export class LeaseLost extends Error {
  override readonly name = 'LeaseLost';
}

/** Locks the service's row under the condition that this claim still holds. First statement of every write. */
export async function holdLease(tx: Transaction, replica: Replica, claim: Claim): Promise<void> {
  const [held] = await tx
    .select({ id: services.id })
    .from(services)
    .where(isHeld(replica, claim))
    .for('no key update');
  if (held === undefined)
    throw new LeaseLost(`the lease on service ${claim.serviceId} has passed to another`);
}

function isHeld(replica: Replica, claim: Claim) {
  return and(
    eq(services.id, claim.serviceId),
    eq(services.leaseHolder, replica.number),
    eq(services.leaseEpoch, claim.epoch),
  );
}

/**
 * Gives the service back, to be looked at again at `dueAt`; at once when something was asked for that wasn't seen. Without
 * `seenAttention` nothing that was asked for matters.
 */
export async function releaseService(
  store: Store,
  replica: Replica,
  claim: Claim,
  seenAttention: number | undefined,
  dueAt: Date | null,
): Promise<void> {
  const next = dueAt === null ? sql`null` : sql`${dueAt.toISOString()}::timestamptz`;
  await withDeadline(
    store,
    store.db
      .update(services)
      .set({
        leaseHolder: null,
        leaseUntil: null,
        dueAt:
          seenAttention === undefined
            ? next
            : sql`case when ${services.attention} = ${seenAttention} then ${next} else now() end`,
      })
      .where(isHeld(replica, claim))
      .execute(),
  );
}

/** After a failure: at once would be without a pause, for as long as it lasts. */
export async function releaseAfterFailure(store: Store, replica: Replica, claim: Claim): Promise<void> {
  const set = { leaseHolder: null, leaseUntil: null, dueAt: sql`now() + interval '1 second'` };
  await withDeadline(store, store.db.update(services).set(set).where(isHeld(replica, claim)).execute());
}

/** Marks services as due now. */
export function dueNow() {
  return { dueAt: sql`now()`, attention: sql`${services.attention} + 1` };
}
