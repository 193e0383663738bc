// What a decision is made from: the service, its open redeploy, its jobs and worker counts, read in one go.
import { edgePatienceSeconds } from '../model/edge.ts';
import type { RedeploySituation, RedeployView } from '../model/redeploy.ts';
import { type ProxyRotation, type ProxyView, standOf, wantedRotation } from '../model/rotation.ts';
import { webPort } from '../model/service-types/code.ts';
import { serviceProxy } from '../model/service-types/service-proxy.ts';
import type { SteadySituation } from '../model/steady.ts';
import { findEdge } from '../postgres/edges.ts';
import { type JobRow, listJobsToJudge } from '../postgres/jobs.ts';
import type { Reader } from '../postgres/open.ts';
import { findOpenRedeploys, listRedeploysById, type RedeployRow } from '../postgres/redeploys.ts';
import { listDraining, listProxies, readRotation } from '../postgres/rotation.ts';
import { listWorkers, readServiceNow, type ServiceRow } from '../postgres/services.ts';
import type { Deps, Hold, Written } from './deps.ts';

export interface Situation {
  readonly service: ServiceRow;
  readonly redeploy: RedeployRow | undefined;
  readonly jobs: readonly JobRow[];
  readonly workers: Readonly<Record<string, number>>;
  /** Who is to take over the rotation: of a code service the running proxies of its environment, of these the edge. */
  readonly proxies: readonly ProxyView[];
  /** Of a service proxy: what its jobs should have, and who is waited for to finish. */
  readonly routed: { readonly wanted: ProxyRotation; readonly draining: readonly string[] } | undefined;
  /** By the clock of the database, by which all times that matter are written. */
  readonly now: Date;
}

/** A redeploy's longest deadline and a margin: jobs older than this decide nothing any more, but for what is given up. */
const judgedSeconds = 3_900;

export async function readSituation({ deps, claim }: Hold): Promise<Situation | undefined> {
  const { db } = deps.store;
  const { serviceId } = claim;
  const [read, open, workers] = await Promise.all([
    readServiceNow(db, serviceId),
    findOpenRedeploys(db, [serviceId]),
    listWorkers(db, [serviceId]),
  ]);
  if (read === undefined) return undefined;
  const { service, now } = read;
  const redeploy = open.get(serviceId);
  const involved = [redeploy?.id, service.runningRedeployId].filter((id) => id != null);
  const { type, environmentId, failingSince } = service;
  const failingSeconds = failingSince === null ? 0 : (now.getTime() - failingSince.getTime()) / 1000;
  const [jobs, proxies, routed] = await Promise.all([
    listJobsToJudge(db, serviceId, involved, judgedSeconds + Math.max(0, failingSeconds)),
    listFollowers(deps, service),
    type === 'SERVICE_PROXY' ? readRouted(db, environmentId) : undefined,
  ]);
  return { service, redeploy, jobs, workers: workers.get(serviceId) ?? {}, proxies, routed, now };
}

/** The situation with what a step has written into it since; the rows are the database's own. */
export function withWritten(situation: Situation, { redeploy, jobs = [] }: Written): Situation {
  const rows = new Map([...situation.jobs, ...jobs].map((job) => [job.id, job]));
  const inOrder = [...rows.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  return { ...situation, redeploy: redeploy ?? situation.redeploy, jobs: inOrder };
}

/** Who is to take over the rotation of the service's jobs. */
export async function listFollowers(
  { store, installation }: Deps,
  service: ServiceRow,
): Promise<ProxyView[]> {
  if (service.type === 'CODE') return listProxies(store.db, service.environmentId);
  if (service.type !== 'SERVICE_PROXY') return [];
  const edge = await findEdge(store.db, installation.podId);
  return edge !== undefined && edge.ageSeconds < edgePatienceSeconds
    ? [{ jobId: 'edge', applied: edge.applied, routed: [service.id] }]
    : [];
}

async function readRouted(reader: Reader, environmentId: string): Promise<Situation['routed']> {
  // In this order: who begins to be drained in between is draining in what is wanted, and so not yet waited for.
  const draining = await listDraining(reader, environmentId);
  return { wanted: await readRotation(reader, environmentId), draining };
}

const nothingElse = { challenges: {}, certificates: {} };

/** How far the proxies are with this service's own jobs, as they are known now. */
export function standingOf({ service, jobs, proxies }: Situation): 'NONE' | 'BEHIND' | 'CURRENT' {
  const rotated = jobs
    .filter((job) => job.state === 'RUNNING' || job.state === 'STOPPING')
    .map((job) => ({ ...job, healthy: job.health === 'HEALTHY' }));
  const port = service.type === 'SERVICE_PROXY' ? serviceProxy.ports.edgeHttp : webPort;
  return standOf(proxies, service.id, wantedRotation([service], rotated, nothingElse, port));
}

export function redeploySituation(
  situation: Situation,
  redeploy: RedeployRow,
  healthySeconds: number,
): RedeploySituation {
  const { service, jobs, workers, now } = situation;
  const { runningRedeployId, runningSpec } = service;
  const lastGood =
    runningRedeployId === null || runningSpec === null || service.stopped
      ? null
      : { redeployId: runningRedeployId, spec: runningSpec };
  const state = redeploy.state as RedeployView['state'];
  const view: RedeployView = { ...redeploy, state, lastGood, imageFound: redeploy.imageId !== null };
  const own = jobs.filter((job) => job.type === 'DEPLOY' || job.type === 'WORKER');
  return { redeploy: view, jobs: own, workers, proxies: standingOf(situation), healthySeconds, now };
}

export function steadySituation(situation: Situation, healthySeconds: number): SteadySituation {
  const { service, jobs, workers, now } = situation;
  const { runningRedeployId, runningSpec } = service;
  return {
    deleting: service.deletionRequestedAt !== null,
    stopped: service.stopped,
    failing: service.failingSince !== null,
    budgetFrom: service.budgetFrom,
    running:
      runningRedeployId === null || runningSpec === null
        ? null
        : { redeployId: runningRedeployId, spec: runningSpec },
    workers,
    jobs,
    proxies: standingOf(situation),
    healthySeconds,
    now,
  };
}

/** The image that jobs of this redeploy run. */
export async function imageOfRedeploy({ deps }: Hold, redeployId: string): Promise<string | null> {
  const [row] = await listRedeploysById(deps.store.db, [redeployId]);
  return row?.imageId ?? null;
}
