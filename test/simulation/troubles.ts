// How one process of the simulated world reaches the engine: each request takes its time, and while there are troubles it is
// lost before anything was done, or its answer is lost afterwards, at once or after the longest wait.
import type { Clock } from '../../src/clock.ts';
import { EngineFault } from '../../src/runtime/runtime.ts';
import type { Chance } from '../model/world/chance.ts';
import { standingStill } from './clock.ts';
import type { Ask } from './runtime.ts';

export interface Troubles {
  /** How often a request comes to grief. */
  rate: number;
  /** Until then nothing reaches the engine. */
  awayUntil: number;
  /** Until then no proxy answers; all serve on. */
  proxiesAwayUntil: number;
}

export interface Process {
  dead: boolean;
  /** Settles when it goes on; undefined while it goes. */
  stopped: Promise<void> | undefined;
}

const longestWaitMs = 5_000;
const slow = /^(start|create) container/;

export function askWith(clock: Clock, chance: Chance, troubles: Troubles, process: Process): Ask {
  return async <T>(operation: string, effect: () => T): Promise<T> => {
    await standingStill(process);
    const lost = (why: string) => new EngineFault(operation, `${operation}: ${why}`);
    await clock.sleep(slow.test(operation) ? chance.between(20, 300) : chance.between(1, 12));
    const away = /^proxy /.test(operation) ? troubles.proxiesAwayUntil : troubles.awayUntil;
    if (clock.now() < away) {
      if (chance.happens(0.3)) await clock.sleep(longestWaitMs);
      await standingStill(process);
      throw lost('connect ECONNREFUSED');
    }
    const trouble = chance.happens(troubles.rate);
    const done = trouble && chance.happens(0.5);
    if (trouble && !done) {
      if (chance.happens(0.3)) await clock.sleep(longestWaitMs);
      await standingStill(process);
      throw lost('socket hang up');
    }
    let answer: T | undefined;
    let refusal: unknown;
    try {
      answer = effect();
    } catch (error) {
      refusal = error;
    }
    if (done && chance.happens(0.3)) await clock.sleep(longestWaitMs);
    await standingStill(process);
    if (done) throw lost('the answer was lost');
    if (refusal !== undefined) throw refusal;
    return answer as T;
  };
}
