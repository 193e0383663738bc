// Support tickets: opened by customers for what only the support side may do, and resolved by operators. An accepted one
// does what was asked for in the same transaction: a redeploy with reason SUPPORT_TICKET, or the overlap period.
import { Conflict, InvalidInput, LimitReached, NotFound } from '../errors.ts';
import { newId } from '../ids.ts';
import { authoriseAction, type Caller } from '../model/callers.ts';
import { checkText } from '../model/rules.ts';
import { type TicketKind, ticketLimits } from '../model/tickets.ts';
import type { Change } from '../postgres/change.ts';
import { requestRedeploy, wantedSpec } from '../postgres/request-redeploy.ts';
import { listServicesById, updateService } from '../postgres/services.ts';
import {
  countOpenTickets,
  endTicket,
  insertTicket,
  listTicketsById,
  type TicketRow,
} from '../postgres/tickets.ts';
import { type Control, type Mutated, mutate } from './control.ts';
import { environmentFor, serviceFor } from './places.ts';
import { checkOverlap } from './update-service.ts';

export type TicketIds = { ticketId: string; environmentId: string };

export interface OpenSupportTicketInput {
  readonly environmentId: string;
  readonly serviceId?: string | null | undefined;
  readonly kind: TicketKind;
  readonly text: string;
  /** OVERLAP_PERIOD: the period asked for. */
  readonly overlapSeconds?: number | null | undefined;
  readonly idempotencyKey?: string | null | undefined;
}

export function openSupportTicket(
  control: Control,
  caller: Caller,
  input: OpenSupportTicketInput,
): Promise<Mutated<TicketIds>> {
  return mutate(control, caller, { name: 'openSupportTicket', input }, async (change) => {
    const environment = await environmentFor(change, caller, 'DEPLOY', input.environmentId);
    const { id: environmentId } = environment;
    const text = checkText(input.text, ticketLimits.textLength, ['input', 'text']);
    const subject = await subjectOf(change, environmentId, input);
    const open = await countOpenTickets(change.tx, environmentId);
    const most = ticketLimits.openPerEnvironment;
    if (open >= most)
      throw new LimitReached(`An environment has at most ${most} open tickets.`, ['input'], most, open);
    const { kind } = input;
    const row = { id: newId(), environmentId, kind, text, openedBy: caller.tokenName, ...subject };
    const ticket = await insertTicket(change.tx, row);
    const about = ticket.serviceId === null ? environment.name : await labelOf(change, ticket.serviceId);
    change.emit({
      environmentId,
      serviceId: ticket.serviceId,
      type: 'TICKET_OPENED',
      data: { ticketId: ticket.id, kind },
      message: `${caller.tokenName} opened a support ticket (${kind}) about ${about}.`,
    });
    audit(change, caller, ticket, 'openSupportTicket');
    return { ids: { ticketId: ticket.id, environmentId }, environmentId };
  });
}

async function subjectOf(
  { tx }: Change,
  environmentId: string,
  { kind, serviceId, overlapSeconds }: OpenSupportTicketInput,
): Promise<Pick<TicketRow, 'serviceId' | 'overlapSeconds'>> {
  const path = ['input', 'serviceId'];
  if (kind !== 'OVERLAP_PERIOD' && overlapSeconds != null)
    throw new InvalidInput(['input', 'overlapSeconds'], 'is for tickets of kind OVERLAP_PERIOD only.');
  if (serviceId == null) {
    if (kind !== 'OTHER') throw new InvalidInput(path, `is needed for a ticket of kind ${kind}.`);
    return { serviceId: null, overlapSeconds: null };
  }
  const [service] = await listServicesById(tx, [serviceId]);
  if (service === undefined || service.environmentId !== environmentId || service.deletedAt !== null)
    throw new NotFound('service', path);
  if (service.deletionRequestedAt !== null)
    throw new Conflict(`The service ${service.label} is being deleted.`, path, {
      type: 'Service',
      id: serviceId,
    });
  if (kind !== 'OVERLAP_PERIOD') return { serviceId, overlapSeconds: null };
  if (overlapSeconds == null)
    throw new InvalidInput(['input', 'overlapSeconds'], 'is needed for a ticket of kind OVERLAP_PERIOD.');
  return { serviceId, overlapSeconds: checkOverlap(service, overlapSeconds) };
}

export interface ResolveSupportTicketInput {
  readonly ticketId: string;
  readonly accept: boolean;
  readonly answer?: string | null | undefined;
}

