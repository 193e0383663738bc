// What the looks at databases and caches have in common: the times of connecting, asking and both together, the numbers
// that more than one server tells, how they are judged, and an answer whatever happens.
import type { CheckTarget } from '../model/monitoring/agent.ts';
import { type Metric, type Observation, type Threshold, worst } from '../model/monitoring/observations.ts';
import { reasonOf } from './connection.ts';

export interface ServerFacts {
  /** Where several share a protocol. */
  readonly product?: string;
  /** As the server tells it. */
  readonly version: string;
  /** In use, this look's own among them, and how many the looking user could have at most. */
  readonly connections?: { readonly used: number; readonly most: number };
  readonly memoryBytes?: number | undefined;
  /** Where the server has a limit of its own. */
  readonly mostMemoryBytes?: number | undefined;
  readonly dataBytes?: number | undefined;
  readonly replicationLagMs?: number | undefined;
  /** What is wrong though the server answers; sentences. */
  readonly faults?: readonly string[];
  readonly metrics?: readonly Metric[];
}

export const serverThresholds: readonly Threshold[] = [
  { metric: 'connections_used', bad: 'ABOVE', warning: 80, critical: 95 },
  { metric: 'total_time', bad: 'ABOVE', warning: 1_000, critical: 5_000 },
  { metric: 'replication_lag', bad: 'ABOVE', warning: 30_000, critical: 300_000 },
];

export const serverStandard = { intervalSeconds: 30, timeoutSeconds: 10 } as const;

/** `talk` says when it is connected, signed in included, and leaves nothing open. */
export async function lookAtServer(
  title: string,
  target: CheckTarget,
  talk: (connected: () => void) => Promise<ServerFacts>,
): Promise<Observation> {
  const began = performance.now();
  let connectedAt = began;
  try {
    const facts = await talk(() => {
      connectedAt = performance.now();
    });
    const ended = performance.now();
    const times = [
      milliseconds('connect_time', connectedAt - began),
      milliseconds('query_time', ended - connectedAt),
      milliseconds('total_time', ended - began),
    ];
    return told(title, facts, times);
  } catch (error) {
    const output = `${title} at ${target.host}:${target.port}: ${reasonOf(error, target)}.`;
    return { state: 'CRITICAL', output, metrics: [] };
  }
}

function told(title: string, facts: ServerFacts, times: readonly Metric[]): Observation {
  const { product = title, version, connections, faults = [] } = facts;
  const inUse = connections && `, ${connections.used} of ${connections.most} connections are in use`;
  return {
    state: worst(faults.map(() => 'CRITICAL')),
    output: [`${product} ${version} answers${inUse ?? ''}.`, ...faults].join(' '),
    metrics: [...times, ...metricsOf(facts)],
  };
}

function metricsOf(facts: ServerFacts): Metric[] {
  const { connections, memoryBytes, mostMemoryBytes: maximum, dataBytes, replicationLagMs } = facts;
  const metrics: Metric[] = [];
  if (connections !== undefined && connections.most > 0) {
    const { used, most } = connections;
    metrics.push({ name: 'connections', value: used, unit: '', minimum: 0, maximum: most });
    metrics.push(percent('connections_used', used, most));
  }
  if (memoryBytes !== undefined) metrics.push({ name: 'memory', value: memoryBytes, unit: 'B', maximum });
  if (dataBytes !== undefined) metrics.push({ name: 'data_size', value: dataBytes, unit: 'B' });
  if (replicationLagMs !== undefined) metrics.push(milliseconds('replication_lag', replicationLagMs));
  return [...metrics, ...(facts.metrics ?? [])];
}

export function milliseconds(name: string, value: number): Metric {
  return { name, value: Math.round(value * 100) / 100, unit: 'ms' };
}

export function percent(name: string, part: number, whole: number): Metric {
  return { name, value: Math.round((10_000 * part) / whole) / 100, unit: '%', minimum: 0, maximum: 100 };
}

/** A number that a server tells as text; undefined when it tells none. */
export function numberOf(told: unknown): number | undefined {
  const value = told === null || told === undefined || told === '' ? Number.NaN : Number(told);
  return Number.isFinite(value) ? value : undefined;
}
