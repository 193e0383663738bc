// Support tickets: what only the support side can do, and how far it is.

export const ticketKinds = ['REDEPLOY', 'OVERLAP_PERIOD', 'OTHER'] as const;
export type TicketKind = (typeof ticketKinds)[number];

/** It is open once, and ends once. */
export const ticketStates = ['OPEN', 'ACCEPTED', 'REJECTED', 'WITHDRAWN'] as const;
export type TicketState = (typeof ticketStates)[number];

export const ticketLimits = { textLength: 4_000, openPerEnvironment: 50 } as const;

/** The longest time for which replaced jobs go on running, in seconds. */
export const overlapSeconds = { minimum: 0, maximum: 3_600 } as const;
