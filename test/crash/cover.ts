// Which crashes there are: the whole matrix, and of it a cover that passes by each point once, spread over the ways.
import { type Point, type StepName, stepNames } from '../../src/orchestrator/points.ts';
import type { Crash } from './lane.ts';
import { unhealthy, type Way, ways } from './paths.ts';
import { siteWays } from './site-paths.ts';

export const moments = ['BEFORE', 'EFFECT', 'WRITTEN'] as const;
export const allPoints: readonly Point[] = stepNames.flatMap((step) => pointsOf(step));

const everyWay: readonly Way[] = [...Object.values(siteWays), ...ways];

function pointsOf(step: StepName): Point[] {
  return moments.map((moment): Point => `${step}:${moment}`);
}

/** Each point once: its moments on one way after the other of those that its step is on. */
export function cover(): Crash[] {
  return stepNames.flatMap((step, number) => {
    const on = everyWay.filter((way) => way.steps.includes(step));
    return pointsOf(step).flatMap((point, moment): Crash[] => {
      const way = on[(number + moment) % on.length];
      return way === undefined ? [] : [{ way, point, scale: 2 }];
    });
  });
}

/** So many lists of about the same length, each way in one of them, so that its service is made once. */
export function inLanes(crashes: readonly Crash[], count: number): Crash[][] {
  const lanes: Crash[][] = Array.from({ length: count }, () => []);
  const groups = [...Map.groupBy(crashes, (crash) => crash.way).values()];
  for (const group of groups.toSorted((a, b) => lengthOf(b) - lengthOf(a))) {
    const [shortest] = lanes.toSorted((a, b) => lengthOf(a) - lengthOf(b));
    shortest?.push(...group);
  }
  return lanes;
}

function lengthOf(crashes: readonly Crash[]): number {
  return crashes.reduce((sum, { way }) => sum + (way.weight ?? 1), 0);
}

/** Each job passes by these, so a second time is another state of the world. */
const ofJobs: readonly StepName[] = ['STOP_JOB', 'START_JOB', 'VERIFY_JOB', 'CLEAN_JOB'];

/** Sites by every way, for two jobs and for three; services without a proxy by the ways they had before, for one and three. */
export function matrix(): Crash[] {
  const [success] = ways;
  const failure: Way = { ...unhealthy, steps: [...(success?.steps ?? []), 'FAIL', 'ENTER_RESTORE'] };
  return [
    ...crashesOn(Object.values(siteWays), [2, 3]),
    ...crashesOn(success === undefined ? [] : [success, failure], [1, 3]),
    ...crashesOn(ways.slice(1), [2]),
  ];
}

function crashesOn(some: readonly Way[], scales: readonly number[]): Crash[] {
  return some.flatMap((way) =>
    scales.flatMap((scale) =>
      way.steps.flatMap((step) =>
        pointsOf(step).flatMap((point) =>
          (ofJobs.includes(step) ? [1, 2] : [1]).map(
            (occurrence): Crash => ({ way, point, scale, occurrence }),
          ),
        ),
      ),
    ),
  );
}
