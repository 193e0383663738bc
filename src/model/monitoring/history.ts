// What is asked of the past of a check or a service: a period, and into how many parts it is divided.
import { InvalidInput } from '../../errors.ts';
import { type ObservedState, worst } from './observations.ts';

export const historyLimits = { points: { minimum: 1, maximum: 500 }, days: 31, metricLength: 200 } as const;

export interface Period {
  readonly from: Date;
  readonly to: Date;
}

export interface HistoryQuery extends Period {
  readonly points: number;
  /** Undefined: no number is asked for. */
  readonly metric: string | undefined;
}

/** One part of a period in which there were results. */
export interface HistoryPoint {
  /** When the part begins. */
  readonly at: Date;
  readonly counts: Readonly<Record<ObservedState, number>>;
  /** Of the metric asked for; null where no result has it. */
  readonly minimum: number | null;
  readonly average: number | null;
  readonly maximum: number | null;
}

export function worstOf({ counts }: HistoryPoint): ObservedState {
  return worst((Object.keys(counts) as ObservedState[]).filter((state) => counts[state] > 0));
}

export function checkPeriod({ from, to }: Period): Period {
  const longestMs = historyLimits.days * 86_400_000;
  if (to <= from) throw new InvalidInput(['to'], 'must lie behind `from`.');
  if (to.getTime() - from.getTime() > longestMs)
    throw new InvalidInput(['to'], `must lie at most ${historyLimits.days} days behind \`from\`.`);
  return { from, to };
}

export function checkHistory(query: HistoryQuery): HistoryQuery {
  checkPeriod(query);
  const { points, metric } = query;
  const { minimum, maximum } = historyLimits.points;
  if (!Number.isInteger(points) || points < minimum || points > maximum)
    throw new InvalidInput(['points'], `must be from ${minimum} to ${maximum}.`);
  const longest = historyLimits.metricLength;
  if (metric !== undefined && !(metric.length <= longest && metric.isWellFormed() && !metric.includes('\0')))
    throw new InvalidInput(
      ['metric'],
      `must be at most ${longest} characters of well-formed Unicode without NUL.`,
    );
  return query;
}

export interface Availability {
  /** What was measured of the period asked for: from the making of the service on, and until now. */
  readonly from: Date;
  readonly to: Date;
  readonly downSeconds: number;
  readonly incidents: number;
  /** Whether its checks are made by themselves; otherwise nothing can be said. */
  readonly measured: boolean;
}

/** Share of the time without an open CRITICAL incident; undefined where nothing was measured. */
export function ratioOf({ from, to, downSeconds, measured }: Availability): number | undefined {
  const seconds = (to.getTime() - from.getTime()) / 1_000;
  return measured && seconds > 0 ? Math.max(0, 1 - downSeconds / seconds) : undefined;
}
