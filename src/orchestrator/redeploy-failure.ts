// A redeploy that fails: the cause written down with what a person needs to mend it, and the last good spec started
// again where the old jobs had been stopped.
import { type FailureCause, keptLineLength, keptLines } from '../model/failures.ts';
import { healthyWithin } from '../model/job-steps.ts';
import type { FailReason, WantedJobs } from '../model/redeploy.ts';
import { findEngineKind } from '../model/service-types/index.ts';
import type { JobRow } from '../postgres/jobs.ts';
import { type RedeployRow, updateRedeploy } from '../postgres/redeploys.ts';
import type { ImageMissing } from '../runtime/runtime.ts';
import { type Hold, type Outcome, perform, type Recording } from './deps.ts';
import { lastLinesOf } from './kept-lines.ts';
import { scheduleJobs } from './record-job.ts';
import { closePhase, enterPhase, expand } from './redeploy.ts';
import { imageOfRedeploy, type Situation } from './situation.ts';
import { isUnhealthy, lookOnceMore } from './verify-job.ts';

export async function failRedeploy(
  hold: Hold,
  situation: Situation,
  redeploy: RedeployRow,
  because: FailReason,
): Promise<Outcome> {
  const effect = () => causeOf(hold, situation, redeploy, because);
  return perform(hold, 'FAIL', effect, async (change, cause) =>
    cause === undefined ? undefined : recordCause(change, redeploy, cause),
  );
}

export async function recordImageUnavailable(
  change: Recording,
  redeploy: RedeployRow,
  { reference, message }: ImageMissing,
): Promise<Outcome> {
  return recordCause(change, redeploy, { kind: 'IMAGE_UNAVAILABLE', reference, message });
}

/** Of a service proxy's configuration, by HAProxy itself. */
export function recordRefusal(
  change: Recording,
  redeploy: RedeployRow,
  lines: readonly string[],
): Promise<Outcome> {
  const lastLines = lines.slice(-keptLines).map((line) => line.slice(0, keptLineLength));
  const message = `HAProxy refuses the configuration. The proxy that runs keeps the last good one. ${lastLines[0] ?? ''}`;
  return recordCause(change, redeploy, { kind: 'CONFIGURATION_REFUSED', lastLines, message });
}

async function recordCause(change: Recording, redeploy: RedeployRow, cause: FailureCause): Promise<Outcome> {
  const phases = closePhase(undefined, redeploy, false, change.now);
  const updated = await updateRedeploy(change.tx, redeploy.id, { cause, phases }, redeploy);
  if (updated === undefined) return undefined;
  closePhase(change, redeploy, false, change.now);
  return { redeploy: updated };
}

/** Undefined when it shows that there is none after all. */
async function causeOf(
  hold: Hold,
  situation: Situation,
  redeploy: RedeployRow,
  because: FailReason,
): Promise<FailureCause | undefined> {
  if (because.kind === 'CANCELED') return { kind: 'CANCELED', message: 'It was canceled on request.' };
  if (because.kind === 'DEADLINE') return deadlineCause(hold, redeploy);
  const found = situation.jobs.find((each) => each.id === because.jobId);
  if (found === undefined) throw new Error('the failing job is not of the situation');
  const job = because.kind === 'NOT_HEALTHY' ? await lookOnceMore(hold, situation, found) : found;
  if (because.kind === 'NOT_HEALTHY' && !isUnhealthy(job)) return undefined;
  const lastLines = await lastLinesOf(hold, job);
  if (because.kind === 'JOB_ENDED') {
    const { exitCode, outOfMemory, reason } = job;
    const more = lastLines.length > 0 ? ' Its last lines of output say more.' : '';
    const message = `${reason ?? 'A new job ended before it was healthy.'}${more}`;
    return { kind: 'CONTAINER_EXITED', jobId: job.id, exitCode, outOfMemory, lastLines, message };
  }
  const lastOutput = job.checkOutput ?? 'No check has been answered.';
  const check = job.type === 'WORKER' ? 'SETTLE' : checkOf(situation.service.runtime, job);
  const attempts = job.checkAttempts;
  const seconds = healthyWithin(job, hold.deps.settings.healthySeconds);
  const message = `A new job did not become healthy within ${seconds} s: ${lastOutput}`;
  return { kind: 'HEALTH_CHECK_FAILED', jobId: job.id, check, attempts, lastOutput, lastLines, message };
}

/** As src/checks/health.ts looks at it. */
function checkOf(runtime: string | null, { spec }: JobRow): 'HTTP' | 'TCP' | 'HANDSHAKE' {
  if (spec?.healthCheck) return spec.healthCheck.kind;
  return findEngineKind(runtime) === undefined ? 'TCP' : 'HANDSHAKE';
}

async function deadlineCause({ deps }: Hold, redeploy: RedeployRow): Promise<FailureCause> {
  const phase = redeploy.phases.at(-1)?.phase ?? 'PREPARE';
  const fault = await deps.runtime.info().then(
    () => undefined,
    (error: unknown) => (error instanceof Error ? error.message : 'no answer'),
  );
  if (fault !== undefined)
    return {
      kind: 'ENGINE_UNAVAILABLE',
      message: `The engine does not answer: ${fault}. See to it, then redeploy.`,
    };
  return { kind: 'DEADLINE_EXCEEDED', phase, message: `Its deadline passed during ${phase}.` };
}

export function enterRestore(
  hold: Hold,
  { service }: Situation,
  redeploy: RedeployRow,
  wanted: readonly WantedJobs[],
): Promise<Outcome> {
  const { runningRedeployId: redeployId, runningSpec: spec } = service;
  const effect = () => (redeployId === null ? Promise.resolve(null) : imageOfRedeploy(hold, redeployId));
  return perform(hold, 'ENTER_RESTORE', effect, async (change, imageId) => {
    const message = 'Starting the last good spec again.';
    const entered = await enterPhase(change, redeploy, 'RESTORE', message);
    if (entered === undefined) return undefined;
    const of = { redeployId, restoredBy: redeploy.id, spec, image: imageId ?? '' };
    return { redeploy: entered, jobs: await scheduleJobs(change, service, of, expand(wanted)) };
  });
}
