// From the facts of a service to what is kept of one run: judged by its type and by thresholds, without secrets, and cut.
import { cut, judge, type Observation, type Threshold } from '../../model/monitoring/observations.ts';
import { platformCheckTypes } from './index.ts';
import type { ServiceFacts } from './platform-type.ts';

/** `thresholds` go before those of the type, number by number. */
export function judgeFacts(
  type: string,
  facts: ServiceFacts,
  settings: Readonly<Record<string, unknown>>,
  thresholds: readonly Threshold[],
): Observation {
  const known = platformCheckTypes.get(type);
  if (known === undefined) return unknown(`There is no check type ${type}.`);
  const seen = judge(known.judge(facts, settings), [...known.thresholds, ...thresholds]);
  return { ...seen, output: cut(seen.output) };
}

export function unknown(output: string): Observation {
  return { state: 'UNKNOWN', output: cut(output), metrics: [] };
}
