// How a step is done: after a moment its effect, after another moment its record. Between the two anything may happen, and
// the record may be lost. A step that is no longer wanted goes on to the end of its effect and writes nothing.
import type { World } from './world.ts';

export class Trouble extends Error {}

export type Doing<T> = Generator<number, T>;

export interface UnderWay {
  aborted: boolean;
}

export function* perform<T>(
  world: World,
  underWay: UnderWay,
  effect: () => Doing<T>,
  record: (seen: T) => void,
): Doing<void> {
  yield world.chance.between(1, 40);
  if (underWay.aborted) return;
  const seen = yield* effect();
  yield world.chance.between(1, 80);
  if (underWay.aborted) return;
  if (world.recordsToLose > 0) {
    world.recordsToLose -= 1;
    throw new Trouble('its record was lost');
  }
  record(seen);
}

export function* nothing(): Doing<void> {
  yield 0;
}

/** A call to the engine, which may not answer. */
export function* engine(world: World): Doing<void> {
  if (world.now >= world.engineFrom) return;
  yield 1_000;
  throw new Trouble('the engine does not answer');
}
