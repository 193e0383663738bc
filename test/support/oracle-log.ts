// The half of the oracle that reads the event log and the audit: moves within the declared tables (S7), one open redeploy
// of a service at a time (S8), sequences without a hole (S10), audit rows that fit what happened (S13).
import { asc, sql } from 'drizzle-orm';
import type { EventData, LoggedEvent } from '../../src/model/events.ts';
import { hasEnded, type JobState, jobMoves } from '../../src/model/jobs.ts';
import { openStates, type PhaseName } from '../../src/model/redeploy.ts';
import { findBreakInChain } from '../../src/postgres/audit.ts';
import type { JobRow } from '../../src/postgres/jobs.ts';
import type { Store } from '../../src/postgres/open.ts';
import type { RedeployRow } from '../../src/postgres/redeploys.ts';
import { audit } from '../../src/postgres/tables/access.ts';
import { eventStreams, events } from '../../src/postgres/tables/events.ts';

export async function logBreaches(
  store: Store,
  organizationId: string,
  jobs: readonly JobRow[],
  redeploys: readonly RedeployRow[],
): Promise<string[]> {
  const { db } = store;
  const rows: LoggedEvent[] = await db
    .select()
    .from(events)
    .orderBy(asc(events.environmentId), asc(events.seq));
  const heads = await db.select().from(eventStreams);
  const byJob = Map.groupBy(rows, (row) => row.jobId);
  const byRedeploy = Map.groupBy(rows, (row) => row.redeployId);
  return [
    ...heads.flatMap((head) => sequenceBreaches(head, rows)),
    ...jobs.flatMap((job) => jobBreaches(job, byJob.get(job.id) ?? [])),
    ...redeploys.flatMap((row) => redeployBreaches(row, byRedeploy.get(row.id) ?? [])),
    ...openBreaches(rows),
    ...(await auditBreaches(store, organizationId, rows)),
  ];
}

/** S10. */
function sequenceBreaches(head: typeof eventStreams.$inferSelect, rows: readonly LoggedEvent[]): string[] {
  const seqs = rows.filter((row) => row.environmentId === head.environmentId).map((row) => row.seq);
  const complete = seqs.every((seq, index) => seq === index + 1) && seqs.length === head.lastSeq;
  return complete ? [] : [`S10 stream ${head.environmentId}: ${seqs.length} events up to ${head.lastSeq}`];
}

/** S7. Jobs that a test wrote down itself have no events. */
function jobBreaches(job: JobRow, told: readonly LoggedEvent[]): string[] {
  const changes = told.filter((event) => event.type === 'JOB_CHANGED');
  if (changes.length === 0) return [];
  const breaches: string[] = [];
  let state: JobState | undefined;
  let health: unknown;
  for (const change of changes) {
    const next = change.data as EventData['JOB_CHANGED'];
    // A task's beginning is told by its request.
    if (state === undefined && next.state !== 'SCHEDULED' && job.type !== 'TASK')
      breaches.push(`begins as ${next.state}`);
    const stays = state === next.state && health !== next.health && !hasEnded(next.state);
    if (state !== undefined && !stays && !jobMoves[state].includes(next.state))
      breaches.push(`goes from ${state} to ${next.state}`);
    state = next.state;
    health = next.health;
  }
  if (state !== job.state) breaches.push(`was told as ${state} and is ${job.state}`);
  return breaches.map((breach) => `S7 job ${job.id} ${breach}`);
}

/** S7: asked for first, then phases in order and each once, ended once, and nothing told of it afterwards. */
function redeployBreaches(row: RedeployRow, told: readonly LoggedEvent[]): string[] {
  const breaches: string[] = [];
  const ended = told.filter((event) => event.type === 'REDEPLOY_ENDED');
  if (told[0]?.type !== 'REDEPLOY_REQUESTED') breaches.push(`begins with ${told[0]?.type}`);
  const wantedEnds = openStates.includes(row.state) ? 0 : 1;
  if (ended.length !== wantedEnds) breaches.push(`has ${ended.length} ends and is ${row.state}`);
  const state = (ended[0]?.data as EventData['REDEPLOY_ENDED'] | undefined)?.state;
  if (ended.length === 1 && state !== row.state) breaches.push(`was told as ${state} and is ${row.state}`);
  const end = ended[0]?.seq ?? Number.POSITIVE_INFINITY;
  const late = told.filter((event) => event.seq > end && event.type !== 'JOB_CHANGED');
  for (const event of late) breaches.push(`has ${event.type} after its end`);
  breaches.push(...phaseBreaches(told, tableOf(row)));
  const last = row.phases.at(-1);
  if (wantedEnds === 1 && last?.state === 'RUNNING') breaches.push(`leaves ${last.phase} running`);
  return breaches.map((breach) => `S7 redeploy ${row.id} ${breach}`);
}

