// What must be true after any ordeal, by the numbers of the invariants: once everything has come to rest, the engine, the
// database and the event log are compared with each other. Answers with every breach as a sentence; none is the empty list.
// Some breaches mend themselves in time (a container not yet cleared away); `expectPeace` gives them that time.
import { setTimeout as sleep } from 'node:timers/promises';
import { wantedJobs } from '../../src/model/job-steps.ts';
import { containerName, hasEnded, isAlive, networkName } from '../../src/model/jobs.ts';
import { openStates, type PhaseName, redeployLimits } from '../../src/model/redeploy.ts';
import type { JobRow } from '../../src/postgres/jobs.ts';
import type { RedeployRow } from '../../src/postgres/redeploys.ts';
import { listWorkers, type ServiceRow } from '../../src/postgres/services.ts';
import { environments } from '../../src/postgres/tables/environments.ts';
import { jobs as jobsTable } from '../../src/postgres/tables/jobs.ts';
import { redeploys as redeploysTable } from '../../src/postgres/tables/redeploys.ts';
import { services as servicesTable, volumes as volumesTable } from '../../src/postgres/tables/services.ts';
import { type ContainerView, type Inventory, labels, type Runtime } from '../../src/runtime/runtime.ts';
import { logBreaches } from './oracle-log.ts';
import { rotationBreaches } from './oracle-rotation.ts';
import type { Channels } from './site.ts';

export interface Watched {
  readonly control: Channels & { readonly installation: Installed };
  readonly runtime: Runtime;
  /** By whose clock volumes wait; the machine's own when absent. */
  readonly now?: () => Date;
  /** How long nobody was there to carry out anything. */
  readonly awaySeconds?: number;
}

interface Installed {
  readonly id: string;
  readonly organizationId: string;
}

interface Facts {
  readonly services: readonly ServiceRow[];
  readonly workers: ReadonlyMap<string, Record<string, number>>;
  readonly redeploys: readonly RedeployRow[];
  readonly jobs: readonly JobRow[];
  readonly environments: readonly (typeof environments.$inferSelect)[];
  readonly volumes: readonly (typeof volumesTable.$inferSelect)[];
  readonly engine: Inventory;
}

/** Throws with every breach that is still there after the bound. */
export async function expectPeace(watched: Watched, boundMs = 15_000): Promise<void> {
  for (const end = performance.now() + boundMs; ; ) {
    const breaches = await findBreaches(watched);
    if (breaches.length === 0) return;
    if (performance.now() > end) throw new Error(`No peace:\n${breaches.join('\n')}`);
    await sleep(100);
  }
}

export async function findBreaches(watched: Watched): Promise<string[]> {
  const { store, installation } = watched.control;
  const facts = await gather(watched);
  return [
    ...facts.services.flatMap((service) => serviceBreaches(service, facts)),
    ...containerBreaches(facts),
    ...networkBreaches(facts),
    ...volumeBreaches(facts, watched.now?.() ?? new Date()),
    ...facts.redeploys.flatMap((row) => redeployBreaches(row, watched.awaySeconds ?? 0)),
    ...(await rotationBreaches(watched.control, facts.services, facts.jobs)),
    ...(await logBreaches(store, installation.organizationId, facts.jobs, facts.redeploys)),
  ];
}

async function gather({ control, runtime }: Watched): Promise<Facts> {
  const { db } = control.store;
  // The engine first: what is written down afterwards is newer, and a difference shows.
  const engine = await runtime.inventory(control.installation.id);
  const services = await db.select().from(servicesTable);
  const ids = services.map((service) => service.id);
  return {
    engine,
    services,
    workers: ids.length === 0 ? new Map() : await listWorkers(db, ids),
    redeploys: await db.select().from(redeploysTable).orderBy(redeploysTable.id),
    jobs: await db.select().from(jobsTable).orderBy(jobsTable.id),
    environments: await db.select().from(environments),
    volumes: await db.select().from(volumesTable),
  };
}

/** S3: exactly what is wanted runs, of the winning redeploy, on its image. */
function serviceBreaches(service: ServiceRow, facts: Facts): string[] {
  const name = `S3 service ${service.label}`;
  const own = facts.jobs.filter((job) => job.serviceId === service.id);
  const alive = own.filter((job) => isAlive(job) && job.type !== 'TASK' && job.type !== 'BUILD');
  const unclean = own.filter((job) => hasEnded(job.state) && !job.cleaned);
  const winner = facts.redeploys.filter((each) => each.serviceId === service.id && hasWon(each)).at(-1);
  const breaches = unclean.map((job) => `${name}: ended job ${job.id} is not cleared away`);
  if (service.deletionRequestedAt !== null && service.deletedAt === null)
    breaches.push(`${name}: not deleted yet`);
  if ((winner?.id ?? null) !== service.runningRedeployId)
    breaches.push(`${name}: ${service.runningRedeployId} counts as running, ${winner?.id} has won`);
  const idle =
    service.deletionRequestedAt !== null ||
    service.stopped ||
    service.failingSince !== null ||
    service.runningSpec === null;
  const wanted =
    idle || service.runningSpec === null
      ? []
      : wantedJobs(service.runningSpec, facts.workers.get(service.id) ?? {});
  // A failing service keeps what of it still lives.
  if (service.failingSince === null) breaches.push(...countBreaches(name, wanted, alive));
  for (const job of alive) breaches.push(...runningBreaches(name, job, winner, facts.engine.containers));
  return breaches;
}

