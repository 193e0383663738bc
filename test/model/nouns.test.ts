// The table of a job's moves, differences of specs, places of lines, health from counts, and what the engines tell.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { eventTypes } from '../../src/model/events.ts';
import {
  endedStates,
  hasEnded,
  type JobState,
  jobMoves,
  jobStates,
  statesBefore,
} from '../../src/model/jobs.ts';
import { firstPlace, isAfter, placeAfter } from '../../src/model/output.ts';
import { engineKinds } from '../../src/model/service-types/index.ts';
import { compareSpecs, planText, type Spec } from '../../src/model/spec.ts';
import { environmentHealth, type Health, type ServiceFacts, serviceHealth } from '../../src/model/status.ts';
import { spec } from './situations.ts';

test('ends are never left, every other state can be, and every state but the first can be reached', () => {
  for (const state of jobStates) {
    expect([state, jobMoves[state].length === 0]).toEqual([state, hasEnded(state)]);
    expect([state, statesBefore(state).length > 0]).toEqual([state, state !== 'SCHEDULED']);
    for (const ended of endedStates) expect(statesBefore(state)).not.toContain(ended);
    expect(statesBefore(state)).toEqual(jobStates.filter((from) => jobMoves[from].includes(state)));
  }
});

test('whatever way a job moves, it comes to an end and to no state twice', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(10), { minLength: 8, maxLength: 8 }), (choices) => {
      const seen: JobState[] = ['SCHEDULED'];
      for (const choice of choices) {
        const moves = jobMoves[seen.at(-1) ?? 'SCHEDULED'];
        const next = moves[choice % Math.max(1, moves.length)];
        if (next !== undefined) seen.push(next);
      }
      expect(hasEnded(seen.at(-1) ?? 'SCHEDULED')).toBe(true);
      expect(new Set(seen).size).toBe(seen.length);
    }),
  );
});

const ref = (digest: string) => ({ secretId: 'a', digest, source: 'USER' as const });

test.each<[string, Spec, [string, string, string | null, string | null][]]>([
  ['nothing', spec, []],
  ['another secret of the same value', { ...spec, variables: { A: { ...ref('1'), secretId: 'b' } } }, []],
  ['the scale', { ...spec, scale: 3, variables: { A: ref('1') } }, [['scale', 'CHANGED', '2', '3']]],
  ['a size', { ...spec, size: { ...spec.size, storageGiB: 5 } }, [['size.storageGiB', 'ADDED', null, '5']]],
  [
    'a variable',
    { ...spec, variables: { A: ref('2') } },
    [['variables.A', 'CHANGED', 'digest 1', 'digest 2']],
  ],
  [
    'variables',
    { ...spec, variables: { B: ref('1') } },
    [
      ['variables.A', 'REMOVED', 'digest 1', null],
      ['variables.B', 'ADDED', null, 'digest 1'],
    ],
  ],
  ['a command', { ...spec, commands: {} }, [['commands.mailer', 'REMOVED', 'node mailer.js', null]]],
])('a difference in %s is told as such', (what, wanted, changes) => {
  const before = { ...spec, variables: { A: ref('1') } };
  const after =
    what === 'nothing' || 'A' in wanted.variables || 'B' in wanted.variables
      ? wanted
      : { ...wanted, variables: before.variables };
  const found = compareSpecs(before, what === 'nothing' ? before : after);
  expect(found.map(({ field, kind, before: was, after: is }) => [field, kind, was, is])).toEqual(changes);
});

