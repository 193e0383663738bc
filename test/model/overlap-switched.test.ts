// What a redeploy by OVERLAP does next, as a table of cases: after the switch, by time, and when it is undone.
import { expect, test } from 'vitest';
import { isBeyondReturn, secondsAfterSwitch, switchBy } from '../../src/model/overlap.ts';
import { nextSteps } from '../../src/model/redeploy.ts';
import {
  byOther,
  type Case,
  canceled,
  drained,
  draining,
  during,
  end,
  fail,
  failed,
  fresh,
  mailer,
  news,
  olds,
  onRequest,
  order,
  overlapping,
  replaced,
  serving,
  stop,
  switched,
  undone,
  wait,
} from './overlap-situations.ts';
import { ago, ended, job, now } from './situations.ts';

test.each<Case>([
  [
    'before any new job: nothing to undo',
    during('PULL_IMAGE', olds, { view: { cause: failed } }),
    end('FAILED'),
  ],
  ['canceled then: canceled', during('PREPARE', olds, { view: { cause: canceled } }), end('CANCELED')],
  [
    'before the switch the new ones go, and only they',
    during('VERIFY', [...olds, fresh('c'), ended('d', 'new', 1), fresh('w', mailer)], {
      view: { cause: failed },
    }),
    [stop('c', undone), stop('w', undone)],
  ],
  [
    'they have gone: failed',
    during('VERIFY', [...olds, ended('d', 'new', 1)], { view: { cause: failed } }),
    end('FAILED'),
  ],
  [
    'they have gone after a cancel: canceled',
    during('VERIFY', olds, { view: { cause: canceled } }),
    end('CANCELED'),
  ],
  [
    'after the switch requests go back first',
    during('SWITCH', [...drained, ...news], { view: { cause: failed } }),
    [{ do: 'SWITCH_BACK' }],
  ],
  [
    'canceled in the overlap: likewise',
    during('OVERLAP', [...drained, ...news], { view: { cause: canceled } }),
    [{ do: 'SWITCH_BACK' }],
  ],
  [
    'one healthy old one is enough to go back to',
    during('OVERLAP', [draining('a', { health: 'UNHEALTHY' }), draining('b'), ...news], {
      view: { cause: failed },
    }),
    [{ do: 'SWITCH_BACK' }],
  ],
  ['nobody to go back to: failed', during('OVERLAP', news, { view: { cause: failed } }), end('FAILED')],
  [
    'nobody healthy to go back to: failed',
    during(
      'OVERLAP',
      [
        draining('a', { health: 'UNHEALTHY' }),
        draining('b', { stopRequested: true }),
        job('w', 'old', mailer),
        ...news,
      ],
      {
        view: { cause: failed },
      },
    ),
    end('FAILED'),
  ],
  [
    'nothing had ever succeeded: what serves now goes on',
    during('OVERLAP', [draining('a', byOther), ...news], { view: { cause: canceled, previousId: null } }),
    end('CANCELED'),
  ],
  [
    'switched back: the proxies first',
    during('RESTORE', [...olds, ...news], { view: { cause: failed }, proxies: 'BEHIND' }),
    [wait(ago(-1))],
  ],
  [
    'then the new ones go',
    during('RESTORE', [...olds, ...news], { view: { cause: failed }, proxies: 'CURRENT' }),
    [stop('c', undone), stop('d', undone)],
  ],
  [
    'they have gone: rolled back',
    during('RESTORE', [...olds, ended('d', 'new', 1)], { view: { cause: failed } }),
    end('ROLLED_BACK'),
  ],
  [
    'not all of the old are there: not rolled back',
    during('RESTORE', [serving('a'), ended('b', 'old', 1)], { view: { cause: failed } }),
    end('FAILED'),
  ],
  [
    'workers come right after it',
    during('RESTORE', olds, { workers: { mailer: 1 }, view: { cause: failed } }),
    end('ROLLED_BACK'),
  ],
  [
    'what serves is not the last good spec: not rolled back',
    during('RESTORE', [serving('a', byOther), serving('b', byOther)], { view: { cause: failed } }),
    end('FAILED'),
  ],
  [
    'they have gone after a cancel: canceled',
    during('RESTORE', olds, { view: { cause: canceled } }),
    end('CANCELED'),
  ],
  [
    'not to be rolled back: requests go back all the same',
    during('SWITCH', [...drained, ...news], {
      view: { cause: failed, spec: { ...overlapping, rollBack: false } },
    }),
    [{ do: 'SWITCH_BACK' }],
  ],
  [
    'ten seconds past its deadline: it ends whatever is left',
    during('RESTORE', [...olds, ...news], {
      view: { cause: failed, deadlineAt: ago(10) },
      proxies: 'BEHIND',
    }),
    end('FAILED'),
  ],
  [
    'and as canceled when it was',
    during('VERIFY', [...olds, fresh('c')], { view: { cause: canceled, deadlineAt: ago(10) } }),
    end('CANCELED'),
  ],
])('failed, %s', (_case, situation, steps) => {
  expect(nextSteps(situation)).toEqual(steps);
});

