// What checks by the engine's eye make of the facts they are given.
import { describe, expect, test } from 'vitest';
import { platformCheckTypes } from '../../src/checks/platform/index.ts';
import { judgeFacts } from '../../src/checks/platform/judge.ts';
import type { JobFacts, ServiceFacts } from '../../src/checks/platform/platform-type.ts';
import type { ObservedState } from '../../src/model/monitoring/observations.ts';

const mebibyte = 1024 ** 2;
const gibibyte = 1024 ** 3;
const day = 86_400;

const well: ServiceFacts = {
  ...{ stopped: false, failing: false, wanted: [{ type: 'DEPLOY', target: null, count: 2 }] },
  ...{ jobs: [job('a'), job('b')], deaths: [], triedSecondsAgo: undefined },
  ...{ volumeBytes: undefined, storageGiB: null, certificates: [], command: undefined },
};

function job(id: string, more: Partial<JobFacts> = {}): JobFacts {
  return { id, type: 'DEPLOY', target: null, state: 'RUNNING', health: 'HEALTHY', ...more };
}

function using(...mebibytes: number[]): JobFacts[] {
  const limitBytes = 100 * mebibyte;
  return mebibytes.map((used, index) =>
    job(`${index}`, { memory: { usedBytes: used * mebibyte, limitBytes } }),
  );
}

function died(count: number, secondsAgo = 10) {
  const death = { type: 'DEPLOY' as const, target: null, reason: 'It exited with 1.' };
  return Array.from({ length: count }, (_, index) => ({ ...death, secondsAgo: secondsAgo + index }));
}

function certificate(secondsLeft: number, lifeSeconds = 90 * day) {
  return { name: 'shop', secondsLeft, lifeSeconds };
}

const worker = { type: 'WORKER' as const, target: 'mail', count: 1 };

