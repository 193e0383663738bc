// The long matrix, not part of `npm test`: every point on every way where it can occur, at the first time it is passed and,
// where each job passes it, at the second; then a control plane that is away for two minutes, and a rolling restart. Run by
// `node test/crash/run.ts [lanes] [part of a crash's name]`; prints a line for each crash and ends with 1 when one did not
// come out well.
import { inBatches, runLong } from '../support/long-run.ts';
import { leaveAlone } from './away.ts';
import { matrix } from './cover.ts';
import { nameOf, runLane } from './lane.ts';
import { rollThrough } from './rolling.ts';

/** So many, one after the other, share a world and its services. */
const inOneWorld = 8;
/** What is no crash at a point, by names that are chosen by like theirs. */
const trials: Readonly<Record<string, (url: string) => Promise<void>>> = {
  'away for two minutes': (url) => leaveAlone(url, 120),
  'rolling restart': (url) => rollThrough(url, 10, console.log),
};

const [lanes = '3', part = ''] = process.argv.slice(2);
const crashes = matrix().filter((crash) => nameOf(crash).includes(part));

process.exit(
  await runLong({
    batches: inBatches(crashes, inOneWorld),
    lanes: Number(lanes),
    run: runLane,
    afterwards: Object.fromEntries(Object.entries(trials).filter(([name]) => name.includes(part))),
  }),
);