/** Operators only. */
export function resolveSupportTicket(
  control: Control,
  caller: Caller,
  input: ResolveSupportTicketInput,
): Promise<Mutated<TicketIds>> {
  return mutate(control, caller, { name: 'resolveSupportTicket', input: {} }, async (change) => {
    const ticket = await ticketFor(change, caller, input.ticketId);
    authoriseAction(caller, 'OPERATE');
    const text = input.answer ?? null;
    const answer = text === null ? null : checkText(text, ticketLimits.textLength, ['input', 'answer']);
    const redeployId = input.accept ? await carryOut(control, caller, change, ticket) : null;
    await end(change, caller, ticket, input.accept ? 'ACCEPTED' : 'REJECTED', answer, redeployId);
    const { environmentId } = ticket;
    return { ids: { ticketId: ticket.id, environmentId }, environmentId };
  });
}

/** By whoever may deploy in the environment. */
export function withdrawSupportTicket(
  control: Control,
  caller: Caller,
  input: { readonly ticketId: string },
): Promise<Mutated<TicketIds>> {
  return mutate(control, caller, { name: 'withdrawSupportTicket', input: {} }, async (change) => {
    const ticket = await ticketFor(change, caller, input.ticketId);
    await end(change, caller, ticket, 'WITHDRAWN', null, null);
    const { environmentId } = ticket;
    return { ids: { ticketId: ticket.id, environmentId }, environmentId };
  });
}

async function ticketFor(change: Change, caller: Caller, id: string): Promise<TicketRow> {
  const path = ['input', 'ticketId'];
  const [found] = await listTicketsById(change.tx, [id]);
  if (found === undefined) throw new NotFound('ticket', path);
  await environmentFor(change, caller, 'DEPLOY', found.environmentId, path, 'ticket');
  const [ticket] = await listTicketsById(change.tx, [id]);
  if (ticket === undefined) throw new NotFound('ticket', path);
  if (ticket.state !== 'OPEN') throw new Conflict(`The ticket has been ended: ${ticket.state}.`, path);
  return ticket;
}

/** Answers with the redeploy it has led to. */
async function carryOut(
  { settings }: Control,
  caller: Caller,
  change: Change,
  { kind, serviceId, overlapSeconds, id }: TicketRow,
): Promise<string | null> {
  if (kind === 'OTHER' || serviceId === null) return null;
  const placed = await serviceFor(change, caller, 'DEPLOY', serviceId, ['input', 'ticketId']);
  const { service } = placed;
  if (kind === 'OVERLAP_PERIOD') {
    await updateService(change.tx, service.id, { overlapSeconds: checkOverlap(service, overlapSeconds) });
    change.emit({
      environmentId: service.environmentId,
      serviceId,
      type: 'SERVICE_UPDATED',
      data: { fields: ['overlapSeconds'] },
      message: `${caller.tokenName} set the overlap period of ${service.label} to ${overlapSeconds} s.`,
    });
    return null;
  }
  const spec = await wantedSpec(change.tx, service);
  if (spec === undefined)
    throw new Conflict(
      `${service.label} has no release yet: there is nothing to redeploy. Reject the ticket, or wait for the first push.`,
      ['input', 'ticketId'],
      { type: 'Service', id: serviceId },
    );
  const redeploy = await requestRedeploy(change, placed, spec, {
    reason: 'SUPPORT_TICKET',
    note: `Support ticket ${id}`,
    requestedBy: caller.tokenName,
    deadlineSeconds: settings.deadlineSeconds,
  });
  return redeploy.id;
}

async function end(
  change: Change,
  caller: Caller,
  ticket: TicketRow,
  state: 'ACCEPTED' | 'REJECTED' | 'WITHDRAWN',
  answer: string | null,
  redeployId: string | null,
): Promise<void> {
  const resolvedBy = caller.tokenName;
  await endTicket(change.tx, ticket.id, { state, answer, redeployId, resolvedBy, resolvedAt: new Date() });
  change.emit({
    environmentId: ticket.environmentId,
    serviceId: ticket.serviceId,
    redeployId,
    type: 'TICKET_RESOLVED',
    data: { ticketId: ticket.id, state },
    message: `${resolvedBy} ${state.toLowerCase()} a support ticket (${ticket.kind}).${answer === null ? '' : ` ${answer}`}`,
  });
  audit(
    change,
    caller,
    ticket,
    state === 'WITHDRAWN' ? 'withdrawSupportTicket' : 'resolveSupportTicket',
    state,
  );
}

function audit(change: Change, caller: Caller, ticket: TicketRow, action: string, after?: string): void {
  const subject = { environmentId: ticket.environmentId, subjectType: 'Ticket', subjectId: ticket.id };
  change.audit({ caller, action, ...subject, ...(after === undefined ? {} : { after }) });
}

async function labelOf({ tx }: Change, serviceId: string): Promise<string> {
  const [service] = await listServicesById(tx, [serviceId]);
  return service?.label ?? serviceId;
}
