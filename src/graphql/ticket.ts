// Support tickets: the type, its list on an environment, and the mutations from opening to resolution.
import { ticketsPage } from '../control/loading.ts';
import * as control from '../control/tickets.ts';
import { isId } from '../ids.ts';
import { ticketKinds, ticketLimits, ticketStates } from '../model/tickets.ts';
import { builder } from './builder.ts';
import { childPage, pageRequest } from './connections.ts';
import { described } from './described.ts';
import { sized } from './environment.ts';
import { loadEach, loaded, localId } from './ids.ts';
import { mutation, type Payload } from './mutation.ts';
import { ActorRef } from './redeploy.ts';
import { EnvironmentRef, RedeployRef, ServiceRef, TicketRef } from './refs.ts';

const TicketKindEnum = builder.enumType('SupportTicketKind', {
  description: 'What is asked of the support side.',
  values: described(ticketKinds, {
    REDEPLOY: 'A redeploy, above all of a service that is not redeployable. Accepting it performs it.',
    OVERLAP_PERIOD: 'An overlap period for a code service. Accepting it sets the period that was asked for.',
    OTHER: 'Anything else, in words.',
  }),
});

const TicketStateEnum = builder.enumType('SupportTicketState', {
  description: 'How far a ticket is. It ends once.',
  values: described(ticketStates, {
    OPEN: 'Waiting for an operator.',
    ACCEPTED: 'An operator accepted it, and what was asked for has been done or begun.',
    REJECTED: 'An operator rejected it; see the answer.',
    WITHDRAWN: 'The customer took it back.',
  }),
});

builder.node(TicketRef, {
  description: 'A request to the support side, from opening to resolution; each step is an event.',
  id: { resolve: (row) => row.id, description: 'Global id.' },
  loadManyWithoutCache: (ids, { loaders }) => loadEach(loaders.ticket, ids),
  fields: (t) => ({
    environment: t.field({
      type: EnvironmentRef,
      description: 'Where it belongs.',
      resolve: (row, _args, { loaders }) => loaded(loaders.environment.load(row.environmentId)),
    }),
    service: t.field({
      type: ServiceRef,
      nullable: true,
      description: 'The service it is about; null when about the environment as a whole.',
      resolve: (row, _args, { loaders }) =>
        row.serviceId === null ? null : loaders.service.load(row.serviceId),
    }),
    kind: t.expose('kind', { type: TicketKindEnum, description: 'What is asked for.' }),
    state: t.expose('state', { type: TicketStateEnum, description: 'How far it is.' }),
    text: t.exposeString('text', { description: 'What the customer wrote.' }),
    overlapSeconds: t.exposeInt('overlapSeconds', {
      nullable: true,
      description: 'OVERLAP_PERIOD: the period asked for, in seconds.',
    }),
    answer: t.exposeString('answer', { nullable: true, description: 'What the operator answered.' }),
    redeploy: t.field({
      type: RedeployRef,
      nullable: true,
      description: 'REDEPLOY, accepted: the redeploy it led to.',
      resolve: (row, _args, { loaders }) =>
        row.redeployId === null ? null : loaders.redeploy.load(row.redeployId),
    }),
    openedBy: t.field({
      type: ActorRef,
      description: 'Who opened it.',
      resolve: (row) => ({ name: row.openedBy }),
    }),
    openedAt: t.expose('openedAt', { type: 'DateTime', description: 'When it was opened.' }),
    resolvedBy: t.field({
      type: ActorRef,
      nullable: true,
      description: 'Who ended it; null while it is open.',
      resolve: (row) => (row.resolvedBy === null ? null : { name: row.resolvedBy }),
    }),
    resolvedAt: t.expose('resolvedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it ended; null while it is open.',
    }),
  }),
});

