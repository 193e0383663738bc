// How much of their limit the jobs use. Beyond the limit the kernel ends them.
import type { Metric, Observation } from '../../model/monitoring/observations.ts';
import { percent } from '../server-look.ts';
import { noSettings } from '../settings.ts';
import { kindOf, type PlatformCheckType, type ServiceFacts } from './platform-type.ts';

export const memory: PlatformCheckType = {
  type: 'MEMORY',
  title: 'Memory',
  description: 'How much of its memory limit each job of the service uses.',
  needs: ['MEMORY'],
  thresholds: [{ metric: 'memory_used', bad: 'ABOVE', warning: 80, critical: 95 }],
  standard: { intervalSeconds: 60, timeoutSeconds: 10 },
  schema: noSettings,
  settings: {},
  judge: judgeMemory,
};

interface Use {
  /** Of the kind of job and its place among those, which the next redeploy's jobs take over. */
  readonly name: string;
  readonly usedBytes: number;
  readonly limitBytes: number;
}

function judgeMemory(facts: ServiceFacts): Observation {
  const uses = usesOf(facts);
  const share = ({ usedBytes, limitBytes }: Use) => usedBytes / limitBytes;
  const most = uses.toSorted((a, b) => share(b) - share(a))[0];
  // Whether they should run is judged elsewhere.
  if (most === undefined) return { state: 'OK', output: 'No job runs.', metrics: [] };
  const highest = percent('memory_used', most.usedBytes, most.limitBytes);
  const output = `${most.name} uses ${mebibytes(most.usedBytes)} of ${mebibytes(most.limitBytes)} MiB, ${highest.value} %${
    uses.length > 1 ? `, the most of ${uses.length} jobs` : ''
  }.`;
  return { state: 'OK', output, metrics: [highest, ...uses.map(metricOf)] };
}

function usesOf({ jobs }: ServiceFacts): Use[] {
  const places = new Map<string, number>();
  return jobs.flatMap((job) => {
    if (job.memory === undefined || job.memory.limitBytes <= 0) return [];
    const kind = kindOf(job);
    const place = (places.get(kind) ?? 0) + 1;
    places.set(kind, place);
    return [{ name: `${kind}.${place}`, ...job.memory }];
  });
}

function metricOf({ name, usedBytes, limitBytes }: Use): Metric {
  return { name: `memory.${name}`, value: usedBytes, unit: 'B', minimum: 0, maximum: limitBytes };
}

function mebibytes(bytes: number): number {
  return Math.round(bytes / 1024 ** 2);
}
