// The states of checks and incidents, and by whom results are made.
import { incidentStates, resolutions } from '../model/monitoring/incidents.ts';
import { checkStates } from '../model/monitoring/observations.ts';
import { resultSources } from '../model/monitoring/results.ts';
import { builder } from './builder.ts';
import { described } from './described.ts';

export const CheckStateEnum = builder.enumType('CheckState', {
  description: 'What a check says, by the convention of Nagios and Sensu.',
  values: described(checkStates, {
    OK: 'All is well (0).',
    WARNING: 'It needs attention before long (1).',
    CRITICAL: 'It needs attention now (2).',
    UNKNOWN: 'The check could not tell (3).',
    PENDING: 'There is no result yet: it is new, or its service is not running.',
  }),
});

export const ResultSourceEnum = builder.enumType('CheckResultSource', {
  description: 'Who made a result.',
  values: described(resultSources, {
    MONITOR: "The environment's monitoring service, from within its network.",
    CONTROL_PLANE: 'The platform itself.',
  }),
});

export const IncidentStateEnum = builder.enumType('IncidentState', {
  description: 'How far an incident is. It ends once.',
  values: described(incidentStates, {
    OPEN: 'Nobody has said to take care of it.',
    ACKNOWLEDGED: 'Somebody takes care of it.',
    RESOLVED: 'It is over.',
  }),
});

export const ResolutionEnum = builder.enumType('IncidentResolution', {
  description: 'Why an incident ended.',
  values: described(resolutions, {
    RECOVERED: 'The check passes again.',
    PAUSED: 'The check was paused.',
    REMOVED: 'The check was removed, or its service.',
    NOT_CHECKED: 'The service was stopped, so that the check is not made any more.',
  }),
});
