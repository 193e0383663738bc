// Taking results into the log: each gets its number, moves its check on by the rules of model/monitoring, opens and resolves
// incidents, and is told, all in the transaction of the change it is given.
import { and, eq, gte, inArray, isNull, or, sql } from 'drizzle-orm';
import { newId } from '../ids.ts';
import { afterResult } from '../model/monitoring/check-state.ts';
import { incidentStep } from '../model/monitoring/incident-rules.ts';
import { type ObservedState, worst } from '../model/monitoring/observations.ts';
import type { NewResult } from '../model/monitoring/results.ts';
import type { Change } from './change.ts';
import type { CheckRow } from './checks.ts';
import { waitForEnvironment } from './environments.ts';
import {
  type IncidentRow,
  insertIncident,
  listOpenIncidents,
  listWindowsWithin,
  markWorst,
  resolveIncidents,
} from './incidents.ts';
import type { Transaction } from './open.ts';
import { storableJson, storableText } from './storable.ts';
import { checkResults, checks, resultStreams } from './tables/checks.ts';
import { redeploys } from './tables/redeploys.ts';
import { services } from './tables/services.ts';

type Row = Omit<typeof checkResults.$inferInsert, 'seq' | 'recordedAt'>;

/** In the order given. Results of checks that are there no longer are left out. */
export async function recordResults(
  change: Change,
  environmentId: string,
  made: readonly NewResult[],
): Promise<void> {
  if (made.length === 0) return;
  // What servers say stands in it: one that can't be kept would hold up all that come after it.
  const results = made.map((each) => ({ ...each, output: storableText(each.output) }));
  const { tx } = change;
  // First, as for every change of what is in it.
  await waitForEnvironment(tx, environmentId);
  const known = await lockChecks(tx, environmentId, [...new Set(results.map(({ checkId }) => checkId))]);
  const open = new Map(
    (
      await listOpenIncidents(tx, [
        ...known.keys(),
        ...[...known.values()].flatMap(({ dependsOn }) => dependsOn),
      ])
    ).map((incident) => [incident.checkId, incident]),
  );
  const isMaintained = await maintenanceOf(tx, environmentId, [...known.values()], results);
  const rows: Row[] = [];
  const moved = new Map<string, CheckRow>();
  for (const result of results) {
    const before = moved.get(result.checkId) ?? known.get(result.checkId);
    if (before === undefined) continue;
    const maintenance = isMaintained(before.serviceId, result.startedAt);
    const memory = afterResult(before, result.state, before.attempts);
    const since = memory.state === before.state ? before.since : result.startedAt;
    const check = { ...before, ...memory, since };
    moved.set(check.id, check);
    rows.push(rowOf(check, result, maintenance));
    const step = incidentStep(memory, {
      maintenance,
      shadowed: check.paused || check.dependsOn.some((id) => explains(open.get(id), result.state)),
      open: open.has(check.id),
    });
    if (step === 'OPEN') open.set(check.id, await openIncident(change, check, result));
    else if (step === 'RESOLVE') {
      open.delete(check.id);
      const ended = await resolveIncidents(tx, [check.id], 'RECOVERED', result.startedAt);
      for (const incident of ended) tellResolved(change, check, incident);
    } else await noteWorst(tx, open.get(check.id), result);
    tellState(change, before, check, result);
  }
  change.nudge(`results:${environmentId}`);
  change.afterEvents(() => append(tx, environmentId, rows, [...moved.values()]));
}

type Known = CheckRow & { readonly label: string };

async function lockChecks(
  tx: Transaction,
  environmentId: string,
  ids: readonly string[],
): Promise<Map<string, Known>> {
  const rows = await tx
    .select({ check: checks, label: services.label })
    .from(checks)
    .innerJoin(services, eq(services.id, checks.serviceId))
    .where(
      and(eq(checks.environmentId, environmentId), inArray(checks.id, [...ids]), isNull(checks.deletedAt)),
    )
    .orderBy(checks.id)
    .for('no key update', { of: checks });
  return new Map(rows.map(({ check, label }) => [check.id, { ...check, label }]));
}

/** Whether a redeploy of the service, or a planned window, was under way at a moment. */
async function maintenanceOf(
  tx: Transaction,
  environmentId: string,
  known: readonly CheckRow[],
  results: readonly NewResult[],
): Promise<(serviceId: string, at: Date) => boolean> {
  const times = results.map(({ startedAt }) => startedAt.getTime());
  const [from, to] = [new Date(Math.min(...times)), new Date(Math.max(...times))];
  const serviceIds = [...new Set(known.map(({ serviceId }) => serviceId))];
  if (serviceIds.length === 0) return () => false;
  const under = await tx
    .select({ serviceId: redeploys.serviceId, from: redeploys.requestedAt, to: redeploys.endedAt })
    .from(redeploys)
    .where(
      and(
        inArray(redeploys.serviceId, serviceIds),
        or(isNull(redeploys.endedAt), gte(redeploys.endedAt, from)),
      ),
    );
  const planned = await listWindowsWithin(tx, environmentId, from, to);
  const spans = [...under, ...planned.map((each) => ({ ...each, from: each.startsAt, to: each.endsAt }))];
  return (serviceId, at) =>
    spans.some(
      (span) =>
        (span.serviceId === null || span.serviceId === serviceId) &&
        span.from <= at &&
        (span.to === null || at <= span.to),
    );
}

