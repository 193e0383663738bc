// What is asked of a look in tests.
import type { Metric, Observation } from '../../src/model/monitoring/observations.ts';

export function metric(seen: Observation, name: string): Metric {
  const found = seen.metrics.find((each) => each.name === name);
  if (found === undefined) throw new Error(`No ${name} among ${JSON.stringify(seen)}`);
  return found;
}
