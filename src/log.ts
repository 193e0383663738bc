// The one logger: JSON lines on stderr, so that stdout stays free for what a person asked for; programs within containers,
// whom no person asks, log to stdout. `BERTH_LOG_LEVEL` takes fatal, error, warn, info (the default), debug, trace or
// silent. Holds no policy on what is logged where; it only makes sure that a secret passed by mistake under a telling name
// doesn't come out.
import { type Logger, pino } from 'pino';
import { InvalidInput } from './errors.ts';

export type Log = Logger;

const levels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'];

const secretKey = /token|password|passphrase|secret|authorization|cookie|credential|private.?key|api.?key/i;

export function openLog(level = process.env.BERTH_LOG_LEVEL || 'info', to: 1 | 2 = 2): Log {
  if (!levels.includes(level)) {
    throw new InvalidInput(
      ['BERTH_LOG_LEVEL'],
      `"${level}" is no log level. Set BERTH_LOG_LEVEL to one of ${levels.join(', ')}.`,
    );
  }
  return pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime, formatters: { log: redact } },
    pino.destination({ dest: to, sync: true }),
  );
}

/** pino's own redaction takes fixed paths; ours goes by name at any depth, because objects are logged whole. */
function redact(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, hide(key, value, 0)]));
}

const deepest = 6;

function hide(key: string, value: unknown, depth: number): unknown {
  if (secretKey.test(key)) return value === undefined || value === null ? value : '[hidden]';
  if (value === null || typeof value !== 'object') return value;
  // Errors are pino's to print under `err`; everything with an own form (dates, URLs, buffers) keeps it.
  if (!Array.isArray(value) && Object.getPrototypeOf(value) !== Object.prototype) return value;
  if (depth === deepest) return '[deeper]';
  if (Array.isArray(value)) return value.map((item) => hide('', item, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [name, hide(name, inner, depth + 1)]),
  );
}
