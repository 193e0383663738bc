// A clock whose time goes on only when nothing else can: everything that was begun has come as far as it comes without
// waiting, and then it is at once as late as whoever waits for the earliest moment wants it to be.
import type { Clock } from '../../src/clock.ts';

interface Timer {
  readonly at: number;
  fire(): void;
}

export interface SimulatedClock extends Clock {
  /** Until somebody says so; `settle` answers when nothing is under way any more. */
  runUntil(isOver: () => boolean, settle: () => Promise<void>): Promise<void>;
}

/** Nobody waits this long; whatever does is stuck. */
const longestMs = 3_600_000;
const mostSteps = 50_000;

export function newClock(beginning: Date): SimulatedClock {
  const timers = new Set<Timer>();
  let now = 0;

  function earliest(): Timer | undefined {
    let found: Timer | undefined;
    for (const timer of timers) if (found === undefined || timer.at < found.at) found = timer;
    return found;
  }
  return {
    now: () => now,
    date: () => new Date(beginning.getTime() + now),
    sleep: (milliseconds, signal) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted) {
          reject(signal.reason);
          return;
        }
        const abort = () => {
          timers.delete(timer);
          reject(signal?.reason);
        };
        const timer: Timer = {
          at: now + Math.max(0, milliseconds),
          fire: () => {
            signal?.removeEventListener('abort', abort);
            resolve();
          },
        };
        timers.add(timer);
        signal?.addEventListener('abort', abort);
      }),
    runUntil: async (isOver, settle) => {
      for (let steps = 0; ; steps++) {
        if (steps > mostSteps) throw new Error('It goes on without an end.');
        await settle();
        if (isOver()) return;
        const next = earliest();
        if (next === undefined) throw new Error('Nothing is left to wait for.');
        if (next.at > longestMs) throw new Error('An hour has passed.');
        timers.delete(next);
        now = Math.max(now, next.at);
        next.fire();
      }
    },
  };
}

/** As one process has it: what it waits for never comes once the process is dead, and late while it is stopped. */
export function clockOf(
  clock: Clock,
  process: { readonly dead: boolean; readonly stopped: Promise<void> | undefined },
): Clock {
  return {
    ...clock,
    sleep: async (milliseconds, signal) => {
      await clock.sleep(milliseconds, signal);
      await standingStill(process);
    },
  };
}

export async function standingStill(process: {
  readonly dead: boolean;
  readonly stopped: Promise<void> | undefined;
}): Promise<void> {
  while (process.stopped !== undefined && !process.dead) await process.stopped;
  if (process.dead) await new Promise(() => {});
}