builder.objectField(EnvironmentRef, 'supportTickets', (t) =>
  t.connection(
    {
      type: TicketRef,
      description: 'Its support tickets, newest first.',
      args: {
        open: t.arg.boolean({ required: false, description: 'Only open ones, or only ended ones.' }),
      },
      complexity: sized,
      resolve: (row, args, context, info) =>
        childPage(context, info, row.id, () => {
          const request = pageRequest(args, isId);
          const open = args.open ?? undefined;
          return {
            request,
            load: (ids) => ticketsPage(context.control, ids, open, request),
            keyOf: ({ id }) => id,
          };
        }),
    },
    { name: 'SupportTicketConnection', description: 'A page of support tickets.' },
    { name: 'SupportTicketEdge', description: 'One support ticket in its list.' },
  ),
);

function payload(name: string, description: string) {
  return builder.objectRef<Payload>(name).implement({
    description,
    fields: (t) => ({
      ticket: t.field({
        type: TicketRef,
        description: 'The ticket as it is now.',
        resolve: ({ ids }, _args, { loaders }) => loaded(loaders.ticket.load(ids.ticketId ?? '')),
      }),
    }),
  });
}

mutation({
  name: 'openSupportTicket',
  description:
    'Asks the support side for something. LIMIT past 50 open tickets of an environment. Needs the scope `deploy`.',
  input: builder.inputType('OpenSupportTicketInput', {
    description: 'A new ticket.',
    fields: (t) => ({
      environmentId: t.id({ description: 'Where it belongs.' }),
      serviceId: t.id({
        required: false,
        description: 'The service it is about; needed unless the kind is OTHER.',
      }),
      kind: t.field({ type: TicketKindEnum, description: 'What is asked for.' }),
      text: t.string({ description: `In words, 1 to ${ticketLimits.textLength} characters.` }),
      overlapSeconds: t.int({
        required: false,
        description: 'OVERLAP_PERIOD: the period asked for, 0 to 3600 seconds.',
      }),
      idempotencyKey: t.string({ required: false, description: 'The same key has one effect.' }),
    }),
  }),
  payload: payload('OpenSupportTicketPayload', 'The new ticket.'),
  run: (room, caller, input) =>
    control.openSupportTicket(room, caller, {
      ...input,
      environmentId: localId('Environment', input.environmentId, ['input', 'environmentId']),
      serviceId: input.serviceId == null ? null : localId('Service', input.serviceId, ['input', 'serviceId']),
    }),
});

mutation({
  name: 'resolveSupportTicket',
  description:
    'Accepts or rejects a ticket; operators only. Accepting REDEPLOY asks for the redeploy with reason SUPPORT_TICKET, accepting OVERLAP_PERIOD sets the period, in the same transaction. CONFLICT when it has ended already.',
  input: builder.inputType('ResolveSupportTicketInput', {
    description: 'How a ticket ends.',
    fields: (t) => ({
      ticketId: t.id({ description: 'Which ticket.' }),
      accept: t.boolean({ description: 'True: what was asked for is done.' }),
      answer: t.string({ required: false, description: 'A word to the customer.' }),
    }),
  }),
  payload: payload('ResolveSupportTicketPayload', 'The ended ticket.'),
  run: (room, caller, input) =>
    control.resolveSupportTicket(room, caller, { ...input, ticketId: ticketIdOf(input.ticketId) }),
});

mutation({
  name: 'withdrawSupportTicket',
  description: 'Takes an open ticket back. CONFLICT when it has ended already. Needs the scope `deploy`.',
  input: builder.inputType('WithdrawSupportTicketInput', {
    description: 'A ticket to take back.',
    fields: (t) => ({ ticketId: t.id({ description: 'Which ticket.' }) }),
  }),
  payload: payload('WithdrawSupportTicketPayload', 'The ended ticket.'),
  run: (room, caller, input) =>
    control.withdrawSupportTicket(room, caller, { ticketId: ticketIdOf(input.ticketId) }),
});

function ticketIdOf(globalId: string): string {
  return localId('SupportTicket', globalId, ['input', 'ticketId']);
}
