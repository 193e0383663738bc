// A clock that stands still until it is told to go on, and then stops at every wake on the way.
import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../../../src/agents/monitoring/clock.ts';

export interface FakeClock extends Clock {
  /** Goes on to that time; everything that was to happen until then has happened when it answers. */
  goTo(time: number): Promise<void>;
  /** Jumps there like a machine that was frozen: late for every wake in between. */
  freezeUntil(time: number): Promise<void>;
  readonly waiting: number;
}

export function newFakeClock(start: number): FakeClock {
  let now = start;
  const wakes = new Set<{ readonly time: number; readonly wake: () => void }>();
  async function goTo(time: number): Promise<void> {
    for (;;) {
      await setImmediate();
      const next = [...wakes].reduce((a, b) => (b.time < a.time ? b : a), { time: Infinity, wake: () => {} });
      if (next.time > time) break;
      wakes.delete(next);
      now = Math.max(now, next.time);
      next.wake();
    }
    now = time;
  }
  return {
    now: () => now,
    stamp: () => new Date(now),
    wakeAt(time, wake) {
      const entry = { time, wake };
      wakes.add(entry);
      return () => wakes.delete(entry);
    },
    goTo,
    async freezeUntil(time) {
      now = time;
      await goTo(time);
    },
    get waiting() {
      return wakes.size;
    },
  };
}