test.each<Case>([
  ['proxies behind: wait', during('SWITCH', [...drained, ...news], { proxies: 'BEHIND' }), [wait(ago(-1))]],
  [
    'proxies have it: overlap',
    during('SWITCH', [...drained, ...news], { proxies: 'CURRENT' }),
    [{ do: 'ENTER_OVERLAP' }],
  ],
  ['no proxies: overlap', during('SWITCH', [...drained, ...news]), [{ do: 'ENTER_OVERLAP' }]],
  ['the old ones finish what they have begun', during('OVERLAP', [...drained, ...news]), [wait(ago(-25))]],
  [
    'a moment before the end: still',
    during('OVERLAP', [...drained, ...news], { now: ago(-24.9) }),
    [wait(ago(-25))],
  ],
  [
    'the period is over: drain',
    during('OVERLAP', [...drained, ...news], { now: ago(-25) }),
    [{ do: 'ENTER_DRAIN' }],
  ],
  ['nothing old: nobody is waited for', during('OVERLAP', news), [{ do: 'ENTER_DRAIN' }]],
  [
    'no overlap period: drain at once',
    during('OVERLAP', [...drained, ...news], { view: { spec: { ...overlapping, overlapSeconds: 0 } } }),
    [{ do: 'ENTER_DRAIN' }],
  ],
  [
    'old workers stop at once, new ones go on',
    during('OVERLAP', [...drained, job('v', 'old', mailer), ...news, job('w', 'new', mailer)]),
    [stop('v', replaced), wait(ago(-25))],
  ],
  [
    'who is asked to stop stops, whenever that is',
    during('OVERLAP', [
      draining('a', { stopRequested: true }),
      ...news,
      job('v', 'old', { ...mailer, stopRequested: true }),
    ]),
    [stop('a', onRequest), stop('v', onRequest), wait(ago(-25))],
  ],
  [
    'during the switch, too',
    during('SWITCH', [...drained, switched('c', { stopRequested: true }), switched('d')], {
      proxies: 'BEHIND',
    }),
    [stop('c', onRequest), wait(ago(-1))],
  ],
  [
    'one of two is not healthy for a while: it has only left rotation',
    during('OVERLAP', [...drained, switched('c', { health: 'UNHEALTHY' }), switched('d')]),
    [wait(ago(-25))],
  ],
  [
    'none is healthy: fail',
    during('OVERLAP', [
      ...drained,
      switched('c', { health: 'UNHEALTHY' }),
      switched('d', { health: 'UNHEALTHY' }),
    ]),
    fail({ kind: 'NOT_HEALTHY', jobId: 'c' }),
  ],
  [
    'none is healthy and the deadline has come: fail without another look',
    during('OVERLAP', [...drained, switched('c', { health: 'UNHEALTHY' })], { view: { deadlineAt: ago(0) } }),
    fail({ kind: 'DEADLINE' }),
  ],
  [
    'and so is one that has ended by then',
    during('OVERLAP', [...drained, switched('c'), ended('d', 'new', 1)], { view: { deadlineAt: ago(0) } }),
    fail({ kind: 'DEADLINE' }),
  ],
  [
    'a new one ended during the switch: fail',
    during('SWITCH', [...drained, switched('c'), ended('d', 'new', 1)]),
    fail({ kind: 'JOB_ENDED', jobId: 'd' }),
  ],
  [
    'a new one ended during the overlap: fail',
    during('OVERLAP', [...drained, switched('c'), ended('d', 'new', 1)]),
    fail({ kind: 'JOB_ENDED', jobId: 'd' }),
  ],
  [
    'a new worker ended: fail',
    during('OVERLAP', [...drained, ...news, ended('w', 'new', 1, mailer)]),
    fail({ kind: 'JOB_ENDED', jobId: 'w' }),
  ],
  [
    'an old one ended: nothing',
    during('OVERLAP', [ended('a', 'old', 1), draining('b'), ...news]),
    [wait(ago(-25))],
  ],
  [
    'all old ones ended: nobody is waited for',
    during('OVERLAP', [ended('a', 'old', 1), ...news]),
    [{ do: 'ENTER_DRAIN' }],
  ],
  ['the old ones stop', during('DRAIN', [...drained, ...news]), [stop('a', replaced), stop('b', replaced)]],
  ['they have stopped: success', during('DRAIN', news), end('SUCCEEDED')],
  [
    'from here on a cancel changes nothing',
    during('DRAIN', [draining('a'), ...news], { view: { cancelRequested: true } }),
    [stop('a', replaced)],
  ],
  [
    'nor does the death of a new one',
    during('DRAIN', [draining('a'), switched('c'), ended('d', 'new', 1)]),
    [stop('a', replaced)],
  ],
  [
    'an old one that will not stop in time is left to others',
    during('DRAIN', [draining('a'), ...news], { view: { deadlineAt: ago(0) } }),
    end('SUCCEEDED'),
  ],
])('after the switch, %s', (_case, situation, steps) => {
  expect(nextSteps(situation)).toEqual(steps);
});

test.each(order.slice(0, 6))(
  'canceled during %s: it fails as canceled, before its deadline and after',
  (phase) => {
    for (const deadlineAt of [ago(-300), ago(1)]) {
      const situation = during(phase, [...olds, ...news], { view: { cancelRequested: true, deadlineAt } });
      expect(nextSteps(situation)).toEqual(fail({ kind: 'CANCELED' }));
    }
  },
);

test('what was switched is not failed by time', () => {
  const late = during('OVERLAP', [...drained, ...news], { view: { deadlineAt: ago(100) } });
  expect(nextSteps(late)).toEqual([wait(ago(-25))]);
});

test('the time until the switch is what was given; overlap and drain come on top', () => {
  expect(secondsAfterSwitch(overlapping)).toBe(40);
  expect(secondsAfterSwitch({ ...overlapping, strategy: 'RECREATE' })).toBe(0);
  const { redeploy } = during('VERIFY', [], { view: { deadlineAt: new Date(now.getTime() + 100_000) } });
  expect(switchBy(redeploy)).toEqual(new Date(now.getTime() + 60_000));
});

test('there is no way back from DRAIN, and from no other phase', () => {
  expect(order.filter((phase) => isBeyondReturn(during(phase).redeploy))).toEqual(['DRAIN']);
});
