// Time and waiting. The orchestrator takes both from a clock that is given to it, so that a simulation can have hours pass
// in a moment; everybody else waits by the real one.
import { setTimeout as sleep } from 'node:timers/promises';

export interface Clock {
  /** Milliseconds since any beginning; they only ever go on. */
  now(): number;
  /** The time of day by this process. */
  date(): Date;
  /** Rejects when the signal fires first. */
  sleep(milliseconds: number, signal?: AbortSignal): Promise<void>;
}

export const realClock: Clock = {
  now: () => performance.now(),
  date: () => new Date(),
  sleep: (milliseconds, signal) => sleep(milliseconds, undefined, { signal }),
};

/** Answers when one of these has settled, the time is over, or the signal fires; rejects when one of these does first. */
export async function waitForAny(
  these: readonly PromiseLike<unknown>[],
  milliseconds: number,
  signal: AbortSignal,
  clock = realClock,
): Promise<void> {
  const over = new AbortController();
  const either = AbortSignal.any([over.signal, signal]);
  // No timer is left behind.
  await Promise.race([...these, clock.sleep(milliseconds, either).catch(() => {})]);
  over.abort();
}
