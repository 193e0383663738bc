// What the mutations of support tickets and maintenance must refuse.
import { type BadInput, badKeys, long } from './bad-input.ts';

const v = 'ValidationError';
const conflict = 'ConflictError';

export const badTickets: Readonly<Record<string, readonly BadInput[]>> = {
  enableMaintenance: maintenanceCases(),
  disableMaintenance: maintenanceCases(),
  openSupportTicket: [
    ...['', ' \n ', long(4_001), 'a\0b', '\ud800'].map(
      (text): BadInput => [v, 'text', (o) => ({ environmentId: o.Environment, kind: 'OTHER', text })],
    ),
    ...['REDEPLOY', 'OVERLAP_PERIOD'].map(
      (kind): BadInput => [v, 'serviceId', (o) => ({ environmentId: o.Environment, kind, text: 'a' })],
    ),
    ...['REDEPLOY', 'OTHER'].map(
      (kind): BadInput => [
        v,
        'overlapSeconds',
        (o) => ({ ...ticket(o.Environment, kind), serviceId: o.Service, overlapSeconds: 5 }),
      ],
    ),
    [v, 'overlapSeconds', (o) => ({ ...ticket(o.Environment, 'OVERLAP_PERIOD'), serviceId: o.Service })],
    ...[-1, 3_601].map(
      (overlapSeconds): BadInput => [
        v,
        'overlapSeconds',
        (o) => ({ ...ticket(o.Environment, 'OVERLAP_PERIOD'), serviceId: o.Service, overlapSeconds }),
      ],
    ),
    [
      v,
      'overlapSeconds',
      (o) => ({ ...ticket(o.Environment, 'OVERLAP_PERIOD'), serviceId: o.cache, overlapSeconds: 5 }),
    ],
    [
      'NotFoundError',
      'serviceId',
      (o) => ({ ...ticket(o.Environment, 'OTHER'), serviceId: o.elsewhere.Service }),
    ],
    [
      conflict,
      'serviceId',
      (o) => ({ ...ticket(o.elsewhere.Environment, 'OTHER'), serviceId: o.doomedService }),
    ],
    [conflict, 'environmentId', (o) => ticket(o.doomed.Environment, 'OTHER')],
    ...badKeys((o, idempotencyKey) => ({ ...ticket(o.Environment, 'OTHER'), idempotencyKey })),
  ],
  resolveSupportTicket: [
    ...['', ' ', long(4_001), 'a\0b', '\ud800'].map(
      (answer): BadInput => [v, 'answer', (o) => ({ ticketId: o.SupportTicket, accept: true, answer })],
    ),
    [conflict, 'ticketId', (o) => ({ ticketId: o.endedTicket, accept: true })],
    [conflict, 'ticketId', (o) => ({ ticketId: o.doomed.SupportTicket, accept: false })],
    ['ForbiddenError', '-', (o) => ({ ticketId: o.SupportTicket, accept: true }), 'ordinary'],
    ['ForbiddenError', '-', (o) => ({ ticketId: o.SupportTicket, accept: false }), 'ordinary'],
  ],
  withdrawSupportTicket: [
    [conflict, 'ticketId', (o) => ({ ticketId: o.endedTicket })],
    [conflict, 'ticketId', (o) => ({ ticketId: o.doomed.SupportTicket })],
  ],
};

function ticket(environmentId: string, kind: string) {
  return { environmentId, kind, text: 'Please' };
}

function maintenanceCases(): BadInput[] {
  return [
    [v, 'serviceId', (o) => ({ serviceId: o.cache })],
    [conflict, 'serviceId', (o) => ({ serviceId: o.doomed.Service })],
    [conflict, 'serviceId', (o) => ({ serviceId: o.doomedService })],
  ];
}
