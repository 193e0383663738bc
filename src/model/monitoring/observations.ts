// What one run of a check has seen: a state by the convention of Nagios and Sensu, a text for people, and numbers. Numbers
// are judged by thresholds here, so that every kind of check means the same by them.

/** In the order of their exit codes, 0 to 3. */
export const observedStates = ['OK', 'WARNING', 'CRITICAL', 'UNKNOWN'] as const;
export type ObservedState = (typeof observedStates)[number];

/** Of a check: PENDING until its first result. */
export const checkStates = [...observedStates, 'PENDING'] as const;
export type CheckState = (typeof checkStates)[number];

export interface Metric {
  readonly name: string;
  readonly value: number;
  /** `ms`, `B`, `%`, `c` for a counter that only grows; empty for a plain number. */
  readonly unit: string;
  readonly warning?: number | undefined;
  readonly critical?: number | undefined;
  readonly minimum?: number | undefined;
  readonly maximum?: number | undefined;
}

export interface Observation {
  readonly state: ObservedState;
  /** One sentence and, where there is more to say, further lines. */
  readonly output: string;
  readonly metrics: readonly Metric[];
}

/** Longest text kept of one run; what is beyond it is cut and marked. */
export const longestOutput = 8_192;

/** From where on a measured number is no longer well. Of both, `critical` counts first. */
export interface Threshold {
  readonly metric: string;
  /** Whether numbers above or below are bad. */
  readonly bad: 'ABOVE' | 'BELOW';
  readonly warning: number | null;
  readonly critical: number | null;
}

const gravity: Readonly<Record<ObservedState, number>> = { OK: 0, UNKNOWN: 1, WARNING: 2, CRITICAL: 3 };

export function worst(states: Iterable<ObservedState>): ObservedState {
  let found: ObservedState = 'OK';
  for (const state of states) if (gravity[state] > gravity[found]) found = state;
  return found;
}

/** The observation as the thresholds judge it: never better than it was seen, with the limits told beside the numbers. */
export function judge(seen: Observation, thresholds: readonly Threshold[]): Observation {
  const byMetric = new Map(thresholds.map((threshold) => [threshold.metric, threshold]));
  const broken: { readonly state: ObservedState; readonly sentence: string }[] = [];
  const metrics = seen.metrics.map((metric): Metric => {
    const threshold = byMetric.get(metric.name);
    if (threshold === undefined) return metric;
    const state = stateBy(threshold, metric.value);
    if (state !== 'OK') broken.push({ state, sentence: sentenceOf(threshold, state, metric) });
    const { warning, critical } = threshold;
    return { ...metric, warning: warning ?? undefined, critical: critical ?? undefined };
  });
  const state = worst([seen.state, ...broken.map((each) => each.state)]);
  return { state, output: [seen.output, ...broken.map(({ sentence }) => sentence)].join(' '), metrics };
}

function stateBy({ bad, warning, critical }: Threshold, value: number): ObservedState {
  const beyond = (limit: number | null) =>
    limit !== null && (bad === 'ABOVE' ? value >= limit : value <= limit);
  return beyond(critical) ? 'CRITICAL' : beyond(warning) ? 'WARNING' : 'OK';
}

function sentenceOf(threshold: Threshold, state: ObservedState, { name, value, unit }: Metric): string {
  const limit = state === 'CRITICAL' ? threshold.critical : threshold.warning;
  const word = threshold.bad === 'ABOVE' ? 'not below' : 'not above';
  return `${name} is ${shown(value)}${unit}, ${word} ${shown(limit ?? 0)}${unit}.`;
}

function shown(value: number): string {
  return String(Math.round(value * 100) / 100);
}

export function cut(output: string): string {
  return output.length <= longestOutput ? output : `${output.slice(0, longestOutput - 12)} … [cut]`;
}
