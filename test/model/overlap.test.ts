// What a redeploy by OVERLAP does next, as a table of cases: until the switch, and what fails then.
import { expect, test } from 'vitest';
import { nextSteps } from '../../src/model/redeploy.ts';
import {
  byOther,
  type Case,
  drained,
  draining,
  during,
  fail,
  fresh,
  gaveWay,
  mailer,
  news,
  olds,
  onRequest,
  order,
  overlapping,
  serving,
  starting,
  stop,
  wait,
  waiting,
  wanted,
} from './overlap-situations.ts';
import { ago, ended, job } from './situations.ts';

test.each<Case>([
  ['begun: prepare', during('PREPARE'), [{ do: 'PREPARE' }]],
  [
    'the image is sought',
    during('PULL_IMAGE', olds, { view: { imageFound: false } }),
    [{ do: 'OBTAIN_IMAGE' }],
  ],
  [
    'and what serves meanwhile is looked after: started, verified, stopped on request',
    during(
      'PULL_IMAGE',
      [serving('a', { stopRequested: true }), serving('b', starting), serving('c', waiting)],
      {
        view: { imageFound: false },
      },
    ),
    [
      { do: 'OBTAIN_IMAGE' },
      stop('a', onRequest),
      { do: 'START_JOB', jobId: 'b' },
      { do: 'VERIFY_JOB', jobId: 'c', until: ago(-110) },
    ],
  ],
  [
    'those that a called-off drain left without requests get them again; an unhealthy one does not',
    during('PULL_IMAGE', [draining('a'), draining('b', { health: 'UNHEALTHY' }), serving('c')], {
      view: { imageFound: false },
    }),
    [{ do: 'OBTAIN_IMAGE' }, { do: 'PUT_IN', jobId: 'a' }],
  ],
  [
    'what a superseded redeploy had begun is left as it is until there is the image',
    during(
      'PULL_IMAGE',
      [
        serving('a'),
        fresh('c', { ...byOther, ...starting }),
        fresh('d', { ...byOther, ...waiting }),
        fresh('e', byOther),
      ],
      { view: { imageFound: false } },
    ),
    [{ do: 'OBTAIN_IMAGE' }],
  ],
  [
    'the image is there: the new ones start beside the old',
    during('PULL_IMAGE', olds),
    [{ do: 'ENTER_START_NEW', wanted }],
  ],
  ['so without old ones', during('PULL_IMAGE'), [{ do: 'ENTER_START_NEW', wanted }]],
  [
    'workers as many as are asked for',
    during('PULL_IMAGE', olds, { workers: { mailer: 3, gone: 1 } }),
    [{ do: 'ENTER_START_NEW', wanted: [...wanted, { type: 'WORKER', target: 'mailer', count: 3 }] }],
  ],
  [
    'scaled down: as many as the new spec says, the old keep their number',
    during('PULL_IMAGE', [...olds, serving('c'), serving('d')]),
    [{ do: 'ENTER_START_NEW', wanted }],
  ],
  [
    'what a superseded redeploy had started goes first, healthy or not',
    during('PULL_IMAGE', [
      ...olds,
      job('c', 'new', { ...byOther, rotation: 'OUT' }),
      job('d', 'new', { ...byOther, ...starting }),
    ]),
    [stop('c', gaveWay), stop('d', gaveWay)],
  ],
  [
    'superseded after its switch: its jobs serve, and those it replaced go',
    during('PULL_IMAGE', [...drained, job('c', 'new', { ...byOther, rotation: 'IN' })], {
      view: { lastGood: { redeployId: 'superseded', spec: overlapping } },
    }),
    [stop('a', gaveWay), stop('b', gaveWay)],
  ],
  [
    'but not while a proxy may know no others',
    during('PULL_IMAGE', [...drained, job('c', 'new', { ...byOther, rotation: 'IN' })], {
      view: { lastGood: { redeployId: 'superseded', spec: overlapping } },
      proxies: 'BEHIND',
    }),
    [wait(ago(-1))],
  ],
  [
    'what serves of a redeploy that never succeeded stays',
    during('PULL_IMAGE', [serving('a', byOther)], { view: { lastGood: null } }),
    [{ do: 'ENTER_START_NEW', wanted }],
  ],
  [
    'an old one that leaves is gone before any new one starts',
    during('PULL_IMAGE', [serving('a'), job('b', 'old', { state: 'STOPPING', rotation: 'OUT' })]),
    [stop('b', gaveWay)],
  ],
  [
    'the old ones are not asked to be healthy',
    during('PULL_IMAGE', [serving('a', { health: 'UNHEALTHY' })]),
    [{ do: 'ENTER_START_NEW', wanted }],
  ],
  [
    'an old one died: all the same',
    during('PULL_IMAGE', [serving('a'), ended('b', 'old', 1)]),
    [{ do: 'ENTER_START_NEW', wanted }],
  ],
])('before any new job, %s', (_case, situation, steps) => {
  expect(nextSteps(situation)).toEqual(steps);
});

