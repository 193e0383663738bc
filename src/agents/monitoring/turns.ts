// When a check's turns are: every interval, at a phase made from the check's id, each a few percent late by a jitter made
// from id and turn. All of it follows from id, interval and number, so nothing drifts, a restart goes on in the same rhythm,
// and checks that stay as they are keep their turns whatever happens to others.
import { createHash } from 'node:crypto';

export interface Rhythm {
  readonly intervalMs: number;
  readonly phaseMs: number;
  readonly seed: number;
}

/** Of the interval, at most. Late only, so that turns of one check never change places. */
const jitter = 0.04;

export function rhythmOf(checkId: string, intervalMs: number): Rhythm {
  const hash = createHash('sha256').update(checkId).digest();
  return { intervalMs, phaseMs: part(hash.readUInt32LE(0)) * intervalMs, seed: hash.readUInt32LE(4) };
}

/** The number of the first turn that is planned after a time. */
export function turnAfter({ intervalMs, phaseMs }: Rhythm, time: number): number {
  return Math.floor((time - phaseMs) / intervalMs) + 1;
}

export function dueAt({ intervalMs, phaseMs, seed }: Rhythm, turn: number): number {
  return phaseMs + turn * intervalMs + part(mixed(seed ^ (turn >>> 0))) * jitter * intervalMs;
}

function part(bits: number): number {
  return bits / 2 ** 32;
}

/** The end of MurmurHash3: neighbouring numbers come out far apart. */
function mixed(number: number): number {
  let bits = number;
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}
