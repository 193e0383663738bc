// Cursors: a place in a stream, opaque to clients, given back unchanged. One form for all streams, so that a subscription,
// an SSE connection and a query understand each other's.
import { InvalidInput } from '../errors.ts';
import type { Position } from '../model/events.ts';

const kinds = {
  EVENTS: { letter: 'e', of: 'an event stream' },
  RESULTS: { letter: 'r', of: 'a stream of check results' },
} as const;
export type CursorKind = keyof typeof kinds;

export function writeCursor({ environmentId, epoch, seq }: Position, kind: CursorKind = 'EVENTS'): string {
  return encode([kinds[kind].letter, environmentId, epoch, String(seq)]);
}

export function readCursor(
  cursor: string,
  kind: CursorKind = 'EVENTS',
  path: string[] = ['after'],
): Position {
  const [letter, environmentId, epoch, seq] = decode(cursor);
  const number = Number(seq);
  if (
    letter !== kinds[kind].letter ||
    !environmentId ||
    !epoch ||
    !Number.isSafeInteger(number) ||
    number < 0
  )
    throw new InvalidInput(path, `is no cursor of ${kinds[kind].of}. Give back one that you were given.`);
  return { environmentId, epoch, seq: number };
}

/** A place in the lines of one job: of the kept ones by number, of a running container's by time and ordinal. */
export interface LinePosition {
  readonly jobId: string;
  readonly timeNanos: bigint;
  /** How many lines of this very time were given already. */
  readonly ordinal: number;
}

export function writeLineCursor({ jobId, timeNanos, ordinal }: LinePosition): string {
  return encode(['l', jobId, String(timeNanos), String(ordinal)]);
}

export function readLineCursor(cursor: string, path: string[] = ['after']): LinePosition {
  const [kind, jobId, time, ordinal] = decode(cursor);
  if (kind !== 'l' || !jobId || !time || !/^\d{1,25}$/.test(time) || !/^\d{1,9}$/.test(ordinal ?? ''))
    throw new InvalidInput(path, 'is no cursor of a job log. Give back one that you were given.');
  return { jobId, timeNanos: BigInt(time), ordinal: Number(ordinal) };
}

function encode(parts: readonly string[]): string {
  return Buffer.from(parts.join(' ')).toString('base64url');
}

function decode(cursor: string): string[] {
  return cursor.length > 200 ? [] : Buffer.from(cursor, 'base64url').toString('utf8').split(' ');
}
