// The whole table, not part of `npm test`: every fault at every call on every road, met once and met three times. Run by
// `node test/faults/run.ts [lanes] [part of a combination's name]`; prints a line for each combination and ends with 1 when
// one did not come out well.
import { inBatches, runLong } from '../support/long-run.ts';
import { nameOf, table } from './combinations.ts';
import { runLane } from './lane.ts';

/** So many, one after the other, share a world and its services. */
const inOneWorld = 16;

const [lanes = '3', part = ''] = process.argv.slice(2);
const combinations = table().filter((combination) => nameOf(combination).includes(part));

const byRoad = [...Map.groupBy(combinations, ({ road }) => road).values()];
const batches = byRoad.flatMap((some) => inBatches(some, inOneWorld));

process.exit(await runLong({ batches, lanes: Number(lanes), run: runLane }));
