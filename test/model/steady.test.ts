// What a service needs while no redeploy is open, as a table of cases; back-off and restart budget.
import { expect, test } from 'vitest';
import {
  delaySeconds,
  restartBudget,
  type SteadySituation,
  type SteadyStep,
  steadySteps,
} from '../../src/model/steady.ts';
import { ago, database, ended, job, now, spec, steady } from './situations.ts';

const stop = (jobId: string, reason: string): SteadyStep => ({ do: 'STOP_JOB', jobId, reason });
const replace = (count: number, target: string | null = null): SteadyStep => ({
  do: 'REPLACE',
  wanted: { type: target === null ? 'DEPLOY' : 'WORKER', target, count },
});
const both = [job('a', 'old'), job('b', 'old')];
const mailer = (id: string, more = {}) => job(id, 'old', { type: 'WORKER', target: 'mailer', ...more });
const one = { redeployId: 'old', spec: database };
const task = (more = {}) => job('t', 'old', { type: 'TASK', health: null, ...more });

test.each<[string, SteadySituation, SteadyStep[]]>([
  ['as many as wanted: nothing', steady(both), []],
  ['never deployed: nothing', steady([], { running: null }), []],
  [
    'healthy and out of rotation: put in, wherever it was',
    steady([job('a', 'old', { rotation: 'DRAINING' }), job('b', 'old', { rotation: 'OUT' })]),
    [
      { do: 'PUT_IN', jobId: 'a' },
      { do: 'PUT_IN', jobId: 'b' },
    ],
  ],
  [
    'not healthy, or leaving: not put in',
    steady([
      job('a', 'old', { rotation: 'OUT', health: 'UNHEALTHY' }),
      job('b', 'old', { rotation: 'DRAINING', stopRequested: true }),
      job('c', 'old', { rotation: 'IN' }),
    ]),
    [stop('b', 'Stopped on request')],
  ],
  [
    'of another spec and still what a proxy knows: not yet stopped',
    steady([...both, job('c', 'new', { rotation: 'DRAINING' }), job('d', 'new', { rotation: 'OUT' })], {
      proxies: 'BEHIND',
    }),
    [{ do: 'WAIT', until: ago(-1) }, stop('d', 'No longer wanted')],
  ],
  [
    'the proxies have what is wanted: stopped',
    steady([...both, job('c', 'new', { rotation: 'DRAINING' })], { proxies: 'CURRENT' }),
    [stop('c', 'No longer wanted')],
  ],
  ['one died: replaced at once', steady([job('a', 'old'), ended('b', 'old', 0)]), [replace(1)]],
  [
    'one is lost: replaced at once',
    steady([job('a', 'old'), ended('b', 'old', 0, { state: 'LOST' })]),
    [replace(1)],
  ],
  [
    'one was stopped on request: replaced, and no death',
    steady([job('a', 'old'), ended('b', 'old', 0, { state: 'STOPPED' })]),
    [replace(1)],
  ],
  [
    'one is being stopped on request: replaced meanwhile',
    steady([job('a', 'old'), job('b', 'old', { stopRequested: true })]),
    [stop('b', 'Stopped on request'), replace(1)],
  ],
  [
    'with a volume: replaced when it has gone',
    steady([job('a', 'old', { stopRequested: true })], { running: one }),
    [stop('a', 'Stopped on request')],
  ],
  [
    'with a volume and one of another spec: first the one',
    steady([job('a', 'new'), job('b', 'old', { state: 'SCHEDULED' })], { running: one }),
    [stop('a', 'No longer wanted')],
  ],
  ['with a volume and nothing alive: started', steady([], { running: one }), [replace(1)]],
  [
    'so many leave that there is no room: not yet',
    steady(['a', 'b', 'c', 'd', 'e'].map((id) => job(id, 'old', { state: 'STOPPING' }))),
    ['a', 'b', 'c', 'd', 'e'].map((id) => stop(id, 'Stopped on request')),
  ],
  ['too many: the youngest go', steady([...both, job('c', 'old')]), [stop('c', 'No longer wanted')]],
  ['one of another spec: it goes', steady([...both, job('c', 'new')]), [stop('c', 'No longer wanted')]],
  [
    'scheduled: started',
    steady([job('a', 'old'), job('b', 'old', { state: 'SCHEDULED', health: null })]),
    [{ do: 'START_JOB', jobId: 'b' }],
  ],
  [
    'starting: verified',
    steady([job('a', 'old'), job('b', 'old', { health: 'STARTING' })]),
    [{ do: 'VERIFY_JOB', jobId: 'b', until: ago(-61) }],
  ],
  [
    'not healthy in time: said once',
    steady([job('a', 'old'), job('b', 'old', { health: 'STARTING', startedAt: ago(120) })]),
    [{ do: 'MARK_UNHEALTHY', jobId: 'b' }],
  ],
  ['unhealthy: left', steady([job('a', 'old'), job('b', 'old', { health: 'UNHEALTHY' })]), []],
  ['workers asked for: started', steady(both, { workers: { mailer: 2 } }), [replace(2, 'mailer')]],
  [
    'fewer workers asked for: the youngest go',
    steady([...both, mailer('m'), mailer('n')], { workers: { mailer: 1 } }),
    [stop('n', 'No longer wanted')],
  ],
  [
    'workers of a target that is gone go',
    steady([...both, mailer('m')], { workers: {} }),
    [stop('m', 'No longer wanted')],
  ],
  [
    'stopped: everything goes',
    steady(both, { stopped: true }),
    both.map(({ id }) => stop(id, 'Its service was stopped')),
  ],
  [
    'deleting: everything goes, tasks too',
    steady([job('a', 'old'), task()], { deleting: true }),
    [stop('a', 'Its service is being deleted'), stop('t', 'Its service is being deleted')],
  ],
  [
    'deleting and nothing alive: cleared away',
    steady([ended('a', 'old', 5)], { deleting: true }),
    [{ do: 'CLEAR_AWAY' }],
  ],
  ['a task is started', steady([...both, task({ state: 'SCHEDULED' })]), [{ do: 'START_JOB', jobId: 't' }]],
  ['a task is left to run, also when the service is stopped', steady([task()], { stopped: true }), []],
  [
    'a task is stopped on request',
    steady([...both, task({ stopRequested: true })]),
    [stop('t', 'Stopped on request')],
  ],
])('%s', (_case, situation, steps) => {
  expect(steadySteps(situation)).toEqual(steps);
});

