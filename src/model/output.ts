// Lines of a job's output, and where each stands: by time and, among lines of one time, by its number. A clock that goes
// back doesn't move a line before an earlier one.

export interface OutputLine {
  /** Nanoseconds since the epoch. */
  readonly timeNanos: bigint;
  readonly stream: 'STDOUT' | 'STDERR';
  readonly text: string;
}

export interface LinePlace {
  readonly timeNanos: bigint;
  /** How many lines of this very time there are up to and including this one. */
  readonly ordinal: number;
}

export const firstPlace: LinePlace = { timeNanos: 0n, ordinal: 0 };

export function placeAfter(previous: LinePlace, line: Pick<OutputLine, 'timeNanos'>): LinePlace {
  if (line.timeNanos > previous.timeNanos) return { timeNanos: line.timeNanos, ordinal: 1 };
  return { timeNanos: previous.timeNanos, ordinal: previous.ordinal + 1 };
}

export function isAfter(place: LinePlace, other: LinePlace): boolean {
  return (
    place.timeNanos > other.timeNanos ||
    (place.timeNanos === other.timeNanos && place.ordinal > other.ordinal)
  );
}
