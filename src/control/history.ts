// The past of checks, services and incidents for a caller who sees them already; see loading.ts.
import {
  type Availability,
  checkHistory,
  checkPeriod,
  type HistoryPoint,
  type HistoryQuery,
  type Period,
} from '../model/monitoring/history.ts';
import { readAvailability, readHistory, readSurroundings } from '../postgres/history.ts';
import type { IncidentRow } from '../postgres/incidents.ts';
import { listRedeploysById, type RedeployRow } from '../postgres/redeploys.ts';
import { listLatestResults, type ResultRow } from '../postgres/result-log.ts';
import type { Control } from './control.ts';

type ById<T> = Promise<Map<string, T>>;

export function loadHistory(
  { store }: Control,
  checkIds: readonly string[],
  query: HistoryQuery,
): ById<HistoryPoint[]> {
  return readHistory(store.db, checkIds, checkHistory(query));
}

export function loadAvailability(
  { store }: Control,
  serviceIds: readonly string[],
  period: Period,
): ById<Availability> {
  return readAvailability(store.db, serviceIds, checkPeriod(period));
}

/** One moment in the story of an incident. */
export type Moment =
  | { readonly kind: 'OPENED' | 'ACKNOWLEDGED' | 'RESOLVED'; readonly at: Date }
  | { readonly kind: 'RESULT'; readonly at: Date; readonly result: ResultRow }
  | {
      readonly kind: 'REDEPLOY_REQUESTED' | 'REDEPLOY_ENDED';
      readonly at: Date;
      readonly redeploy: RedeployRow;
    };

/** By incident, in order of time. */
export async function loadTimelines({ store }: Control, incidents: readonly IncidentRow[]): ById<Moment[]> {
  const { db } = store;
  const found = await readSurroundings(
    db,
    incidents.map(({ id }) => id),
  );
  const all = [...found.values()];
  const [results, redeploys] = await Promise.all([
    listLatestResults(
      db,
      all.flatMap((each) => each.results),
    ),
    listRedeploysById(db, [...new Set(all.flatMap(({ redeployIds }) => redeployIds))]),
  ]);
  const bySeq = new Map(results.map((row) => [`${row.environmentId} ${row.seq}`, row]));
  const byId = new Map(redeploys.map((row) => [row.id, row]));
  return new Map(
    incidents.map((incident): [string, Moment[]] => {
      const { results: places = [], redeployIds = [] } = found.get(incident.id) ?? {};
      const moments = [
        ...places.flatMap(({ environmentId, latestSeq }): Moment[] => {
          const result = bySeq.get(`${environmentId} ${latestSeq}`);
          return result === undefined ? [] : [{ kind: 'RESULT', at: result.startedAt, result }];
        }),
        ...redeployIds.flatMap((id) => momentsOf(byId.get(id))),
        ...ownMoments(incident),
      ];
      return [incident.id, moments.toSorted((a, b) => a.at.getTime() - b.at.getTime())];
    }),
  );
}

function momentsOf(redeploy: RedeployRow | undefined): Moment[] {
  if (redeploy === undefined) return [];
  const { requestedAt, endedAt } = redeploy;
  const ended: Moment[] = endedAt === null ? [] : [{ kind: 'REDEPLOY_ENDED', at: endedAt, redeploy }];
  return [{ kind: 'REDEPLOY_REQUESTED', at: requestedAt, redeploy }, ...ended];
}

function ownMoments({ openedAt, acknowledgedAt, resolvedAt }: IncidentRow): Moment[] {
  return [
    { kind: 'OPENED', at: openedAt },
    ...(acknowledgedAt === null ? [] : [{ kind: 'ACKNOWLEDGED', at: acknowledgedAt } as const]),
    ...(resolvedAt === null ? [] : [{ kind: 'RESOLVED', at: resolvedAt } as const]),
  ];
}