test('against nothing everything is added; a plan is another for whatever its steps depend on, and no other', () => {
  expect(new Set(compareSpecs(undefined, spec).map(({ kind }) => kind))).toEqual(new Set(['ADDED']));
  const reordered = Object.fromEntries(Object.entries(spec).reverse()) as unknown as Spec;
  const around = { openRedeployId: null, stopped: false, workers: { mailer: 1 } };
  expect(planText(spec, reordered, around)).toBe(planText(spec, spec, around));
  const texts = [
    planText(spec, spec, around),
    planText(undefined, spec, around),
    planText(spec, spec, { ...around, openRedeployId: 'open' }),
    planText(spec, spec, { ...around, stopped: true }),
    planText(spec, spec, { ...around, workers: { mailer: 2 } }),
    planText(spec, { ...spec, scale: 9 }, around),
    planText(spec, { ...spec, rollBack: !spec.rollBack }, around),
  ];
  expect(new Set(texts).size).toBe(texts.length);
});

test('places of lines go forward whatever the clock does, and each line has a place of its own', () => {
  const clock = fc.array(fc.bigInt({ min: 0n, max: 5n }), { maxLength: 30 });
  fc.assert(
    fc.property(clock, (times) => {
      let place = firstPlace;
      for (const timeNanos of times) {
        const next = placeAfter(place, { timeNanos });
        expect([isAfter(next, place), isAfter(place, next), isAfter(next, next)]).toEqual([
          true,
          false,
          false,
        ]);
        place = next;
      }
    }),
  );
});

const facts: ServiceFacts = {
  stopped: false,
  failing: false,
  redeploying: false,
  wanted: 2,
  healthy: 2,
  failingChecks: 0,
};
test.each<[Health, Partial<ServiceFacts>]>([
  ['HEALTHY', {}],
  ['HEALTHY', { healthy: 3 }],
  ['DEGRADED', { healthy: 1 }],
  ['DEGRADED', { failingChecks: 1 }],
  ['FAILING', { healthy: 0 }],
  ['FAILING', { failing: true }],
  ['STOPPED', { wanted: 0, healthy: 0 }],
  ['STOPPED', { stopped: true }],
  ['NOT_DEPLOYED', { wanted: null, healthy: 0 }],
  ['DEPLOYING', { redeploying: true, failing: true, stopped: true, wanted: null }],
])('a service is %s with %o', (health, more) => {
  expect(serviceHealth({ ...facts, ...more })).toBe(health);
});

test.each<[Health, Health[]]>([
  ['NOT_DEPLOYED', []],
  ['NOT_DEPLOYED', ['NOT_DEPLOYED']],
  ['STOPPED', ['STOPPED', 'NOT_DEPLOYED']],
  ['HEALTHY', ['HEALTHY', 'STOPPED', 'NOT_DEPLOYED']],
  ['DEPLOYING', ['HEALTHY', 'DEPLOYING']],
  ['DEGRADED', ['DEGRADED', 'DEPLOYING']],
  ['DEGRADED', ['FAILING', 'HEALTHY']],
  ['FAILING', ['FAILING', 'STOPPED']],
])('an environment is %s with services %o', (health, services) => {
  expect(environmentHealth(services)).toBe(health);
  expect(environmentHealth(services.toReversed())).toBe(health);
});

test('kinds and types are named once each, and each engine offers what its readers rely on', () => {
  expect(new Set(eventTypes).size).toBe(eventTypes.length);
  expect(new Set(engineKinds.map(({ runtime }) => runtime)).size).toBe(engineKinds.length);
  for (const kind of engineKinds) {
    expect([kind.runtime, kind.versions.length > 0]).toEqual([kind.runtime, true]);
    const credentials = { user: 'user', password: 'pass-word', database: 'data' };
    const host = new URL(kind.url('host', credentials));
    expect([kind.runtime, host.hostname, host.port]).toEqual([kind.runtime, 'host', String(kind.port)]);
    const own = Object.values(kind.ownVariables(credentials));
    expect([kind.runtime, own.includes('pass-word')]).toEqual([kind.runtime, kind.runtime !== 'MEMCACHED']);
    expect([kind.runtime, kind.dataPath !== null]).toEqual([kind.runtime, kind.type === 'DATABASE']);
    expect(JSON.stringify(kind.command ?? [])).not.toContain('pass-word');
  }
});