/** The phases of each strategy in order; it may end early, and where it fails it leaps to RESTORE. */
const tables: Readonly<Record<RedeployRow['strategy'], readonly PhaseName[]>> = {
  RECREATE: ['PREPARE', 'PULL_IMAGE', 'STOP_OLD', 'START_NEW', 'VERIFY', 'SWITCH', 'RESTORE'],
  OVERLAP: ['PREPARE', 'PULL_IMAGE', 'START_NEW', 'VERIFY', 'SWITCH', 'OVERLAP', 'DRAIN', 'RESTORE'],
};

/** Where no job is wanted there is nothing to verify. */
function tableOf({ strategy, spec, phases }: RedeployRow): readonly PhaseName[] {
  const verified = spec.scale > 0 || phases.some(({ phase }) => phase === 'VERIFY');
  return tables[strategy].filter((phase) => phase !== 'VERIFY' || verified);
}

function phaseBreaches(told: readonly LoggedEvent[], table: readonly PhaseName[]): string[] {
  const breaches: string[] = [];
  let open: PhaseName | undefined;
  let last = -1;
  for (const event of told) {
    if (event.type !== 'PHASE_STARTED' && event.type !== 'PHASE_ENDED') continue;
    const { phase } = event.data as EventData['PHASE_STARTED'];
    const place = table.indexOf(phase);
    if (event.type === 'PHASE_ENDED') {
      if (open !== phase) breaches.push(`ends ${phase} while ${open ?? 'none'} is open`);
      open = undefined;
      continue;
    }
    if (open !== undefined) breaches.push(`begins ${phase} while ${open} is open`);
    if (place <= last) breaches.push(`begins ${phase} after ${table[last]}`);
    if (phase !== 'RESTORE' && place !== last + 1) breaches.push(`leaps to ${phase}`);
    last = place;
    open = phase;
  }
  return breaches;
}

/** S8. */
function openBreaches(rows: readonly LoggedEvent[]): string[] {
  const open = new Map<string, string>();
  const breaches: string[] = [];
  for (const { type, serviceId, redeployId } of rows) {
    if (serviceId === null || redeployId === null) continue;
    if (type === 'REDEPLOY_REQUESTED') {
      if (open.has(serviceId)) breaches.push(`S8 ${redeployId} was opened beside ${open.get(serviceId)}`);
      open.set(serviceId, redeployId);
    }
    if (type === 'REDEPLOY_ENDED' && open.get(serviceId) === redeployId) open.delete(serviceId);
  }
  return breaches;
}

/** S13: the chain verifies, and what callers did stands in it as often as in the log. */
async function auditBreaches(
  store: Store,
  organizationId: string,
  rows: readonly LoggedEvent[],
): Promise<string[]> {
  const breaches: string[] = [];
  const broken = await findBreakInChain(store.db, organizationId);
  if (broken !== undefined) breaches.push(`S13 the audit chain breaks at ${broken}`);
  const counted = await store.db
    .select({ action: audit.action, count: sql<number>`count(*)`.mapWith(Number) })
    .from(audit)
    .groupBy(audit.action);
  const audited = new Map(counted.map((row) => [row.action, row.count]));
  const manual = rows.filter(
    (row) =>
      row.type === 'REDEPLOY_REQUESTED' && (row.data as EventData['REDEPLOY_REQUESTED']).reason === 'MANUAL',
  ).length;
  const canceled = rows.filter((row) => row.type === 'REDEPLOY_CANCEL_REQUESTED').length;
  if ((audited.get('redeployService') ?? 0) !== manual)
    breaches.push(`S13 ${manual} redeploys, not as many rows`);
  if ((audited.get('cancelRedeploy') ?? 0) !== canceled)
    breaches.push(`S13 ${canceled} cancels, not as many rows`);
  return breaches;
}
