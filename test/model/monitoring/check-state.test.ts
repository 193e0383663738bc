import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  afterResult,
  type CheckMemory,
  flapPercent,
  newMemory,
} from '../../../src/model/monitoring/check-state.ts';
import { incidentStep } from '../../../src/model/monitoring/incident-rules.ts';
import { type ObservedState, observedStates } from '../../../src/model/monitoring/observations.ts';

const byLetter: Record<string, ObservedState> = { o: 'OK', w: 'WARNING', c: 'CRITICAL', u: 'UNKNOWN' };

function seen(letters: string, attempts = 3): CheckMemory {
  return [...letters].reduce(
    (memory, letter) => afterResult(memory, byLetter[letter] ?? 'OK', attempts),
    newMemory,
  );
}

describe('a state counts once it was seen often enough', () => {
  test.each<[results: string, attempts: number, state: string, attempt: number, hard: boolean]>([
    ['', 3, 'PENDING', 0, true],
    ['o', 3, 'OK', 0, true],
    ['c', 1, 'CRITICAL', 1, true],
    ['c', 3, 'CRITICAL', 1, false],
    ['cc', 3, 'CRITICAL', 2, false],
    ['ccc', 3, 'CRITICAL', 3, true],
    ['cccc', 3, 'CRITICAL', 3, true],
    ['wcu', 3, 'UNKNOWN', 3, true],
    ['cco', 3, 'OK', 0, true],
    ['ccoc', 3, 'CRITICAL', 1, false],
    ['cccw', 3, 'WARNING', 3, true],
    ['ccco', 3, 'OK', 0, true],
  ])('%j of %i attempts: %s, attempt %i, hard %s', (results, attempts, state, attempt, hard) => {
    expect(seen(results, attempts)).toMatchObject({ state, attempt, hard });
  });

  test('a hard state other than OK stays hard until OK, also when more attempts are asked for meanwhile', () => {
    expect(afterResult(seen('ccc', 3), 'CRITICAL', 10)).toMatchObject({ hard: true });
  });
});

describe('flapping', () => {
  test('begins when more than a fifth of the weighted changes are changes, and ends below a twentieth', () => {
    expect(seen('oc'.repeat(10)).flapping).toBe(false);
    expect(seen(`${'oc'.repeat(10)}o`).flapping).toBe(true);
    expect(seen(`${'oc'.repeat(10)}${'o'.repeat(18)}`).flapping).toBe(true);
    expect(seen(`${'oc'.repeat(10)}${'o'.repeat(21)}`).flapping).toBe(false);
  });

  test('one change weighs from 0.8 to 1.2 of a twentieth', () => {
    expect(flapPercent(`o${'c'.repeat(20)}`)).toBeCloseTo(4);
    expect(flapPercent(`${'o'.repeat(20)}c`)).toBeCloseTo(6);
    expect(flapPercent('oc'.repeat(11).slice(0, 21))).toBeCloseTo(100);
  });
});

const memories = fc
  .array(fc.constantFrom(...observedStates), { maxLength: 40 })
  .chain((states) =>
    fc
      .integer({ min: 1, max: 10 })
      .map((attempts) => states.reduce((m, s) => afterResult(m, s, attempts), newMemory)),
  );

test('a soft state never makes an incident; OK that does not flap always ends one', () => {
  fc.assert(
    fc.property(memories, fc.boolean(), fc.boolean(), fc.boolean(), (memory, maintenance, shadowed, open) => {
      const step = incidentStep(memory, { maintenance, shadowed, open });
      if (!memory.hard) expect(step).not.toBe('OPEN');
      if (maintenance || shadowed || memory.flapping) expect(step).not.toBe('OPEN');
      expect(step === 'RESOLVE').toBe(open && memory.state === 'OK' && !memory.flapping);
      expect(step === 'OPEN' && open).toBe(false);
    }),
  );
});

test('what maintenance hid and is still so afterwards is raised by the next result', () => {
  const memory = seen('cccc');
  const around = { maintenance: true, shadowed: false, open: false };
  expect(incidentStep(memory, around)).toBe('NONE');
  expect(incidentStep(afterResult(memory, 'CRITICAL', 3), { ...around, maintenance: false })).toBe('OPEN');
});
