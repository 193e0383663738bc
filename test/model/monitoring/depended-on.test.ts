// In which order checks that were made at one moment are judged.
import { expect, test } from 'vitest';
import { dependedOnFirst } from '../../../src/model/monitoring/incident-rules.ts';

const order = (...checks: readonly [id: string, ...dependsOn: string[]][]) =>
  dependedOnFirst(checks.map(([id, ...dependsOn]) => ({ id, dependsOn })))
    .map(({ id }) => id)
    .join('');

test('what others depend on comes first, everything once, the rest as it was', () => {
  expect(order(['a'], ['b'], ['c'])).toBe('abc');
  expect(order(['a', 'b', 'c'], ['b', 'c'], ['c'], ['d'])).toBe('cbad');
  expect(order(['a', 'elsewhere'], ['b'])).toBe('ab');
});

test('those that depend on each other in a circle come all the same', () => {
  expect(order(['a', 'b'], ['b', 'a']).length).toBe(2);
});
