// Whether as many jobs run as are wanted. A kind of job (the deploy jobs, each worker target) of which none does is CRITICAL,
// whatever the others do. How they answer is told beside it and judged by the checks that ask them.
import type { Metric, Observation } from '../../model/monitoring/observations.ts';
import { worst } from '../../model/monitoring/observations.ts';
import type { WantedJobs } from '../../model/redeploy.ts';
import { noSettings } from '../settings.ts';
import { type JobFacts, kindOf, type PlatformCheckType, type ServiceFacts } from './platform-type.ts';

export const jobRunning: PlatformCheckType = {
  type: 'JOB_RUNNING',
  title: 'Jobs running',
  description: 'Whether as many jobs of the service run as are wanted.',
  needs: [],
  thresholds: [],
  standard: { intervalSeconds: 30, timeoutSeconds: 10 },
  schema: noSettings,
  settings: {},
  judge: judgeJobs,
};

function judgeJobs({ stopped, failing, wanted, jobs }: ServiceFacts): Observation {
  if (stopped) return { state: 'OK', output: 'The service is stopped.', metrics: [] };
  if (wanted === null) return { state: 'OK', output: 'Nothing was deployed yet.', metrics: [] };
  if (wanted.length === 0) return { state: 'OK', output: 'No jobs are wanted.', metrics: [] };
  const kinds = wanted.map((kind) => judgeKind(kind, jobs));
  const givenUp = failing ? ['Jobs that died again and again are no longer replaced.'] : [];
  return {
    state: worst(kinds.map(({ state }) => state)),
    output: [...kinds.map(({ sentence }) => sentence), ...givenUp].join(' '),
    metrics: kinds.flatMap(({ metrics }) => metrics),
  };
}

function judgeKind(kind: WantedJobs, all: readonly JobFacts[]) {
  const name = kindOf(kind);
  const running = all.filter(
    ({ type, target, state }) => type === kind.type && target === kind.target && state === 'RUNNING',
  );
  const healthy = running.filter(({ health }) => health === 'HEALTHY').length;
  const state = running.length >= kind.count ? 'OK' : running.length === 0 ? 'CRITICAL' : 'WARNING';
  const unhealthy = running.length > healthy ? `, ${running.length - healthy} of them not healthy` : '';
  const metrics: Metric[] = [
    { name: `running.${name}`, value: running.length, unit: '', minimum: 0 },
    { name: `healthy.${name}`, value: healthy, unit: '', minimum: 0 },
    { name: `wanted.${name}`, value: kind.count, unit: '', minimum: 0 },
  ];
  const of = kind.count === 1 ? 'job runs' : 'jobs run';
  const sentence = `${name}: ${running.length} of ${kind.count} ${of}${unhealthy}.`;
  return { state, sentence, metrics } as const;
}
