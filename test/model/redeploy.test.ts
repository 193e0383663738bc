// What a redeploy does next, as a table of cases.
import { expect, test } from 'vitest';
import type { FailureCause } from '../../src/model/failures.ts';
import { checkHealthCheck } from '../../src/model/health-check.ts';
import { wantedJobs } from '../../src/model/job-steps.ts';
import type { JobView } from '../../src/model/jobs.ts';
import { nextSteps, type RedeploySituation, type RedeployStep } from '../../src/model/redeploy.ts';
import { ago, database, ended, job, phases, redeploying, spec, until } from './situations.ts';

const stop = (jobId: string, reason: string): RedeployStep => ({ do: 'STOP_JOB', jobId, reason });
const start = (jobId: string): RedeployStep => ({ do: 'START_JOB', jobId });
const end = (state: 'SUCCEEDED' | 'FAILED' | 'ROLLED_BACK' | 'CANCELED'): RedeployStep => ({
  do: 'END',
  state,
});
const two = [{ type: 'DEPLOY' as const, target: null, count: 2 }];
const failed: FailureCause = { kind: 'DEADLINE_EXCEEDED', phase: 'VERIFY', message: '' };
const canceled: FailureCause = { kind: 'CANCELED', message: '' };
const scheduled = (id: string) => job(id, 'new', { state: 'SCHEDULED', health: null, startedAt: null });
const waiting = (id: string, more = {}) =>
  job(id, 'new', { health: 'STARTING', startedAt: ago(10), ...more });
/** With a health check that gives it so many seconds. */
const given = (seconds: number | null): Pick<JobView, 'spec'> => {
  const healthCheck = checkHealthCheck({ kind: 'TCP', deadlineSeconds: seconds }, null, []);
  return { spec: { healthCheck } };
};
const restored = (id: string, more = {}) => job(id, 'old', { restoredBy: 'new', ...more });
const leaving = (id: string) => job(id, 'old', { state: 'STOPPING', health: null });
const replaced = 'Replaced by a redeploy';
const undone = 'Its redeploy failed';

