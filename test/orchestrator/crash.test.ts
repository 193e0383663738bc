// kill -9 at every named point of the orchestrator's work, each at least once on a way where it occurs by nature: another
// process goes on within 10 s, all ends as if nothing had been, visitors of a site notice no more than its strategy allows,
// and a client that follows by cursor misses nothing and gets nothing twice. The long matrix is test/crash/run.ts.
import { expect, test } from 'vitest';
import { allPoints, cover, inLanes } from '../crash/cover.ts';
import { runLane } from '../crash/lane.ts';
import { siteWays } from '../crash/site-paths.ts';
import { freshDatabase } from '../support/postgres.ts';

/** Two to three minutes where nothing else is going on. Its world is cleared away before the test's time is over. */
const patienceMs = 840_000;
const crashes = cover();
const lanes = inLanes(crashes, 3);

test('every point of every step is among them, and every way of a site', () => {
  expect(lanes.flatMap((lane) => lane.map((crash) => crash.point)).toSorted()).toEqual(allPoints.toSorted());
  const ways = new Set(crashes.map((crash) => crash.way.name));
  for (const { name } of Object.values(siteWays)) expect(ways).toContain(name);
});

test.concurrent.each(lanes.map((lane, index) => ({ lane, index })))(
  'a process killed at any point is followed by one that brings it to its end (lane $index)',
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
