// An engine that fails in the midst of a redeploy, call by call and fault by fault: the redeploy is late at most, never wrong,
// visitors of a site notice no more than its strategy allows, and soon all is as if nothing had been. The whole table is
// test/faults/run.ts.
import { expect, test } from 'vitest';
import { callNames } from '../faults/calls.ts';
import { cover, inLanes, nameOf } from '../faults/combinations.ts';
import { runLane } from '../faults/lane.ts';
import { roads } from '../faults/roads.ts';
import { freshDatabase } from '../support/postgres.ts';

/** Two to three minutes where nothing else is going on. Its world is cleared away before the test's time is over. */
const patienceMs = 840_000;
const combinations = cover();
const lanes = inLanes(combinations, 4);

test('at least sixty combinations are among them, every call and every road', () => {
  const names = new Set(lanes.flat().map(nameOf));
  expect(names.size).toBe(combinations.length);
  expect(names.size).toBeGreaterThanOrEqual(60);
  expect(new Set(combinations.map(({ call }) => call))).toEqual(new Set(callNames));
  expect(new Set(combinations.map(({ road }) => road))).toEqual(new Set(roads));
});

test.concurrent.each(lanes.map((lane, index) => ({ lane, index })))(
  'each fault is met, and makes a redeploy late at most (lane $index)',
  async ({ lane }) => {
    const database = await freshDatabase();
    try {
      await runLane(
        database.url,
        lane,
        (line) => process.env.BERTH_TEST_TELL && console.log(line),
        patienceMs,
      );
    } finally {
      await database.drop();
    }
  },
  patienceMs + 60_000,
);
