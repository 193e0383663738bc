// The long matrix, not part of `npm test`: every point on every way where it can occur, at the first time it is passed and,
// where each job passes it, at the second; then holders that stand still after the effect of each step, a control plane that is
// away for two minutes, and a rolling restart. Run by `node test/crash/run.ts [lanes] [part of a name]`; prints a line for each
// and ends with 1 when one did not come out well.
import type { Place } from '../support/crash-child.ts';
import { inBatches, runLong } from '../support/long-run.ts';
import { leaveAlone } from './away.ts';
import { matrix } from './cover.ts';
import { type Crash, nameOf, runLane } from './lane.ts';
import { rollThrough } from './rolling.ts';
import { siteWays } from './site-paths.ts';
import { standStill } from './standstill.ts';

interface StandStill {
  readonly place: Place;
}

/** So many, one after the other, share a world and its services. */
const inOneWorld = 8;
/** What is no crash at a point, by names that are chosen by like theirs. */
const trials: Readonly<Record<string, (url: string) => Promise<void>>> = {
  'away for two minutes': (url) => leaveAlone(url, 120),
  'rolling restart': (url) => rollThrough(url, 10, console.log),
};

const [lanes = '3', part = ''] = process.argv.slice(2);
const crashes = matrix().filter((crash) => nameOf(crash).includes(part));
const still = [
  ...siteWays.overlapping.steps.map((step): Place => `${step}:EFFECT`),
  'PUT_FILES:EFFECT' as const,
]
  .filter((place) => stillName(place).includes(part))
  .map((place): StandStill => ({ place }));

function stillName(place: Place): string {
  return `standing still at ${place}`;
}

async function run(
  url: string,
  batch: readonly (Crash | StandStill)[],
  say: (line: string) => void,
): Promise<void> {
  const [first] = batch;
  if (first === undefined || !('place' in first)) return runLane(url, batch as readonly Crash[], say);
  await standStill(url, first.place, console.log);
  say(`${stillName(first.place)}: passed`);
}

process.exit(
  await runLong<Crash | StandStill>({
    batches: [...inBatches(crashes, inOneWorld), ...inBatches(still, 1)],
    lanes: Number(lanes),
    run,
    afterwards: Object.fromEntries(Object.entries(trials).filter(([name]) => name.includes(part))),
  }),
);
