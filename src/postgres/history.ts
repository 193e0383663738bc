// The past of checks and services, put together by the database: parts of a period, time down, and what surrounds an incident.
// One statement for any number of them.
import { sql } from 'drizzle-orm';
import type { Availability, HistoryPoint, HistoryQuery, Period } from '../model/monitoring/history.ts';
import type { Reader } from './open.ts';

function listed(ids: readonly string[]) {
  return sql.join(
    ids.map((id) => sql`${id}::uuid`),
    sql`, `,
  );
}

/** By check, in order of time; parts without a result are left out. */
export async function readHistory(
  reader: Reader,
  checkIds: readonly string[],
  { from, to, points, metric }: HistoryQuery,
): Promise<Map<string, HistoryPoint[]>> {
  if (checkIds.length === 0) return new Map();
  const stepSeconds = (to.getTime() - from.getTime()) / 1_000 / points;
  const [begin, end] = [from.toISOString(), to.toISOString()];
  const value =
    metric === undefined
      ? sql`null::float8`
      : sql`(select (number ->> 'value')::float8 from jsonb_array_elements(metrics) number
          where number ->> 'name' = ${metric} limit 1)`;
  const rows = await reader.execute<{
    readonly check_id: string;
    readonly part: number;
    readonly ok: number;
    readonly warning: number;
    readonly critical: number;
    readonly unknown: number;
    readonly minimum: number | null;
    readonly average: number | null;
    readonly maximum: number | null;
  }>(sql`
    select check_id, part, count(*) filter (where state = 'OK')::int as ok,
      count(*) filter (where state = 'WARNING')::int as warning,
      count(*) filter (where state = 'CRITICAL')::int as critical,
      count(*) filter (where state = 'UNKNOWN')::int as unknown,
      min(value) as minimum, avg(value) as average, max(value) as maximum
    from (
      select check_id, state, ${value} as value,
        floor(extract(epoch from started_at - ${begin}::timestamptz) / ${stepSeconds}::float8)::int as part
      from check_results
      where check_id in (${listed(checkIds)}) and started_at >= ${begin}::timestamptz and started_at < ${end}::timestamptz
    ) seen group by check_id, part order by check_id, part`);
  const made = [...rows].map((row) => ({
    checkId: row.check_id,
    at: new Date(from.getTime() + row.part * stepSeconds * 1_000),
    counts: { OK: row.ok, WARNING: row.warning, CRITICAL: row.critical, UNKNOWN: row.unknown },
    minimum: row.minimum,
    average: row.average,
    maximum: row.maximum,
  }));
  return Map.groupBy(made, ({ checkId }) => checkId);
}

/** By service. Time down is counted once, however many of its checks say so. */
export async function readAvailability(
  reader: Reader,
  serviceIds: readonly string[],
  { from, to }: Period,
): Promise<Map<string, Availability>> {
  if (serviceIds.length === 0) return new Map();
  const [begin, end] = [from.toISOString(), to.toISOString()];
  const rows = await reader.execute<{
    readonly id: string;
    readonly from: string;
    readonly to: string;
    readonly down: number;
    readonly incidents: number;
    readonly measured: boolean;
  }>(sql`
    with measured as (
      select services.id, environments.kind <> 'SANDBOX' as measured,
        greatest(services.created_at, ${begin}::timestamptz) as begins, least(now(), ${end}::timestamptz) as ends
      from services join environments on environments.id = services.environment_id
      where services.id in (${listed(serviceIds)})
    ), down as (
      select measured.id, tstzrange(greatest(opened_at, begins), least(coalesce(resolved_at, now()), ends)) as span
      from measured join incidents on incidents.service_id = measured.id
      where worst = 'CRITICAL' and opened_at < ends and coalesce(resolved_at, now()) > begins
    ), joined as (
      select id, unnest(range_agg(span)) as span from down group by id
    )
    select measured.id, begins::text as from, ends::text as to, measured.measured,
      coalesce((select sum(extract(epoch from upper(span) - lower(span))) from joined
        where joined.id = measured.id), 0)::float8 as down,
      (select count(*) from down where down.id = measured.id)::int as incidents
    from measured`);
  return new Map(
    [...rows].map((row) => [
      row.id,
      {
        from: new Date(row.from),
        to: new Date(row.to),
        downSeconds: row.down,
        incidents: row.incidents,
        measured: row.measured,
      },
    ]),
  );
}

/** Of one incident: results with which its check changed, and redeploys of its service, from a while before it on. */
export interface Surroundings {
  readonly results: readonly { readonly environmentId: string; readonly latestSeq: number }[];
  readonly redeployIds: readonly string[];
}

export const around = { results: 50, redeploys: 20, beforeMinutes: 15 } as const;

export async function readSurroundings(
  reader: Reader,
  incidentIds: readonly string[],
): Promise<Map<string, Surroundings>> {
  if (incidentIds.length === 0) return new Map();
  const before = sql`make_interval(mins => ${around.beforeMinutes})`;
  const rows = await reader.execute<{
    readonly id: string;
    readonly environment_id: string;
    readonly seqs: readonly number[];
    readonly redeploys: readonly string[];
  }>(sql`
    select incidents.id, incidents.environment_id,
      array_to_json(array(
        select seq from (
          select seq, state, hard, lag(state) over (order by seq) as former, lag(hard) over (order by seq) as was
          from check_results where check_results.check_id = incidents.check_id
            and started_at >= opened_at - ${before} and started_at <= coalesce(resolved_at, now()) + interval '1 minute'
        ) seen where former is distinct from state or was is distinct from hard
        order by seq desc limit ${around.results})) as seqs,
      array_to_json(array(
        select redeploys.id from redeploys where redeploys.service_id = incidents.service_id
          and requested_at <= coalesce(resolved_at, now()) and coalesce(ended_at, now()) >= opened_at - ${before}
        order by requested_at desc limit ${around.redeploys})) as redeploys
    from incidents where incidents.id in (${listed(incidentIds)})`);
  return new Map(
    [...rows].map(({ id, environment_id: environmentId, seqs, redeploys }) => [
      id,
      { results: seqs.map((latestSeq) => ({ environmentId, latestSeq })), redeployIds: redeploys },
    ]),
  );
}