test.each<[string, RedeploySituation, RedeployStep[]]>([
  ['queued: begin', redeploying({ state: 'QUEUED' }), [{ do: 'BEGIN' }]],
  [
    'queued and canceled: begin, to be ended properly',
    redeploying({ state: 'QUEUED', cancelRequested: true }),
    [{ do: 'BEGIN' }],
  ],
  ['begun: prepare', redeploying({ phases: phases('PREPARE') }), [{ do: 'PREPARE' }]],
  [
    'prepared: obtain the image',
    redeploying({ phases: phases('PREPARE', 'PULL_IMAGE') }),
    [{ do: 'OBTAIN_IMAGE' }],
  ],
  [
    'while it is obtained what serves comes to health, and who is to stop stops',
    redeploying({ phases: phases('PREPARE', 'PULL_IMAGE') }, [
      job('a', 'old', { state: 'SCHEDULED', health: null, startedAt: null }),
      job('b', 'old', { health: 'STARTING', startedAt: ago(10) }),
      job('c', 'old', { stopRequested: true }),
      job('d', 'old', { rotation: 'DRAINING' }),
      job('e', 'old'),
      ended('f', 'old', 5),
    ]),
    [
      { do: 'OBTAIN_IMAGE' },
      start('a'),
      { do: 'VERIFY_JOB', jobId: 'b', until: ago(-110) },
      stop('c', 'Stopped on request'),
      { do: 'PUT_IN', jobId: 'd' },
    ],
  ],
  [
    'stop what is alive and not its own, all at once',
    redeploying({ phases: until.stopOld }, [job('a', 'old'), leaving('b'), ended('c', 'old', 5)]),
    [stop('a', replaced), stop('b', replaced)],
  ],
  [
    'nothing old: start the new ones',
    redeploying({ phases: until.stopOld }, [ended('c', 'old', 5)]),
    [{ do: 'ENTER_START_NEW', wanted: two }],
  ],
  [
    'start the scheduled',
    redeploying({ phases: until.startNew }, [scheduled('a'), waiting('b')]),
    [start('a'), { do: 'VERIFY_JOB', jobId: 'b', until: ago(-110) }],
  ],
  [
    'all started: verify',
    redeploying({ phases: until.startNew }, [waiting('a')]),
    [{ do: 'ENTER_VERIFY' }, { do: 'VERIFY_JOB', jobId: 'a', until: ago(-110) }],
  ],
  [
    'all healthy: success',
    redeploying({ phases: until.verify }, [job('a', 'new'), job('b', 'new')]),
    [end('SUCCEEDED')],
  ],
  [
    'nothing wanted: success',
    redeploying({ phases: until.startNew, spec: { ...spec, scale: 0 } }),
    [end('SUCCEEDED')],
  ],
  [
    'one crashed: fail',
    redeploying({ phases: until.verify }, [job('a', 'new'), ended('b', 'new', 0)]),
    [{ do: 'FAIL', because: { kind: 'JOB_ENDED', jobId: 'b' } }],
  ],
  [
    'one was stopped on request: that is no success',
    redeploying({ phases: until.verify }, [ended('b', 'new', 0, { state: 'STOPPED' })]),
    [{ do: 'FAIL', because: { kind: 'JOB_ENDED', jobId: 'b' } }],
  ],
  [
    'one is to be stopped on request',
    redeploying({ phases: until.verify }, [job('b', 'new', { stopRequested: true })]),
    [stop('b', 'Stopped on request')],
  ],
  [
    'not healthy in time: fail',
    redeploying({ phases: until.verify }, [waiting('a', { startedAt: ago(120) })]),
    [{ do: 'FAIL', because: { kind: 'NOT_HEALTHY', jobId: 'a' } }],
  ],
  [
    'not healthy a moment before: wait',
    redeploying({ phases: until.verify }, [waiting('a', { startedAt: ago(119.9) })]),
    [{ do: 'VERIFY_JOB', jobId: 'a', until: ago(-0.1) }],
  ],
  [
    'not healthy in the time that its own check gives: fail',
    redeploying({ phases: until.verify }, [waiting('a', { startedAt: ago(30), ...given(30) })]),
    [{ do: 'FAIL', because: { kind: 'NOT_HEALTHY', jobId: 'a' } }],
  ],
  [
    'its own check gives it more time: wait',
    redeploying({ phases: until.verify }, [waiting('a', { startedAt: ago(120), ...given(900) })]),
    [{ do: 'VERIFY_JOB', jobId: 'a', until: ago(-780) }],
  ],
  [
    'its own check says nothing of time: the standard one',
    redeploying({ phases: until.verify }, [waiting('a', { startedAt: ago(120), ...given(null) })]),
    [{ do: 'FAIL', because: { kind: 'NOT_HEALTHY', jobId: 'a' } }],
  ],
  [
    'the deadline has come',
    redeploying({ phases: until.verify, deadlineAt: ago(0) }, [waiting('a')]),
    [{ do: 'FAIL', because: { kind: 'DEADLINE' } }],
  ],
])('%s', (_case, situation, steps) => {
  expect(nextSteps(situation)).toEqual(steps);
});

test.each(['PREPARE', 'PULL_IMAGE', 'STOP_OLD', 'START_NEW', 'VERIFY'] as const)(
  'canceled during %s: it fails as canceled',
  (phase) => {
    const situation = redeploying({ phases: phases(phase), cancelRequested: true, deadlineAt: ago(1) });
    expect(nextSteps(situation)).toEqual([{ do: 'FAIL', because: { kind: 'CANCELED' } }]);
  },
);