const cases: readonly [string, string, Partial<ServiceFacts>, ObservedState, RegExp][] = [
  ['JOB_RUNNING', 'all run', {}, 'OK', /^web: 2 of 2 jobs run\.$/],
  ['JOB_RUNNING', 'one is missing', { jobs: [job('a')] }, 'WARNING', /1 of 2/],
  ['JOB_RUNNING', 'none runs', { jobs: [job('a', { state: 'STARTING' })] }, 'CRITICAL', /0 of 2/],
  [
    'JOB_RUNNING',
    'they run and do not answer, which other checks say',
    { jobs: [job('a', { health: 'UNHEALTHY' }), job('b')] },
    'OK',
    /1 of them not healthy/,
  ],
  [
    'JOB_RUNNING',
    'of one kind none runs',
    { wanted: [...(well.wanted ?? []), worker] },
    'CRITICAL',
    /mail: 0 of 1 job runs/,
  ],
  ['JOB_RUNNING', 'it is stopped', { stopped: true, jobs: [] }, 'OK', /stopped/],
  ['JOB_RUNNING', 'nothing was deployed', { wanted: null, jobs: [] }, 'OK', /Nothing was deployed/],
  ['JOB_RUNNING', 'nothing is wanted', { wanted: [], jobs: [] }, 'OK', /No jobs are wanted/],
  ['JOB_RUNNING', 'it was given up', { failing: true, jobs: [] }, 'CRITICAL', /no longer replaced/],
  ['MEMORY', 'little is used', { jobs: using(10, 20) }, 'OK', /web\.2 uses 20 of 100 MiB, 20 %/],
  ['MEMORY', 'one uses much', { jobs: using(10, 80) }, 'WARNING', /memory_used is 80%/],
  ['MEMORY', 'one uses nearly all', { jobs: using(95, 10) }, 'CRITICAL', /web\.1 uses 95/],
  ['MEMORY', 'nothing runs', { jobs: [] }, 'OK', /No job runs/],
  ['DISK', 'there is room', { volumeBytes: gibibyte, storageGiB: 10 }, 'OK', /1\.00 of 10 GiB, 10 %/],
  ['DISK', 'it gets full', { volumeBytes: 8 * gibibyte, storageGiB: 10 }, 'WARNING', /80 %/],
  ['DISK', 'it is full', { volumeBytes: 11 * gibibyte, storageGiB: 10 }, 'CRITICAL', /110 %/],
  ['DISK', 'the engine tells nothing', { storageGiB: 10 }, 'UNKNOWN', /does not tell/],
  ['DISK', 'there is none', {}, 'UNKNOWN', /no volume/],
  ['RESTARTS', 'none died', {}, 'OK', /^No job died/],
  ['RESTARTS', 'some died', { deaths: died(2) }, 'OK', /2 jobs died .* The last, of web: It exited with 1\./],
  ['RESTARTS', 'many died over time', { deaths: died(3, 900) }, 'WARNING', /restarts is 3/],
  ['RESTARTS', 'three for each wanted job died soon', { deaths: died(6) }, 'CRITICAL', /Crash loop of web/],
  [
    'RESTARTS',
    'that was before somebody tried anew',
    { deaths: died(6), triedSecondsAgo: 5 },
    'WARNING',
    /6 jobs/,
  ],
  ['RESTARTS', 'they are no longer replaced', { failing: true }, 'CRITICAL', /no longer replaced/],
  ['RESTARTS', 'it is stopped', { stopped: true, deaths: died(9) }, 'OK', /stopped/],
  ['EXPIRY', 'none is in use', {}, 'OK', /No site/],
  [
    'EXPIRY',
    'all last',
    { certificates: [certificate(60 * day), certificate(20 * day)] },
    'OK',
    /20 days, the first of 2/,
  ],
  ['EXPIRY', 'one is about to end', { certificates: [certificate(10 * day)] }, 'WARNING', /days_left is 10/],
  ['EXPIRY', 'one ends very soon', { certificates: [certificate(2 * day)] }, 'CRITICAL', /days_left is 2/],
  ['EXPIRY', 'one has ended', { certificates: [certificate(-2 * day)] }, 'CRITICAL', /expired 2 days ago/],
  ['EXPIRY', 'a short-lived one is young', { certificates: [certificate(5 * day, 6 * day)] }, 'OK', /5 days/],
  ['EXPIRY', 'a short-lived one is late', { certificates: [certificate(day, 6 * day)] }, 'WARNING', /1 days/],
  ['COMMAND', 'it says so', { command: { exitCode: 1, text: 'LOW | left=3' } }, 'WARNING', /^LOW$/],
  ['COMMAND', 'its code is none', { command: { exitCode: 9, text: 'what' } }, 'UNKNOWN', /no state/],
  ['COMMAND', 'it was not run', { command: { unknown: 'No deploy job runs.' } }, 'UNKNOWN', /No deploy job/],
];

describe('judged', () => {
  test.each(cases)('%s: %s', (type, _when, facts, state, output) => {
    const seen = judgeFacts(type, { ...well, ...facts }, {}, []);
    expect({ state: seen.state, output: seen.output }).toEqual({
      state,
      output: expect.stringMatching(output),
    });
  });
});

test('own thresholds go before those of the type', () => {
  const own = [{ metric: 'memory_used', bad: 'ABOVE' as const, warning: 10, critical: 15 }];
  expect(judgeFacts('MEMORY', { ...well, jobs: using(12) }, {}, own).state).toBe('WARNING');
  expect(judgeFacts('MEMORY', { ...well, jobs: using(90) }, {}, []).state).toBe('WARNING');
  expect(judgeFacts('MEMORY', { ...well, jobs: using(90) }, {}, own).state).toBe('CRITICAL');
});

test('every type has standard settings of its own schema, and a type that is not there is told', () => {
  for (const type of platformCheckTypes.values())
    expect(type.schema.parse(type.settings)).toEqual(type.settings);
  expect(judgeFacts('NONE', well, {}, [])).toMatchObject({ state: 'UNKNOWN' });
});
