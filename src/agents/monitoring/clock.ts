// The agent's time: one clock that never jumps, to plan by, and the stamp that people read. A test gives another.

export interface Clock {
  /** Milliseconds since the epoch as of the start, going on evenly whatever is done to the machine's clock. */
  now(): number;
  /** Wakes once, at that time or a millisecond off it, within some days; the answer calls it off. */
  wakeAt(time: number, wake: () => void): () => void;
  /** The machine's own time of day. */
  stamp(): Date;
}

export const systemClock: Clock = {
  now: monotonic,
  wakeAt(time, wake) {
    const timer = setTimeout(wake, Math.max(0, Math.ceil(time - monotonic())));
    return () => clearTimeout(timer);
  },
  stamp: () => new Date(),
};

function monotonic(): number {
  return performance.timeOrigin + performance.now();
}