test('delays are none, none, then 1, 2, 4, 8 seconds, and the longest is reached before the budget is spent', () => {
  expect([0, 1, 2, 3, 4, 5, 50].map(delaySeconds)).toEqual([0, 0, 1, 2, 4, 8, 8]);
  expect(delaySeconds(restartBudget.deaths)).toBe(restartBudget.longestDelaySeconds);
});

/** So many deaths of both slots, the last of them so long ago. */
const deaths = (count: number, seconds: number) =>
  Array.from({ length: count }, (_, index) => ended(`d${index}`, 'old', seconds + count - index - 1));

test.each<[number, number, SteadyStep[]]>([
  [2, 0, [replace(2)]],
  [4, 0, [{ do: 'WAIT', until: ago(-1) }]],
  [4, 1, [replace(2)]],
  [6, 1, [{ do: 'WAIT', until: ago(-1) }]],
  [10, 7, [{ do: 'WAIT', until: ago(-1) }]],
  [10, 8, [replace(2)]],
  [11, 500, [{ do: 'MARK_FAILING', deaths: 11 }]],
  [12, 595, [replace(2)]],
])('%i deaths, the last %i s ago', (count, seconds, steps) => {
  expect(steadySteps(steady(deaths(count, seconds)))).toEqual(steps);
});

test('what is given up stays so, and holds up neither the deploy jobs nor another target', () => {
  const dead = (ago: number) =>
    deaths(6, ago).map((each) => ({ ...each, type: 'WORKER' as const, target: 'mailer' }));
  const workers = { workers: { mailer: 1 } };
  const halfServed = [job('a', 'old'), ended('b', 'old', 0)];
  expect(steadySteps(steady([...halfServed, ...dead(5)], workers))).toEqual([
    replace(1),
    { do: 'MARK_FAILING', deaths: 6 },
  ]);
  for (const seconds of [5, 700, 100_000]) {
    const failing = { ...workers, failing: true };
    expect(steadySteps(steady([...halfServed, ...dead(seconds)], failing))).toEqual([replace(1)]);
    expect(steadySteps(steady([...both, ...dead(seconds)], failing))).toEqual([]);
  }
  // Asked for after the other was given up, and beginning to die itself.
  const commands = { ...spec.commands, printer: 'print' };
  const running = { redeployId: 'old', spec: { ...spec, commands } };
  const two = { workers: { mailer: 1, printer: 1 }, failing: true, running };
  const printer = { type: 'WORKER' as const, target: 'printer' };
  expect(steadySteps(steady([...both, ...dead(99)], two))).toEqual([replace(1, 'printer')]);
  const dying = deaths(2, 0).map((each) => ({ ...each, ...printer, id: `p${each.id}` }));
  expect(steadySteps(steady([...both, ...dead(99), ...dying], two))).toEqual([
    { do: 'WAIT', until: ago(-1) },
  ]);
});

test('deaths before somebody asked for a new try, of another spec or target do not count', () => {
  const many = deaths(20, 5);
  expect(steadySteps(steady(many))).toEqual([{ do: 'MARK_FAILING', deaths: 20 }]);
  expect(steadySteps(steady(many, { budgetFrom: ago(5) }))).toEqual([replace(2)]);
  expect(steadySteps(steady(many.map((each) => ({ ...each, redeployId: 'new' }))))).toEqual([replace(2)]);
  const workers = many.map((each) => ({ ...each, type: 'WORKER' as const, target: 'mailer' }));
  expect(steadySteps(steady(workers))).toEqual([replace(2)]);
  expect(restartBudget.deaths).toBe(5);
  expect(now.getTime()).toBeGreaterThan(0);
});
