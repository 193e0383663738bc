// The phases of a redeploy as they are kept with it, in order: of those that have begun the last one may be running.
import type { Phase } from './redeploy.ts';

/** With the running one ended; the same when none is. */
export function withPhaseEnded(phases: readonly Phase[], succeeded: boolean, now: Date): Phase[] {
  const last = runningPhase(phases);
  if (last === undefined) return [...phases];
  const state = succeeded ? 'SUCCEEDED' : 'FAILED';
  // Two clocks may differ a little, and no phase ends before it began.
  const endedAt = new Date(Math.max(now.getTime(), Date.parse(last.startedAt)));
  return [...phases.slice(0, -1), { ...last, state, endedAt: endedAt.toISOString() }];
}

export function runningPhase(phases: readonly Phase[]): Phase | undefined {
  const last = phases.at(-1);
  return last?.state === 'RUNNING' ? last : undefined;
}

export function phaseEnded({ phase }: Phase, succeeded: boolean): string {
  return `${phase} has ${succeeded ? 'ended' : 'failed'}.`;
}
