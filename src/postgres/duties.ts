// Taking and keeping a duty: see the table. A holder that dies is followed within a moment, one that hangs when its time
// has run out.
import { and, eq, sql } from 'drizzle-orm';
import type { Reader, Store } from './open.ts';
import { leaseSeconds, lives, type Replica } from './replicas.ts';
import { duties } from './tables/duties.ts';

export const dutyNames = ['HEALTH', 'CERTIFICATES', 'EDGE', 'PROXIES', 'MONITORING', 'CHECKS'] as const;
export type Duty = (typeof dutyNames)[number];

const heldUntil = sql`now() + make_interval(secs => ${leaseSeconds})`;

/** Takes the duty or keeps it; false while another replica has it. */
export async function takeDuty({ db }: Store, replica: Replica, name: Duty): Promise<boolean> {
  const own = sql`${duties.holder} = ${replica.number}`;
  const free = sql`(${own} or ${duties.heldUntil} < now() or not ${lives(sql`${duties.holder}`)})`;
  const taken = await db
    .insert(duties)
    .values({ name, holder: replica.number, heldUntil })
    .onConflictDoUpdate({
      target: duties.name,
      set: { holder: replica.number, heldUntil },
      setWhere: sql`${free} and ${lives(sql`${replica.number}`)}`,
    })
    .returning({ holder: duties.holder });
  return taken.length > 0;
}

/** For a write: whether it is still this replica's. */
export async function hasDuty(reader: Reader, replica: Replica, name: Duty): Promise<boolean> {
  const rows = await reader
    .select({ holder: duties.holder })
    .from(duties)
    .where(and(eq(duties.name, name), eq(duties.holder, replica.number), sql`${duties.heldUntil} > now()`));
  return rows.length > 0;
}
