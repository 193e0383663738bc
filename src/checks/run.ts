// One run of a check from its settings to what is kept of it: looked at within its time, judged by thresholds, cut, without
// the password, and never with an exception.
import { Refusal } from '../errors.ts';
import type { CheckTarget } from '../model/monitoring/agent.ts';
import { cut, judge, type Observation, type Threshold } from '../model/monitoring/observations.ts';
import { checkTypes } from './index.ts';
import { checkSettings } from './settings.ts';

export interface Run extends Observation {
  readonly durationMs: number;
}

/** `thresholds` go before those of the type, number by number. */
export async function runCheck(
  type: string,
  target: CheckTarget,
  settings: Readonly<Record<string, unknown>>,
  thresholds: readonly Threshold[],
  timeoutMs: number,
): Promise<Run> {
  const began = performance.now();
  const seen = await lookInTime(type, target, settings, timeoutMs);
  const { state, output, metrics } = judge(seen, [
    ...(checkTypes.get(type)?.thresholds ?? []),
    ...thresholds,
  ]);
  return {
    state,
    output: cut(withoutPassword(output, target)),
    metrics,
    durationMs: Math.round(performance.now() - began),
  };
}

async function lookInTime(
  name: string,
  target: CheckTarget,
  given: Readonly<Record<string, unknown>>,
  timeoutMs: number,
): Promise<Observation> {
  const type = checkTypes.get(name);
  if (type === undefined) return unknown(`There is no check type ${name}.`);
  const ending = new AbortController();
  const timeIsUp = new Promise<Observation>((resolve) => {
    ending.signal.addEventListener('abort', () =>
      resolve({
        state: 'CRITICAL',
        output: `${type.title} at ${target.host}:${target.port}: no answer within ${timeoutMs} ms.`,
        metrics: [],
      }),
    );
  });
  const timer = setTimeout(() => ending.abort(), timeoutMs);
  try {
    const settings = checkSettings(type, given);
    return await Promise.race([timeIsUp, type.look(target, settings, ending.signal)]);
  } catch (error) {
    return unknown(`The check could not be made: ${sentenceOf(error)}`);
  } finally {
    clearTimeout(timer);
  }
}

function unknown(output: string): Observation {
  return { state: 'UNKNOWN', output, metrics: [] };
}

function sentenceOf(error: unknown): string {
  if (error instanceof Refusal) return `${error.inputPath.join('.')} ${error.message}`.trim();
  return error instanceof Error ? error.message : String(error);
}

/** Servers repeat what they don't understand. Here it is known to be a password, so it goes however short it is. */
function withoutPassword(output: string, { password }: CheckTarget): string {
  return password ? output.replaceAll(password, '[redacted]') : output;
}