test.each<Case>([
  [
    'start the scheduled, verify the running',
    during('START_NEW', [...olds, fresh('c', starting), fresh('d', waiting)]),
    [
      { do: 'START_JOB', jobId: 'c' },
      { do: 'VERIFY_JOB', jobId: 'd', until: ago(-110) },
    ],
  ],
  [
    'all started: verify',
    during('START_NEW', [...olds, fresh('c', waiting)]),
    [{ do: 'ENTER_VERIFY' }, { do: 'VERIFY_JOB', jobId: 'c', until: ago(-110) }],
  ],
  [
    'one of two healthy: the other is waited for',
    during('VERIFY', [...olds, fresh('c'), fresh('d', waiting)]),
    [{ do: 'VERIFY_JOB', jobId: 'd', until: ago(-110) }],
  ],
  [
    'one that was healthy and no longer is: waited for again',
    during('VERIFY', [...olds, fresh('c', { health: 'UNHEALTHY', startedAt: ago(9) }), fresh('d')]),
    [{ do: 'VERIFY_JOB', jobId: 'c', until: ago(-111) }],
  ],
  ['all healthy: switch', during('VERIFY', [...olds, fresh('c'), fresh('d')]), [{ do: 'SWITCH' }]],
  [
    'proxies that lag hold up no switch',
    during('VERIFY', [fresh('c')], { proxies: 'BEHIND' }),
    [{ do: 'SWITCH' }],
  ],
  ['the old ones all died: switch', during('VERIFY', [ended('a', 'old', 1), fresh('c')]), [{ do: 'SWITCH' }]],
  [
    'a new worker is waited for, too',
    during('VERIFY', [...olds, fresh('c'), fresh('w', { ...mailer, ...waiting })]),
    [{ do: 'VERIFY_JOB', jobId: 'w', until: ago(-110) }],
  ],
  [
    'an old one that was just being started goes on to health and into rotation',
    during('VERIFY', [serving('a', { ...starting, rotation: 'OUT' }), fresh('c', waiting)]),
    [
      { do: 'VERIFY_JOB', jobId: 'c', until: ago(-110) },
      { do: 'START_JOB', jobId: 'a' },
    ],
  ],
  [
    'one that did not become healthy in time is left as it is',
    during('VERIFY', [serving('a', { ...waiting, startedAt: ago(120) }), fresh('c', waiting)]),
    [{ do: 'VERIFY_JOB', jobId: 'c', until: ago(-110) }],
  ],
  [
    'a new one ended: fail',
    during('VERIFY', [...olds, fresh('c'), ended('d', 'new', 1)]),
    fail({ kind: 'JOB_ENDED', jobId: 'd' }),
  ],
  [
    'a new worker ended: fail',
    during('START_NEW', [fresh('c', starting), ended('w', 'new', 1, mailer)]),
    fail({ kind: 'JOB_ENDED', jobId: 'w' }),
  ],
  [
    'a new one is not healthy in time: fail',
    during('VERIFY', [...olds, fresh('c', { ...waiting, startedAt: ago(120) })]),
    fail({ kind: 'NOT_HEALTHY', jobId: 'c' }),
  ],
  [
    'a new one is to stop on request',
    during('VERIFY', [fresh('c', { stopRequested: true })]),
    [stop('c', onRequest)],
  ],
])('beside the old ones, %s', (_case, situation, steps) => {
  expect(nextSteps(situation)).toEqual(steps);
});

test.each(order.slice(0, 5))('not switched when the time for it is over, during %s: it fails', (phase) => {
  const at = (seconds: number) =>
    nextSteps(
      during(phase, [...drained, ...news], { proxies: 'BEHIND', view: { deadlineAt: ago(-40 - seconds) } }),
    );
  expect(at(0)).toEqual(fail({ kind: 'DEADLINE' }));
  expect(at(0.001)).not.toEqual(fail({ kind: 'DEADLINE' }));
});
