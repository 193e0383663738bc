// Incidents: from the hard state of a check that nothing excuses to its end.

export const incidentStates = ['OPEN', 'ACKNOWLEDGED', 'RESOLVED'] as const;
export type IncidentState = (typeof incidentStates)[number];

/** Why an incident ended: its check passes again, or isn't made any more. */
export const resolutions = ['RECOVERED', 'PAUSED', 'REMOVED', 'NOT_CHECKED'] as const;
export type Resolution = (typeof resolutions)[number];
