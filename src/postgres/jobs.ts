// Rows of jobs. A state is only ever written by `moveJob`, whose condition holds the table of moves: a late writer's
// update affects no row.
import { and, asc, desc, eq, getTableColumns, inArray, isNotNull, not, or, type SQL, sql } from 'drizzle-orm';
import type { HealthCheck } from '../model/health-check.ts';
import { endedStates, type JobState, type JobType, statesBefore } from '../model/jobs.ts';
import type { Reader, Transaction } from './open.ts';
import { among, type PageRequest, pagesByParent } from './pages.ts';
import { jobs } from './tables/jobs.ts';
import { redeploys } from './tables/redeploys.ts';
import { services } from './tables/services.ts';

export type JobRow = typeof jobs.$inferSelect;
/** What lists don't show: the spec copy above all, which is large. */
const unshown = [
  'spec',
  'command',
  'containerId',
  'checkAttempts',
  'outOfMemory',
  'applied',
  'drainUntil',
  'stopRequested',
  'cleaned',
  'requestedBy',
  'attempt',
] as const satisfies readonly (keyof JobRow)[];
export type ShownJob = Omit<JobRow, (typeof unshown)[number]>;
const shownColumns = Object.fromEntries(
  Object.entries(getTableColumns(jobs)).filter(([name]) => !(unshown as readonly string[]).includes(name)),
) as Omit<ReturnType<typeof getTableColumns<typeof jobs>>, (typeof unshown)[number]>;
const brief = [
  'id',
  'serviceId',
  'type',
  'target',
  'state',
  'health',
  'rotation',
  'createdAt',
  'listKey',
] as const satisfies readonly (keyof ShownJob)[];
/** Values, or what the database makes of them. */
export type JobPatch = {
  readonly [K in keyof typeof jobs.$inferInsert]?: (typeof jobs.$inferInsert)[K] | SQL;
};

export async function insertJobs(
  tx: Transaction,
  rows: readonly (typeof jobs.$inferInsert)[],
): Promise<JobRow[]> {
  return rows.length === 0
    ? []
    : tx
        .insert(jobs)
        .values([...rows])
        .returning();
}

/** Moves a job forward; undefined when the table of moves doesn't allow it from where it is. */
export async function moveJob(
  tx: Transaction,
  id: string,
  state: JobState,
  set: JobPatch = {},
): Promise<JobRow | undefined> {
  const ended = endedStates.includes(state) ? { stoppedAt: sql`now()`, health: null } : {};
  const [row] = await tx
    .update(jobs)
    .set({ ...ended, ...set, state })
    .where(and(eq(jobs.id, id), inArray(jobs.state, statesBefore(state))))
    .returning();
  return row;
}

/** Changes what isn't the state. */
export async function updateJob(
  tx: Pick<Transaction, 'update'>,
  id: string,
  set: JobPatch,
  where?: SQL,
): Promise<JobRow | undefined> {
  const [row] = await tx
    .update(jobs)
    .set(set)
    .where(and(eq(jobs.id, id), where))
    .returning();
  return row;
}

/** Healthy or not, while the container runs. */
export function markHealth(tx: Transaction, id: string, health: 'HEALTHY' | 'UNHEALTHY', output: string) {
  return updateJob(
    tx,
    id,
    { health, checkOutput: output },
    and(eq(jobs.state, 'RUNNING'), sql`${jobs.health} is distinct from ${health}`),
  );
}

/** A job that was waited for: healthy from now on, with the checks that took, and in rotation at once where it `joins`. */
export function markHealthy(
  tx: Transaction,
  id: string,
  { attempts, output, joins }: { attempts: number; output: string; joins: boolean },
): Promise<JobRow | undefined> {
  const set = {
    health: 'HEALTHY' as const,
    checkAttempts: sql`${jobs.checkAttempts} + ${attempts}`,
    checkOutput: output,
    ...(joins && { rotation: sql`case when ${jobs.rotation} = 'OUT' then 'IN' else ${jobs.rotation} end` }),
  };
  return updateJob(
    tx,
    id,
    set,
    and(eq(jobs.state, 'RUNNING'), sql`${jobs.health} is distinct from 'HEALTHY'`),
  );
}

/** Adds to the count of checks made, and keeps what the last one said. */
export function noteCheck(tx: Transaction, id: string, attempts: number, output: string) {
  return updateJob(tx, id, {
    checkAttempts: sql`${jobs.checkAttempts} + ${attempts}`,
    checkOutput: sql`${output}`,
  });
}

/** What deciding needs: the living, those not yet cleaned up, those of the given redeploys, recent deaths. */
export function listJobsToJudge(
  reader: Reader,
  serviceId: string,
  redeployIds: readonly string[],
  windowSeconds: number,
): Promise<JobRow[]> {
  const ids = [...redeployIds];
  const involved =
    ids.length === 0 ? undefined : or(inArray(jobs.redeployId, ids), inArray(jobs.restoredBy, ids));
  // The condition of the index jobs_alive, word for word.
  const unfinished = sql`(${jobs.state} in ('SCHEDULED', 'STARTING', 'RUNNING', 'STOPPING') or not ${jobs.cleaned})`;
  // Of tasks there may be thousands.
  const lasting = inArray(jobs.type, ['DEPLOY', 'WORKER']);
  const recent = sql`${jobs.createdAt} > now() - make_interval(secs => ${windowSeconds})`;
  return reader
    .select()
    .from(jobs)
    .where(
      and(
        not(eq(jobs.type, 'BUILD')),
        or(
          and(eq(jobs.serviceId, serviceId), unfinished),
          involved && and(eq(jobs.serviceId, serviceId), lasting, involved, recent),
        ),
      ),
    )
    .orderBy(asc(jobs.id));
}

