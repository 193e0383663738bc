// Scalars and the enums that more than one noun uses.
import { scopes } from '../model/callers.ts';
import { healths } from '../model/status.ts';
import { builder } from './builder.ts';
import { described } from './described.ts';

builder.scalarType('DateTime', {
  description:
    'A moment, RFC 3339 in UTC with milliseconds, for example 2026-03-01T12:00:00.000Z; of the years 1 to 9999.',
  serialize: writeMoment,
  parseValue: (value) => {
    const rfc3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/i;
    const date = typeof value === 'string' && rfc3339.test(value) ? new Date(value) : undefined;
    if (date === undefined || Number.isNaN(date.getTime()))
      throw new TypeError('DateTime must be RFC 3339, for example 2026-03-01T12:00:00Z.');
    const year = date.getUTCFullYear();
    if (year < 1 || year > 9999) throw new TypeError('DateTime must lie within the years 1 to 9999 in UTC.');
    return date;
  },
});

builder.scalarType('Cursor', {
  description:
    "A place in a stream, opaque: given back unchanged as `after`, the stream goes on behind it. A cursor of another environment, or of a log that was begun anew since, is answered with a Gap; what is no cursor of this kind of stream is refused as INVALID. The same cursors serve subscriptions, SSE's Last-Event-ID and queries.",
  serialize: (value) => value,
  parseValue: (value) => {
    if (typeof value !== 'string') throw new TypeError('Cursor must be a string.');
    return value;
  },
});

export const HealthEnum = builder.enumType('Health', {
  description:
    'How a service or environment is, computed from its jobs alone, so that no two views can disagree.',
  values: described(healths, {
    NOT_DEPLOYED: 'Nothing was deployed yet; a code service waits for its first push.',
    STOPPED: 'Stopped by intent: by stopService or a scale of 0.',
    DEPLOYING: 'A redeploy is open.',
    HEALTHY: 'As many jobs as wanted are healthy.',
    DEGRADED: 'Some of the wanted jobs are healthy, not all.',
    FAILING: 'None is healthy, or its jobs died too often and are not started again by themselves.',
  }),
});

export const EnvironmentKind = builder.enumType('EnvironmentKind', {
  description: 'What an environment is for.',
  values: described(['SANDBOX', 'PRODUCTION'] as const, {
    SANDBOX: 'For trying things; has no monitoring service.',
    PRODUCTION: 'For real use.',
  }),
});

export const ScopeEnum = builder.enumType('Scope', {
  description:
    'What a token may do. Scopes add up; none implies another. What a token may not READ is not there for it, so that nearly everything needs READ as well, git included.',
  values: {
    READ: { value: scopes[0], description: 'Read everything but the values of variables.' },
    DEPLOY: { value: scopes[1], description: 'Create and change services, set variables, push, redeploy.' },
    SECRETS_READ: { value: scopes[2], description: 'Read the values of variables; each reading is audited.' },
    ADMIN: {
      value: scopes[3],
      description: 'Create and delete environments, delete services, manage tokens.',
    },
  } as const,
});

const dayMs = 86_400_000;
const digits = (length: number, count: number) =>
  Array.from({ length: count }, (_, number) => String(number).padStart(length, '0'));
const [two, three] = [digits(2, 60), digits(3, 1_000)];
let [lastDay, lastDayText] = [Number.NaN, ''];

/** As `toISOString`, in a sixth of its time: a page has hundreds of moments, most of them of one day. */
function writeMoment(moment: Date): string {
  const time = moment.getTime();
  const day = Math.floor(time / dayMs);
  if (day !== lastDay) {
    const text = moment.toISOString();
    [lastDay, lastDayText] = [day, text.slice(0, text.indexOf('T') + 1)];
  }
  const ms = time - day * dayMs;
  const seconds = Math.floor(ms / 1_000);
  const minutes = Math.floor(seconds / 60);
  const clock = `${two[Math.floor(minutes / 60)]}:${two[minutes % 60]}:${two[seconds % 60]}`;
  return `${lastDayText}${clock}.${three[ms % 1_000]}Z`;
}
