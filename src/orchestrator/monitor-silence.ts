// The check on the monitor itself, made by the control plane: OK while it answers, CRITICAL once it was silent for too long.

import type { ObservedState } from '../model/monitoring/observations.ts';
import { change } from '../postgres/change.ts';
import { findCheckOfType } from '../postgres/checks.ts';
import { hasDuty } from '../postgres/duties.ts';
import type { Monitor } from '../postgres/monitors.ts';
import { recordResults } from '../postgres/record-results.ts';
import type { Deps } from './deps.ts';

const monitorCheck = 'MONITOR';
const standardSilenceSeconds = 30;
const okEveryMs = 60_000;
const silentEveryMs = 10_000;

/** From when on it counts as silent. */
export function silenceMs({ settings }: Deps): number {
  return (settings.monitorSilenceSeconds ?? standardSilenceSeconds) * 1_000;
}

export interface MonitorVoice {
  /** By the clock of the loops; when it was first followed, before it was heard. */
  heardAt: number;
  /** When the next result is due. */
  nextAt: number;
  silent: boolean;
  /** It answers, and what it says could not be kept. */
  stuck: boolean;
}

export function newVoice(now: number): MonitorVoice {
  return { heardAt: now, nextAt: now, silent: false, stuck: false };
}

export async function noteSilence(deps: Deps, monitor: Monitor, voice: MonitorVoice): Promise<void> {
  const now = deps.clock.now();
  if (!monitor.wanted) voice.heardAt = now;
  const silentMs = now - voice.heardAt;
  const silent = silentMs > silenceMs(deps);
  if (!monitor.wanted || (now < voice.nextAt && silent === voice.silent)) return;
  // Until it was heard after a takeover nothing is known of it.
  if (!silent && silentMs > waitOfOneAnswerMs) return;
  voice.silent = silent;
  voice.nextAt = now + (silent ? silentEveryMs : okEveryMs);
  const seconds = Math.round(silentMs / 1_000);
  const where =
    monitor.jobId === null
      ? 'No job of it runs'
      : voice.stuck
        ? 'It answers, and its results can not be kept; see the log of the control plane'
        : 'Its job runs and does not answer';
  const output = silent
    ? `The monitor has been silent for ${seconds} s; nothing is checked meanwhile, or its results wait. ${where}.`
    : 'The monitor answers.';
  await note(deps, monitor.environmentId, silent ? 'CRITICAL' : 'OK', output, silentMs);
}

const waitOfOneAnswerMs = 15_000;

export function noteLost(deps: Deps, environmentId: string, count: number): Promise<void> {
  const output = `The monitor gave up ${count} results because nobody took them in time; they are missing.`;
  return note(deps, environmentId, 'WARNING', output, 0);
}

async function note(
  deps: Deps,
  environmentId: string,
  state: ObservedState,
  output: string,
  silentMs: number,
): Promise<void> {
  await change(deps, async (current) => {
    if (!(await hasDuty(current.tx, deps.replica, 'MONITORING'))) return;
    const check = await findCheckOfType(current.tx, environmentId, monitorCheck);
    if (check === undefined || check.paused) return;
    const metrics = [{ name: 'silence', value: Math.round(silentMs), unit: 'ms' }];
    const result = { checkId: check.id, startedAt: deps.clock.date(), durationMs: 0, state, output, metrics };
    await recordResults(current, environmentId, [{ ...result, source: 'CONTROL_PLANE' }]);
  });
}
