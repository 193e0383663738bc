// Rows of support tickets.
import { and, count, eq, inArray } from 'drizzle-orm';
import { ticketStates } from '../model/tickets.ts';
import type { Reader, Transaction } from './open.ts';
import { among, type PageRequest, pagesByParent } from './pages.ts';
import { tickets } from './tables/tickets.ts';

export type TicketRow = typeof tickets.$inferSelect;

export async function insertTicket(tx: Transaction, row: typeof tickets.$inferInsert): Promise<TicketRow> {
  const [made] = await tx.insert(tickets).values(row).returning();
  if (made === undefined) throw new Error('the ticket was not inserted');
  return made;
}

export function listTicketsById(reader: Reader, ids: readonly string[]): Promise<TicketRow[]> {
  return reader
    .select()
    .from(tickets)
    .where(inArray(tickets.id, [...ids]));
}

export function pageTickets(
  reader: Reader,
  environmentIds: readonly string[],
  open: boolean | undefined,
  request: PageRequest,
): Promise<Map<string, TicketRow[]>> {
  const states = open === undefined ? null : ticketStates.filter((state) => (state === 'OPEN') === open);
  return pagesByParent(reader, environmentIds, pages, request, { states });
}

const pages = {
  table: tickets,
  key: tickets.id,
  parent: tickets.environmentId,
  where: among(tickets.state, 'states'),
  newestFirst: true,
};

export async function countOpenTickets(reader: Reader, environmentId: string): Promise<number> {
  const open = and(eq(tickets.environmentId, environmentId), eq(tickets.state, 'OPEN'));
  const [row] = await reader.select({ count: count() }).from(tickets).where(open);
  return row?.count ?? 0;
}

/** Undefined when it isn't open any more. */
export async function endTicket(
  tx: Transaction,
  id: string,
  set: Pick<typeof tickets.$inferInsert, 'state' | 'answer' | 'redeployId' | 'resolvedBy' | 'resolvedAt'>,
): Promise<TicketRow | undefined> {
  const [row] = await tx
    .update(tickets)
    .set(set)
    .where(and(eq(tickets.id, id), eq(tickets.state, 'OPEN')))
    .returning();
  return row;
}