function rowOf(check: CheckRow, result: NewResult, maintenance: boolean): Row {
  const { id: checkId, environmentId, serviceId, attempt, hard, flapping } = check;
  const { state, source, output, metrics, startedAt, durationMs } = result;
  const made = { state, source, output, metrics, startedAt, durationMs, maintenance };
  return { environmentId, checkId, serviceId, attempt, hard, flapping, ...made };
}

async function openIncident(change: Change, check: CheckRow, result: NewResult): Promise<IncidentRow> {
  const { id: checkId, environmentId, serviceId } = check;
  const incident = await insertIncident(change.tx, {
    id: newId(),
    environmentId,
    serviceId,
    checkId,
    worst: result.state,
    output: result.output,
    openedAt: result.startedAt,
  });
  change.emit({
    environmentId,
    serviceId,
    type: 'INCIDENT_OPENED',
    data: { incidentId: incident.id, checkId, state: result.state },
    message: `${check.name} is ${result.state}: ${firstLine(result.output)}`,
  });
  return incident;
}

/** What is worse than the incident of what it depends on isn't explained by that. */
function explains(incident: IncidentRow | undefined, state: ObservedState): boolean {
  return incident !== undefined && worst([incident.worst, state]) === incident.worst;
}

async function noteWorst(
  tx: Transaction,
  incident: IncidentRow | undefined,
  { state }: NewResult,
): Promise<void> {
  if (incident === undefined || worst([incident.worst, state]) === incident.worst) return;
  await markWorst(tx, incident.id, state);
}

/** To be called for every incident that has ended. */
export function tellResolved(change: Change, { name }: Pick<CheckRow, 'name'>, incident: IncidentRow): void {
  const { id: incidentId, environmentId, serviceId, checkId, resolution } = incident;
  if (resolution === null) return;
  const why = {
    RECOVERED: `${name} is OK again.`,
    PAUSED: `${name} was paused; its incident is closed.`,
    REMOVED: `${name} was removed; its incident is closed.`,
    NOT_CHECKED: `${name} is not checked while its service is stopped; its incident is closed.`,
  };
  change.emit({
    environmentId,
    serviceId,
    type: 'INCIDENT_RESOLVED',
    data: { incidentId, checkId, resolution },
    message: why[resolution],
  });
}

/** Soft states are seen in the results; an event is made of what counts. */
function tellState(change: Change, before: CheckRow, after: CheckRow, result: NewResult): void {
  const known = before.hard ? before.state : undefined;
  if (!after.hard || (known === after.state && before.flapping === after.flapping)) return;
  const { id: checkId, environmentId, serviceId, name, state, flapping } = after;
  change.emit({
    environmentId,
    serviceId,
    type: 'CHECK_STATE_CHANGED',
    data: { checkId, state, before: before.state, flapping },
    message: `${name} is ${state}${flapping ? ', flapping' : ''}: ${firstLine(result.output)}`,
  });
}

function firstLine(output: string): string {
  return output.split('\n', 1)[0]?.slice(0, 500) ?? '';
}

/** The counter's row is held from here to the commit. */
async function append(
  tx: Transaction,
  environmentId: string,
  rows: readonly Row[],
  moved: readonly CheckRow[],
): Promise<void> {
  if (rows.length === 0) return;
  const [head] = await tx
    .update(resultStreams)
    .set({ lastSeq: sql`${resultStreams.lastSeq} + ${rows.length}` })
    .where(eq(resultStreams.environmentId, environmentId))
    .returning({ lastSeq: resultStreams.lastSeq });
  if (head === undefined) throw new Error(`environment ${environmentId} has no result stream`);
  const first = head.lastSeq - rows.length + 1;
  const latest = new Map(rows.map((row, index) => [row.checkId, first + index]));
  await tx
    .insert(checkResults)
    .values(rows.map((row, index) => ({ ...row, seq: first + index, recordedAt: sql`clock_timestamp()` })));
  const states = moved.map(({ id, state, since, attempt, hard, flapping, history }) => ({
    id,
    state,
    since: since.toISOString(),
    attempt,
    hard,
    flapping,
    history,
    latest_seq: latest.get(id),
  }));
  await tx.execute(sql`
    update checks set state = item.state, since = item.since, attempt = item.attempt, hard = item.hard,
      flapping = item.flapping, history = item.history, latest_seq = item.latest_seq
    from jsonb_to_recordset(${storableJson(states)}::text::jsonb) as item(id uuid, state text, since timestamptz,
      attempt int, hard boolean, flapping boolean, history text, latest_seq bigint)
    where checks.id = item.id`);
}
