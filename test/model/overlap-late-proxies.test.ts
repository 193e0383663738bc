// A redeploy by OVERLAP and the service proxies that come up after its switch, which may have started from what was before.
import { expect, test } from 'vitest';
import { nextSteps } from '../../src/model/redeploy.ts';
import { type Case, drained, draining, during, news, replaced, stop, wait } from './overlap-situations.ts';
import { ago, job } from './situations.ts';

const oldWorker = job('w', 'old', { type: 'WORKER', target: 'mail', rotation: null });

test.each<Case>([
  [
    'a proxy that came up since is behind: the old ones are not drained yet',
    during('OVERLAP', [...drained, ...news], { now: ago(-25), proxies: 'BEHIND' }),
    [wait(ago(-26))],
  ],
  [
    'nor stopped, when it comes up as they are being drained',
    during('DRAIN', [...drained, ...news], { proxies: 'BEHIND' }),
    [wait(ago(-1))],
  ],
  [
    'one that is being stopped already, and a worker, do not wait for it',
    during('DRAIN', [...drained.slice(0, 1), draining('s', { state: 'STOPPING' }), oldWorker, ...news], {
      proxies: 'BEHIND',
    }),
    [stop('s', replaced), stop(oldWorker.id, replaced), wait(ago(-1))],
  ],
  [
    'it stays behind until the deadline is near: stopped all the same',
    during('DRAIN', [...drained, ...news], { proxies: 'BEHIND', view: { deadlineAt: ago(-10) } }),
    drained.map(({ id }) => stop(id, replaced)),
  ],
  [
    'it is behind and nothing old gets requests: nobody is waited for',
    during('OVERLAP', news, { proxies: 'BEHIND' }),
    [{ do: 'ENTER_DRAIN' }],
  ],
])('%s', (_case, situation, steps) => {
  expect(nextSteps(situation)).toEqual(steps);
});
