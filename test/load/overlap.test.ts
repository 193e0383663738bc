// S1 under load, in short: redeploys by OVERLAP while requests and streams go on, through the proxy and through the edge.
// test/load/run.ts is the same at length.
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Phase } from '../../src/model/redeploy.ts';
import { freshDatabase } from '../support/postgres.ts';
import { failuresOf, startLoad } from './load.ts';
import { sampleRotation } from './rotation-samples.ts';
import { type LoadWorld, openLoadWorld, redeployByOverlap, scale } from './world.ts';

const redeploys = 5;
let load: LoadWorld;

beforeAll(async () => {
  const { url } = await freshDatabase();
  load = await openLoadWorld(url);
}, 240_000);
afterAll(() => load?.close());

test('OVERLAP loses no request and no stream, and rotation never has fewer healthy jobs', async () => {
  const rotation = await sampleRotation(load);
  // A stream may not be held for longer than a drain lasts in this short a test.
  const loads = [load.throughProxy, load.throughEdge].map((way) => startLoad({ ...way, everyMs: 40 }));
  const rows = [];
  for (let round = 0; round < redeploys; round++) rows.push(await redeployByOverlap(load, round % 2));
  const [throughProxy, throughEdge] = await Promise.all(loads.map((each) => each.end()));
  const seen = await rotation.end();
  if (throughProxy === undefined || throughEdge === undefined) throw new Error('a load is missing');

  expect([...failuresOf(throughProxy), ...failuresOf(throughEdge)]).toEqual([]);
  expect(seen).toMatchObject({ fewest: scale, low: [] });
  for (const { phases } of rows) expect(backwards(phases)).toEqual([]);
  // What failed nothing must also have been there.
  expect(throughProxy.requests.asked).toBeGreaterThan(150);
  expect(throughEdge.requests.asked).toBeGreaterThan(150);
  expect(seen.samples).toBeGreaterThan(30);
  for (const { socket, events } of [throughProxy, throughEdge])
    for (const stream of [socket, events]) expect(stream.numbers).toBeGreaterThan(20);
}, 180_000);

/** Phases that end before they began. */
function backwards(phases: readonly Phase[]): Phase[] {
  return phases.filter(({ startedAt, endedAt }) => endedAt === null || endedAt < startedAt);
}
