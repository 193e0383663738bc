// Waiting until a started job is healthy, checked from outside its container: nothing has to exist in the user's image.

import { hasSwitched } from '../model/overlap.ts';
import type { ProxyRotation } from '../model/rotation.ts';
import type { Change } from '../postgres/change.ts';
import { type JobRow, listJobsById, markHealthy, noteCheck } from '../postgres/jobs.ts';
import { together } from '../postgres/open.ts';
import { ProxyFault } from '../proxy/runtime-api.ts';
import type { ContainerView } from '../runtime/runtime.ts';
import { type Answer, type Hold, type Outcome, perform } from './deps.ts';
import { lookAt, observeJob } from './observe.ts';
import { askProxies, movedOnly, tellJob } from './record-job.ts';
import type { Situation } from './situation.ts';
import { recordSynced, syncStarted } from './sync-proxy.ts';

/** Most servers listen a few milliseconds after their start; the first looks come quickly. */
const probeEveryMs = [4, 8, 12, 20];
const laterProbesMs = 25;
const lookEveryMs = 400;
/** Attempts and output are written down this often while a job isn't healthy. */
const noteEveryMs = 5_000;
const probeTimeoutMs = 1_000;
/** Before its start is recorded: waited before each look, and for its answer. */
const firstLooksMs = [0, 4, 8];
const firstLookTimeoutMs = 20;

interface Verdict extends Answer {
  readonly healthy: boolean;
}

export async function verifyJob(
  hold: Hold,
  situation: Situation,
  job: JobRow,
  until: Date,
): Promise<Outcome> {
  const { service, now } = situation;
  const patience = Math.min(until.getTime() - now.getTime(), noteEveryMs);
  const effect = () =>
    job.type === 'WORKER' ? settle(hold, job, now, patience) : watch(hold, job, service.runtime, patience);
  let seenHealthy = false;
  const outcome = await perform(hold, 'VERIFY_JOB', effect, async (change, verdict) => {
    seenHealthy = verdict.healthy;
    if (verdict.healthy) return recordHealthy(change, situation, job, verdict);
    await noteCheck(change.tx, job.id, verdict.attempts, verdict.output);
    return undefined;
  });
  // What answers runs; else its container may have ended meanwhile.
  if (!seenHealthy) await observeJob(hold, service.label, job);
  return outcome;
}

export async function recordHealthy(
  change: Change,
  situation: Situation,
  job: JobRow,
  { attempts, output, told }: Answer,
): Promise<Outcome> {
  const joins = joinsAtOnce(situation, job);
  const [marked] = await together([
    markHealthy(change.tx, job.id, { attempts, output, joins }),
    joins ? askProxies(change, job.environmentId) : undefined,
  ]);
  if (marked === undefined) return undefined;
  tellJob(change, situation.service.label, marked);
  if (told === undefined) return movedOnly(marked);
  await recordSynced(change, job, told);
  return undefined;
}

/**
 * A look at a container that was started a moment ago: what answers by now is recorded along with its start. Proxies are not
 * looked at, for they have to be told of the rotation before.
 */
export async function firstLook(
  { deps, signal }: Hold,
  runtime: string | null,
  { type, spec }: JobRow,
  { state, address }: ContainerView,
): Promise<Answer | undefined> {
  if (type !== 'DEPLOY' || spec === null || spec.proxy != null) return undefined;
  if (state !== 'RUNNING' || address === undefined) return undefined;
  const target = { address, runtime, check: spec.healthCheck };
  for (const [before, pauseMs] of firstLooksMs.entries()) {
    await deps.clock.sleep(pauseMs, signal);
    const { healthy, output } = await deps.probeHealth(target, firstLookTimeoutMs);
    if (healthy) return { attempts: before + 1, output };
  }
  return undefined;
}

/** With OVERLAP the new jobs of a redeploy get requests all at once, when it switches. */
function joinsAtOnce({ redeploy }: Situation, job: JobRow): boolean {
  if (job.rotation === null) return false;
  const waits = redeploy?.strategy === 'OVERLAP' && job.redeployId === redeploy.id;
  return !(waits && !hasSwitched(redeploy));
}

/**
 * One more look at a job whose time is over, before that counts: nobody may have looked when it could have been seen healthy,
 * because the platform itself was away. Answers with the job as it is then.
 */
export async function lookOnceMore(hold: Hold, situation: Situation, job: JobRow): Promise<JobRow> {
  await verifyJob(hold, situation, job, hold.deps.clock.date());
  const [seen] = await listJobsById(hold.deps.store.db, [job.id]);
  return seen ?? job;
}

/** What `lookOnceMore` has seen is still that it runs and isn't healthy. */
export function isUnhealthy({ state, health }: JobRow): boolean {
  return state === 'RUNNING' && health !== 'HEALTHY';
}

async function watch(hold: Hold, job: JobRow, runtime: string | null, patienceMs: number): Promise<Verdict> {
  const { clock, probeHealth } = hold.deps;
  const check = job.spec?.healthCheck ?? null;
  const timeoutMs = check === null ? probeTimeoutMs : check.timeoutSeconds * 1000;
  const end = clock.now() + patienceMs;
  let { address } = job;
  let lookedAt = clock.now();
  let output = 'The job has no address on its network yet.';
  for (let attempts = 1; ; attempts++) {
    if (address !== null) {
      const seen = await probeHealth({ address, runtime, check }, timeoutMs);
      output = seen.output;
      const ready = seen.healthy ? await makeReady(hold, { ...job, address }) : undefined;
      if (ready?.is === true) return { healthy: true, attempts, output, told: ready.told };
      if (ready !== undefined) output = ready.why;
    }
    if (clock.now() >= end) return { healthy: false, attempts, output };
    if (clock.now() - lookedAt > lookEveryMs) {
      const container = await lookAt(hold, job);
      if (container?.state !== 'RUNNING') return { healthy: false, attempts, output };
      address = container.address ?? null;
      lookedAt = clock.now();
    }
    await clock.sleep(probeEveryMs[attempts - 1] ?? laterProbesMs, hold.signal);
  }
}

type Ready =
  | { readonly is: true; readonly told: ProxyRotation | undefined }
  | { readonly is: false; readonly why: string };

/** A proxy that answers is told whom to send requests to, before anybody is led to it. */
async function makeReady(hold: Hold, job: JobRow): Promise<Ready> {
  if (job.spec?.proxy == null) return { is: true, told: undefined };
  try {
    return { is: true, told: await syncStarted(hold, job) };
  } catch (error) {
    if (!(error instanceof ProxyFault)) throw error;
    return {
      is: false,
      why: `It answers, and can not be told yet whom to send requests to: ${error.message}`,
    };
  }
}

/** A worker is healthy when it still runs after the settle time. */
async function settle(hold: Hold, job: JobRow, now: Date, patienceMs: number): Promise<Verdict> {
  const { clock, settings } = hold.deps;
  const { settleSeconds } = settings;
  const age = now.getTime() - (job.startedAt ?? job.createdAt).getTime();
  const toSettle = settleSeconds * 1000 - age;
  const left = Math.max(0, Math.min(toSettle, patienceMs, lookEveryMs * 5));
  await clock.sleep(left, hold.signal);
  const container = await lookAt(hold, job);
  const healthy = container?.state === 'RUNNING' && left >= toSettle;
  return { healthy, attempts: 1, output: `It must run for ${settleSeconds} s without ending.` };
}
