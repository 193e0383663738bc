// kill -9 at every named point of the orchestrator's work, each at least once on the way where it occurs by nature: another
// process goes on within 10 s, all ends as if nothing had been, and a client that follows by cursor misses nothing and gets
// nothing twice. The long matrix is test/crash/run.ts.
import { expect, test } from 'vitest';
import { type Point, stepNames } from '../../src/orchestrator/deps.ts';
import { type Crash, runLane } from '../crash/lane.ts';
import { ways } from '../crash/paths.ts';
import { freshDatabase } from '../support/postgres.ts';

const moments = ['BEFORE', 'EFFECT', 'WRITTEN'] as const;

const crashes: readonly Crash[] = ways.flatMap((way) =>
  way.steps.flatMap((step) =>
    moments.map((moment): Crash => ({ way, point: `${step}:${moment}`, scale: 2 })),
  ),
);

/** Three side by side: two of the success alone, one of all that is rarer. */
const succeeding = crashes.filter((crash) => crash.way.name === 'success');
const lanes = [
  succeeding.filter((_, index) => index % 2 === 0),
  succeeding.filter((_, index) => index % 2 === 1),
  crashes.filter((crash) => crash.way.name !== 'success'),
];

test('every point of every step is among them', () => {
  const all = stepNames.flatMap((step) => moments.map((moment): Point => `${step}:${moment}`));
  expect(
    lanes
      .flat()
      .map((crash) => crash.point)
      .toSorted(),
  ).toEqual(all.toSorted());
});

test.concurrent.each(lanes.map((lane, index) => ({ lane, index })))(
  'a process killed at any point is followed by one that brings it to its end (lane $index)',
  async ({ lane }) => {
    const database = await freshDatabase();
    try {
      await runLane(database.url, lane, (line) => process.env.BERTH_TEST_TELL && console.log(line));
    } finally {
      await database.drop();
    }
  },
  400_000,
);
