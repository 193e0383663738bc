// How results make the state of a check: by attempts, soft and hard, and by flapping. Terms and numbers are those of Nagios:
// a state other than OK is soft until it was seen `attempts` times in a row, a return to OK counts at once; a check flaps
// when its last 21 results changed their state more than 20 % of the time, newer changes weighing more (0.8 to 1.2), and has
// stopped flapping below 5 %.
import type { CheckState, ObservedState } from './observations.ts';

/** What a check remembers between its results. */
export interface CheckMemory {
  readonly state: CheckState;
  /** Results in a row that were not OK, at most `attempts`; 0 while it is OK. */
  readonly attempt: number;
  /** Counts for alerts: it was seen often enough. */
  readonly hard: boolean;
  readonly flapping: boolean;
  /** States of the last results, oldest first, a letter each. */
  readonly history: string;
}

export const newMemory: CheckMemory = {
  state: 'PENDING',
  attempt: 0,
  hard: true,
  flapping: false,
  history: '',
};

const rememberedResults = 21;
const flapping = { begins: 20, ends: 5 } as const;
const letters: Readonly<Record<ObservedState, string>> = {
  OK: 'o',
  WARNING: 'w',
  CRITICAL: 'c',
  UNKNOWN: 'u',
};

export function afterResult(before: CheckMemory, seen: ObservedState, attempts: number): CheckMemory {
  const history = (before.history + letters[seen]).slice(-rememberedResults);
  const isFlapping = flapPercent(history) > (before.flapping ? flapping.ends : flapping.begins);
  if (seen === 'OK') return { state: 'OK', attempt: 0, hard: true, flapping: isFlapping, history };
  const wasHardlyBad = before.hard && before.state !== 'OK' && before.state !== 'PENDING';
  const attempt = Math.min(before.attempt + 1, attempts);
  const hard = wasHardlyBad || attempt >= attempts;
  return { state: seen, attempt, hard, flapping: isFlapping, history };
}

/** How much of the time the remembered results changed, weighted, in percent. Too few results never flap. */
export function flapPercent(history: string): number {
  const changes = rememberedResults - 1;
  if (history.length < rememberedResults) return 0;
  let sum = 0;
  for (let at = 1; at < history.length; at++)
    if (history[at] !== history[at - 1]) sum += 0.8 + (0.4 * (at - 1)) / (changes - 1);
  return (100 * sum) / changes;
}