export function listJobsById(reader: Reader, ids: readonly string[]): Promise<JobRow[]> {
  return reader
    .select()
    .from(jobs)
    .where(inArray(jobs.id, [...ids]))
    .orderBy(asc(jobs.id));
}

export function pageJobs(
  reader: Reader,
  serviceIds: readonly string[],
  filter: { readonly types?: readonly JobType[] | null; readonly states?: readonly JobState[] | null },
  request: PageRequest,
): Promise<Map<string, ShownJob[]>> {
  const { types = null, states = null } = filter;
  return pagesByParent(reader, serviceIds, shownPages, request, { types, states });
}

const shownPages = {
  table: jobs,
  key: jobs.listKey,
  parent: jobs.serviceId,
  where: and(among(jobs.type, 'types'), among(jobs.state, 'states')),
  newestFirst: true,
  without: unshown,
  brief,
};

/** Jobs that took part in redeploys: started by, restored by or replaced by one. */
export async function listJobsOfRedeploys(
  reader: Reader,
  redeployIds: readonly string[],
): Promise<Map<string, ShownJob[]>> {
  // Replacements of jobs that died later run its spec too, and had no part in it.
  const during = sql`${jobs.createdAt} <= coalesce(${redeploys.endedAt}, 'infinity')`;
  const took = or(
    eq(jobs.redeployId, redeploys.id),
    eq(jobs.restoredBy, redeploys.id),
    eq(jobs.replacedBy, redeploys.id),
  );
  const rows = await reader
    .select({ redeployId: redeploys.id, job: shownColumns })
    .from(redeploys)
    .innerJoin(jobs, and(took, during, inArray(jobs.type, ['DEPLOY', 'WORKER'])))
    .where(inArray(redeploys.id, [...redeployIds]))
    .orderBy(asc(jobs.id));
  const groups = Map.groupBy(rows, (row) => row.redeployId);
  return new Map([...groups].map(([id, group]) => [id, group.map(({ job }) => job)]));
}

export async function countOpenTasks(reader: Reader, serviceId: string): Promise<number> {
  const [row] = await reader
    .select({ open: sql<number>`count(*)`.mapWith(Number) })
    .from(jobs)
    .where(
      and(eq(jobs.serviceId, serviceId), eq(jobs.type, 'TASK'), not(inArray(jobs.state, [...endedStates]))),
    );
  return row?.open ?? 0;
}

/** Healthy deploy and worker jobs by service. */
export async function countHealthy(
  reader: Reader,
  serviceIds: readonly string[],
): Promise<Map<string, number>> {
  const rows = await reader
    .select({ serviceId: jobs.serviceId, healthy: sql<number>`count(*)`.mapWith(Number) })
    .from(jobs)
    .where(
      and(
        inArray(jobs.serviceId, [...serviceIds]),
        inArray(jobs.type, ['DEPLOY', 'WORKER']),
        eq(jobs.state, 'RUNNING'),
        eq(jobs.health, 'HEALTHY'),
      ),
    )
    .groupBy(jobs.serviceId);
  return new Map(rows.map((row) => [row.serviceId, row.healthy]));
}

/** Jobs whose container should run, of the whole installation. */
export function listJobsToCompare(
  reader: Reader,
): Promise<Pick<JobRow, 'id' | 'serviceId' | 'state' | 'address'>[]> {
  return reader
    .select({ id: jobs.id, serviceId: jobs.serviceId, state: jobs.state, address: jobs.address })
    .from(jobs)
    .where(and(eq(jobs.state, 'RUNNING'), isNotNull(jobs.containerId)))
    .orderBy(asc(jobs.id));
}

export interface WatchedJob extends Pick<JobRow, 'id' | 'environmentId' | 'address' | 'health'> {
  readonly label: string;
  readonly runtime: string | null;
  readonly check: HealthCheck | null;
}

/** Running deploy jobs whose first check is behind them. */
export function listJobsToWatch(reader: Reader): Promise<WatchedJob[]> {
  return reader
    .select({
      id: jobs.id,
      environmentId: jobs.environmentId,
      address: jobs.address,
      health: jobs.health,
      label: services.label,
      runtime: services.runtime,
      check: sql<HealthCheck | null>`${jobs.spec} -> 'healthCheck'`,
    })
    .from(jobs)
    .innerJoin(services, eq(services.id, jobs.serviceId))
    .where(
      and(eq(jobs.type, 'DEPLOY'), eq(jobs.state, 'RUNNING'), inArray(jobs.health, ['HEALTHY', 'UNHEALTHY'])),
    )
    .orderBy(asc(jobs.id));
}

/** Of these jobs, the ended ones that had been cleaned away are to be cleaned again: a container of theirs was seen. */
export async function markUnclean(
  tx: Transaction,
  ids: readonly string[],
): Promise<Pick<JobRow, 'id' | 'serviceId' | 'state'>[]> {
  if (ids.length === 0) return [];
  return tx
    .update(jobs)
    .set({ cleaned: false })
    .where(and(sql`${jobs.id}::text in ${[...ids]}`, inArray(jobs.state, [...endedStates]), jobs.cleaned))
    .returning({ id: jobs.id, serviceId: jobs.serviceId, state: jobs.state });
}

/** Of a deploy job that runs, the newest. */
export async function findRunningAddress(reader: Reader, serviceId: string): Promise<string | undefined> {
  const [row] = await reader
    .select({ address: jobs.address })
    .from(jobs)
    .where(and(eq(jobs.serviceId, serviceId), eq(jobs.type, 'DEPLOY'), eq(jobs.state, 'RUNNING')))
    .orderBy(desc(jobs.id))
    .limit(1);
  return row?.address ?? undefined;
}
