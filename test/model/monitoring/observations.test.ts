import { describe, expect, test } from 'vitest';
import {
  judge,
  type Observation,
  type Threshold,
  worst,
} from '../../../src/model/monitoring/observations.ts';

const seen = (value: number, state: Observation['state'] = 'OK'): Observation => ({
  ...{ state, output: 'The server answers.' },
  metrics: [{ name: 'connections', value, unit: '' }],
});
const above: Threshold = { metric: 'connections', bad: 'ABOVE', warning: 80, critical: 95 };
const below: Threshold = { metric: 'connections', bad: 'BELOW', warning: 14, critical: 3 };

describe('numbers are judged by thresholds', () => {
  test.each<[Threshold, number, string]>([
    [above, 79.9, 'OK'],
    [above, 80, 'WARNING'],
    [above, 95, 'CRITICAL'],
    [{ ...above, warning: null }, 94, 'OK'],
    [{ ...above, critical: null }, 99, 'WARNING'],
    [below, 15, 'OK'],
    [below, 14, 'WARNING'],
    [below, 3, 'CRITICAL'],
    [{ ...above, metric: 'another' }, 99, 'OK'],
  ])('%j of %d is %s', (threshold, value, state) => {
    expect(judge(seen(value), [threshold]).state).toBe(state);
  });

  test('what was seen is never made better, and the sentence names number and limit', () => {
    expect(judge(seen(1, 'CRITICAL'), [above]).state).toBe('CRITICAL');
    const judged = judge(seen(96.123), [above]);
    expect(judged.output).toBe('The server answers. connections is 96.12, not below 95.');
    expect(judged.metrics).toEqual([
      { name: 'connections', value: 96.123, unit: '', warning: 80, critical: 95 },
    ]);
  });
});

test('CRITICAL is worse than WARNING, which is worse than UNKNOWN', () => {
  expect(worst([])).toBe('OK');
  expect(worst(['OK', 'UNKNOWN'])).toBe('UNKNOWN');
  expect(worst(['WARNING', 'UNKNOWN', 'OK'])).toBe('WARNING');
  expect(worst(['WARNING', 'CRITICAL', 'UNKNOWN'])).toBe('CRITICAL');
});
