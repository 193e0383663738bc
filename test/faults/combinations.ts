// Which combinations of fault and call there are: the whole table, and of it a cover in which every call meets at least every
// second fault and every fault every second call, spread over the roads.
import { succeeding } from '../crash/paths.ts';
import { siteWays } from '../crash/site-paths.ts';
import type { Fault } from '../support/faulty-socket.ts';
import { bodiless, type CallName, callNames, changing } from './calls.ts';
import { type Road, roads, roadsBack } from './roads.ts';

export interface Combination {
  readonly road: Road;
  readonly call: CallName;
  readonly fault: Fault;
  /** So many calls meet it before it is over; all of them until the redeploy has ended, where it lasts. */
  readonly times: number;
}

const faults: readonly Fault[] = [
  'DELAY',
  'ERROR_500',
  'ERROR_409',
  'BLACK_HOLE_BEFORE',
  'BLACK_HOLE_AFTER',
  'LOST_ANSWER',
  'BODY_CUT',
  'LATE',
];
const faultsOfStreams: readonly Fault[] = ['DEAD_STREAM', 'REPEATED'];

export function faultsOf(call: CallName): readonly Fault[] {
  const ofCall = faults.filter(
    (fault) =>
      (fault !== 'BODY_CUT' || !bodiless.includes(call)) && (fault !== 'LATE' || changing.includes(call)),
  );
  return call === 'listen to events' ? [...ofCall, ...faultsOfStreams] : ofCall;
}

/** Every second field of the table of calls and faults, as on a chessboard, and all that is of streams alone. */
export function cover(): Combination[] {
  return callNames.flatMap(everySecond);
}

function everySecond(call: CallName, row: number): Combination[] {
  const on = roads.filter((road) => road.calls.includes(call));
  const chosen = faultsOf(call).filter(
    (fault) => faultsOfStreams.includes(fault) || (faults.indexOf(fault) + row) % 2 === 0,
  );
  return chosen.flatMap((fault, at) => {
    const road = on[(row + at) % on.length];
    return road === undefined ? [] : [{ road, call, fault, times: 1 + (at % 2) }];
  });
}

/** Every call of every road with every fault, met once and met three times, and those that last. */
export function table(): Combination[] {
  const passing = [...roads, ...roadsBack].flatMap((road) =>
    road.calls.flatMap((call) =>
      faultsOf(call).flatMap((fault) => [1, 3].map((times) => ({ road, call, fault, times }))),
    ),
  );
  return [...passing, ...lasting()];
}

/** Until a redeploy has ended, which must be by its deadline. */
function lasting(): Combination[] {
  const times = Number.POSITIVE_INFINITY;
  return roads
    .filter(({ way }) => way === succeeding || way === siteWays.overlapping)
    .flatMap((road) =>
      road.calls.flatMap((call) => faultsThatLast.map((fault) => ({ road, call, fault, times }))),
    );
}

const faultsThatLast: readonly Fault[] = ['ERROR_500', 'BLACK_HOLE_BEFORE', 'LOST_ANSWER'];

export function isLasting({ times }: Pick<Combination, 'times'>): boolean {
  return times === Number.POSITIVE_INFINITY;
}

/** So many lists of about the same length, each road in as few of them as can be. */
export function inLanes(combinations: readonly Combination[], count: number): Combination[][] {
  const lanes: Combination[][] = Array.from({ length: count }, () => []);
  const whole = combinations.reduce((sum, { road }) => sum + weightOf(road), 0);
  let gone = 0;
  for (const combination of [...Map.groupBy(combinations, ({ road }) => road).values()].flat()) {
    lanes[Math.floor((gone / whole) * count)]?.push(combination);
    gone += weightOf(combination.road);
  }
  return lanes;
}

function weightOf({ way }: Road): number {
  return way.weight ?? 1;
}

export function nameOf({ road, call, fault, times }: Combination): string {
  const often = isLasting({ times }) ? ' (lasting)' : times > 1 ? ` (${times} times)` : '';
  return `${fault} at ${call}${often}, ${road.way.name}`;
}
