// How often jobs died by themselves and were replaced. A crash loop is CRITICAL before it is given up on: so many deaths for
// each wanted job of a kind within the window of the restart budget.
import type { Observation } from '../../model/monitoring/observations.ts';
import type { WantedJobs } from '../../model/redeploy.ts';
import { restartBudget } from '../../model/steady.ts';
import { noSettings } from '../settings.ts';
import { type Death, kindOf, type PlatformCheckType, type ServiceFacts } from './platform-type.ts';

/** How far back deaths are counted. */
export const countedSeconds = 3_600;
const deathsOfLoop = 3;

export const restarts: PlatformCheckType = {
  type: 'RESTARTS',
  title: 'Restarts',
  description:
    'How many jobs of the service died by themselves within the last hour; a crash loop is critical.',
  needs: [],
  thresholds: [{ metric: 'restarts', bad: 'ABOVE', warning: 3, critical: null }],
  standard: { intervalSeconds: 30, timeoutSeconds: 10 },
  schema: noSettings,
  settings: {},
  judge: judgeRestarts,
};

function judgeRestarts(facts: ServiceFacts): Observation {
  const { stopped, failing, wanted, deaths } = facts;
  const metrics = [{ name: 'restarts', value: deaths.length, unit: '', minimum: 0 }];
  if (stopped) return { state: 'OK', output: 'The service is stopped.', metrics: [] };
  const looping = (wanted ?? []).filter((kind) => loops(kind, facts)).map(kindOf);
  const [last] = deaths;
  const told = [
    ...(failing ? ['Jobs that died again and again are no longer replaced.'] : []),
    ...(looping.length > 0 ? [`Crash loop of ${looping.join(', ')}.`] : []),
    `${deaths.length === 0 ? 'No job' : deaths.length === 1 ? '1 job' : `${deaths.length} jobs`} died within the last hour.`,
    ...(last === undefined ? [] : [lastOf(last)]),
  ];
  return { state: failing || looping.length > 0 ? 'CRITICAL' : 'OK', output: told.join(' '), metrics };
}

function loops(
  kind: WantedJobs,
  { deaths, triedSecondsAgo = Number.POSITIVE_INFINITY }: ServiceFacts,
): boolean {
  const within = Math.min(restartBudget.windowSeconds, triedSecondsAgo);
  const counted = deaths.filter(
    ({ type, target, secondsAgo }) => type === kind.type && target === kind.target && secondsAgo < within,
  );
  return counted.length >= deathsOfLoop * kind.count;
}

function lastOf(death: Death): string {
  return `The last, of ${kindOf(death)}: ${death.reason ?? 'it is not known why.'}`;
}