/** With OVERLAP it has when requests went to its jobs, unless they went back. */
function hasWon({ state, strategy, phases }: RedeployRow): boolean {
  const passed = (phase: PhaseName) => phases.some((each) => each.phase === phase);
  return state === 'SUCCEEDED' || (strategy === 'OVERLAP' && passed('SWITCH') && !passed('RESTORE'));
}

function countBreaches(
  name: string,
  wanted: ReturnType<typeof wantedJobs>,
  alive: readonly JobRow[],
): string[] {
  const slot = ({ type, target }: { readonly type: string; readonly target: string | null }) =>
    `${type} ${target ?? ''}`.trim();
  const counts = new Map(wanted.map((each) => [slot(each), each.count]));
  for (const job of alive) counts.set(slot(job), (counts.get(slot(job)) ?? 0) - 1);
  return [...counts]
    .filter(([, missing]) => missing !== 0)
    .map(
      ([each, missing]) => `${name}: ${each}: ${missing > 0 ? `${missing} missing` : `${-missing} too many`}`,
    );
}

function runningBreaches(
  name: string,
  job: JobRow,
  winner: RedeployRow | undefined,
  containers: readonly ContainerView[],
): string[] {
  const seen = containers.find((each) => each.name === containerName(job.id));
  const breaches: string[] = [];
  if (job.state !== 'RUNNING' || job.health !== 'HEALTHY') breaches.push(`job is ${job.state} ${job.health}`);
  if (job.redeployId !== winner?.id) breaches.push('job is not of the winning redeploy');
  if (job.image !== winner?.imageId) breaches.push(`job has the image ${job.image}, not ${winner?.imageId}`);
  if (seen === undefined) breaches.push('job has no container');
  if (seen !== undefined && seen.state !== 'RUNNING') breaches.push(`container is ${seen.state}`);
  if (seen !== undefined && seen.imageId !== winner?.imageId) breaches.push('container runs another image');
  if (seen !== undefined && seen.id !== job.containerId) breaches.push('another container bears its name');
  if (seen?.labels[labels.service] !== job.serviceId) breaches.push('container has another label');
  return breaches.map((breach) => `${name} ${job.id}: ${breach}`);
}

/** S4: what bears our label and a name of ours is known and alive. */
function containerBreaches({ engine, jobs }: Facts): string[] {
  const alive = new Set(jobs.filter(isAlive).map((job) => containerName(job.id)));
  return engine.containers
    .filter(({ name, labels: own }) => name === containerName(own[labels.job] ?? '') && !alive.has(name))
    .map(({ name, state }) => `S4 container ${name} (${state}) belongs to no living job`);
}

/** One that nothing runs in may have gone with the engine's own tidying up; it is made again when it is needed. */
function networkBreaches({ engine, environments: rows, jobs }: Facts): string[] {
  const living = new Set(rows.filter((row) => row.deletedAt === null).map((row) => networkName(row.id)));
  const needed = jobs
    .filter((job) => isAlive(job) && job.type !== 'BUILD')
    .map((job) => networkName(job.environmentId));
  const names = engine.networks.map((network) => network.name);
  const strays = names.filter((name) => !living.has(name));
  const missing = [...new Set(needed)].filter((name) => !names.includes(name));
  return [
    ...strays.map((name) => `S4 network ${name} belongs to no living environment`),
    ...missing.map((name) => `S4 network ${name} is missing`),
    ...(new Set(names).size < names.length ? ['S4 a network is there twice'] : []),
    ...rows
      .filter((row) => row.deletionRequestedAt !== null && row.deletedAt === null)
      .map((row) => `S4 environment ${row.id} is not deleted yet`),
  ];
}

/** S4 and the half of S15 that can be seen afterwards; the other half is `watchWriters` in writers.ts. */
function volumeBreaches({ engine, volumes }: Facts, now: Date): string[] {
  const kept = new Set(volumes.filter((row) => row.removedAt === null).map((row) => row.name));
  const due = volumes.filter((row) => row.removedAt === null && row.removeAt !== null && row.removeAt < now);
  return [
    ...engine.volumes.filter(({ name }) => !kept.has(name)).map(({ name }) => `S4 volume ${name} is unknown`),
    ...due.map(({ name }) => `S15 volume ${name} waits no longer and is still there`),
  ];
}

/** S6. */
function redeployBreaches(row: RedeployRow, awaySeconds: number): string[] {
  if (openStates.includes(row.state)) return [`S6 redeploy ${row.id} is still ${row.state}`];
  if (row.endedAt === null) return [`S6 redeploy ${row.id} has ended at no time`];
  const latest = row.deadlineAt.getTime() + (redeployLimits.restoreSeconds + 5 + awaySeconds) * 1000;
  return row.endedAt.getTime() > latest ? [`S6 redeploy ${row.id} ended too late`] : [];
}
