import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  changedJobs,
  type ProxyRotation,
  type RotatedJob,
  rotations,
  sameRotation,
  standOf,
  wantedRotation,
} from '../../src/model/rotation.ts';

const shop = { id: 'shop', maintenance: false };
const job = (id: string, set: Partial<RotatedJob> = {}): RotatedJob => ({
  ...{ id, serviceId: 'shop', address: `10.0.0.${id.length}`, rotation: 'IN', healthy: true },
  ...set,
});
const none = { challenges: {}, certificates: {} };
const rotation = (...jobs: RotatedJob[]) => wantedRotation([shop], jobs, none, 8080);
const places = ({ services }: ProxyRotation) =>
  services.flatMap(({ servers }) => servers.map(({ jobId, state }) => `${jobId} ${state}`));

describe('who gets requests', () => {
  test('a healthy job in rotation, and no other', () => {
    const jobs = [
      job('b'),
      job('a', { healthy: false }),
      job('c', { rotation: 'DRAINING' }),
      job('d', { rotation: 'OUT' }),
      job('e', { rotation: null }),
      job('f', { address: null }),
    ];
    expect(places(rotation(...jobs))).toEqual(['a DRAIN', 'b READY', 'c DRAIN']);
  });

  test('the order in which rows come makes no difference', () => {
    const jobs = fc.uniqueArray(
      fc.record({
        id: fc.string({ minLength: 1, maxLength: 3 }),
        serviceId: fc.constantFrom('shop', 'site'),
        address: fc.option(fc.ipV4()),
        rotation: fc.option(fc.constantFrom(...rotations)),
        healthy: fc.boolean(),
      }),
      { selector: ({ id }) => id },
    );
    const both = [shop, { id: 'site', maintenance: true }];
    fc.assert(
      fc.property(jobs, fc.dictionary(fc.string(), fc.string()), (some, asked) => {
        const one = wantedRotation(both, some, { ...none, challenges: asked }, 8080);
        const reversed = Object.fromEntries(Object.entries(asked).reverse());
        const other = wantedRotation(
          both.toReversed(),
          some.toReversed(),
          { ...none, challenges: reversed },
          8080,
        );
        expect(sameRotation(one, other)).toBe(true);
        expect(changedJobs(one, other)).toEqual([]);
      }),
    );
  });

  test('every difference that a proxy can tell is one', () => {
    const before = rotation(job('a'));
    const others = [
      rotation(job('a', { healthy: false })),
      rotation(job('a', { address: '10.9.9.9' })),
      rotation(job('a'), job('b')),
      rotation(),
      wantedRotation([{ ...shop, maintenance: true }], [job('a')], none, 8080),
      wantedRotation([shop], [job('a')], { ...none, challenges: { token: 'answer' } }, 8080),
      wantedRotation([shop], [job('a')], { ...none, certificates: { c: 'renewed' } }, 8080),
    ];
    expect(others.map((other) => sameRotation(before, other))).toEqual(others.map(() => false));
    expect(sameRotation(null, before)).toBe(false);
  });
});

describe('how far proxies are', () => {
  const wanted = rotation(job('a'));
  const proxy = (applied: ProxyRotation | null, routed = ['shop']) => ({ jobId: 'p', applied, routed });

  test('all that lead to the service have to have it', () => {
    expect(standOf([], 'shop', wanted)).toBe('NONE');
    expect(standOf([proxy(null, ['other'])], 'shop', wanted)).toBe('NONE');
    expect(standOf([proxy(wanted), proxy(null)], 'shop', wanted)).toBe('BEHIND');
    expect(standOf([proxy(wanted), proxy(rotation(job('a', { healthy: false })))], 'shop', wanted)).toBe(
      'BEHIND',
    );
    expect(standOf([proxy(wanted), proxy(wanted), proxy(null, ['other'])], 'shop', wanted)).toBe('CURRENT');
  });

  test('what is behind for a sibling holds up nobody else', () => {
    const services = [shop, { id: 'sibling', maintenance: false }];
    const more = wantedRotation(services, [job('a'), job('z', { serviceId: 'sibling' })], none, 8080);
    expect(standOf([proxy(wanted)], 'shop', more)).toBe('CURRENT');
    expect(standOf([proxy(wanted, ['shop', 'sibling'])], 'sibling', more)).toBe('BEHIND');
  });
});

test('jobs that came, went or moved are told of with the place they have now', () => {
  const before = rotation(job('a'), job('b'), job('c'));
  const now = rotation(job('b', { rotation: 'DRAINING' }), job('c'), job('d'));
  expect(changedJobs(before, now)).toEqual([
    { jobId: 'a', serviceId: 'shop', rotation: 'OUT' },
    { jobId: 'b', serviceId: 'shop', rotation: 'DRAINING' },
    { jobId: 'd', serviceId: 'shop', rotation: 'IN' },
  ]);
  expect(changedJobs(null, rotation(job('a')))).toEqual([{ jobId: 'a', serviceId: 'shop', rotation: 'IN' }]);
});