test.each<[string, RedeploySituation, RedeployStep[]]>([
  [
    'before anything was stopped: nothing to undo',
    redeploying({ phases: phases('PREPARE', 'PULL_IMAGE'), cause: failed }, [job('a', 'old')]),
    [end('FAILED')],
  ],
  ['canceled then: canceled', redeploying({ phases: phases('PREPARE'), cause: canceled }), [end('CANCELED')]],
  [
    'the new ones go first',
    redeploying({ phases: until.verify, cause: failed }, [job('a', 'new'), ended('b', 'new', 0)]),
    [stop('a', undone)],
  ],
  [
    'and whatever a superseded one had left',
    redeploying({ phases: until.stopOld, cause: canceled }, [
      job('a', 'new', { redeployId: 'superseded' }),
      job('b', 'old'),
    ]),
    [stop('a', undone)],
  ],
  [
    'then the last good spec comes back',
    redeploying({ phases: until.verify, cause: failed }, [ended('b', 'new', 0)]),
    [{ do: 'ENTER_RESTORE', wanted: two }],
  ],
  [
    'as much of it as is missing',
    redeploying({ phases: until.stopOld, cause: canceled }, [job('a', 'old'), leaving('b')]),
    [{ do: 'ENTER_RESTORE', wanted: [{ ...two[0], type: 'DEPLOY', target: null, count: 1 }] }],
  ],
  [
    'a volume: not before the leaving one has gone',
    redeploying({ spec: database, phases: until.stopOld, cause: canceled }, [leaving('b')]),
    [stop('b', replaced)],
  ],
  [
    'too many leaving: not before there is room',
    redeploying({ phases: until.stopOld, cause: canceled }, ['a', 'b', 'c', 'd'].map(leaving)),
    ['a', 'b', 'c', 'd'].map((id) => stop(id, replaced)),
  ],
  [
    'restored ones start and are verified',
    redeploying({ phases: until.restore, cause: failed }, [restored('a', { state: 'SCHEDULED' })]),
    [start('a')],
  ],
  [
    'those that were being drained get requests again first',
    redeploying({ phases: until.restore, cause: failed }, [
      restored('a', { rotation: 'IN' }),
      restored('b', { rotation: 'DRAINING' }),
    ]),
    [{ do: 'PUT_IN', jobId: 'b' }],
  ],
  [
    'restored and healthy: rolled back',
    redeploying({ phases: until.restore, cause: failed }, [restored('a'), restored('b')]),
    [end('ROLLED_BACK')],
  ],
  [
    'restored and healthy after a cancel: canceled',
    redeploying({ phases: until.restore, cause: canceled }, [restored('a'), restored('b')]),
    [end('CANCELED')],
  ],
  [
    'one of two is there: not rolled back',
    redeploying({ phases: until.restore, cause: failed }, [restored('a')]),
    [end('FAILED')],
  ],
  [
    'a restored one crashed: failed',
    redeploying({ phases: until.restore, cause: failed }, [ended('a', 'old', 0, { restoredBy: 'new' })]),
    [end('FAILED')],
  ],
  [
    'no last good spec: failed',
    redeploying({ phases: until.verify, cause: failed, lastGood: null }),
    [end('FAILED')],
  ],
  [
    'not to be rolled back: failed',
    redeploying({ phases: until.verify, cause: failed, spec: { ...spec, rollBack: false } }),
    [end('FAILED')],
  ],
  [
    'not to be rolled back but canceled: restored',
    redeploying({ phases: until.verify, cause: canceled, spec: { ...spec, rollBack: false } }),
    [{ do: 'ENTER_RESTORE', wanted: two }],
  ],
  [
    'ten seconds past its deadline: it ends whatever is left',
    redeploying({ phases: until.restore, cause: failed, deadlineAt: ago(10) }, [
      job('a', 'new'),
      restored('b'),
    ]),
    [end('FAILED')],
  ],
  [
    'and as canceled when it was',
    redeploying({ phases: until.restore, cause: canceled, deadlineAt: ago(10) }, [job('a', 'new')]),
    [end('CANCELED')],
  ],
])('failed, %s', (_case, situation, steps) => {
  expect(nextSteps(situation)).toEqual(steps);
});

test('workers are wanted as far as the release has their target and there are any', () => {
  expect(wantedJobs(spec, { mailer: 3, gone: 2 })).toEqual([
    ...two,
    { type: 'WORKER', target: 'mailer', count: 3 },
  ]);
  expect(wantedJobs({ ...spec, scale: 0 }, { mailer: 0, toString: 1 })).toEqual([]);
});

test.each([
  ['NONE', until.verify, end('SUCCEEDED')],
  ['CURRENT', until.verify, { do: 'ENTER_SWITCH' }],
  ['BEHIND', until.verify, { do: 'ENTER_SWITCH' }],
  ['CURRENT', [...until.verify, ...phases('SWITCH')], end('SUCCEEDED')],
] as const)('all healthy and the proxies %s: behind a proxy SWITCH is passed', (proxies, passed, step) => {
  const healthy = [job('a', 'new'), job('b', 'new')];
  expect(nextSteps({ ...redeploying({ phases: passed }, healthy), proxies })).toEqual([step]);
});
