// Waiting for one of several things, with a bound, and without leaving a timer behind.
import { setTimeout as sleep } from 'node:timers/promises';

/** Answers when one of these has settled, the time is over, or the signal fires; rejects when one of these does first. */
export async function waitForAny(
  these: readonly PromiseLike<unknown>[],
  milliseconds: number,
  signal: AbortSignal,
): Promise<void> {
  const over = new AbortController();
  const either = AbortSignal.any([over.signal, signal]);
  await Promise.race([...these, sleep(milliseconds, undefined, { signal: either }).catch(() => {})]);
  over.abort();
}
