// The straight line of a redeploy: begin, prepare, obtain the image, enter the start of the new jobs, verify, end. What
// goes wrong stands in redeploy-failure.ts.
import { newId } from '../ids.ts';
import { networkName, volumeName } from '../model/jobs.ts';
import {
  type EndState,
  type Phase,
  type PhaseName,
  replacedByRedeploy,
  type WantedJobs,
} from '../model/redeploy.ts';
import type { Change } from '../postgres/change.ts';
import { type RedeployRow, updateRedeploy } from '../postgres/redeploys.ts';
import { updateService } from '../postgres/services.ts';
import { ImageMissing, labels } from '../runtime/runtime.ts';
import { type Hold, nothing, perform } from './deps.ts';
import { progressReporter } from './image-progress.ts';
import { type NewJob, scheduleJobs } from './record-job.ts';
import { recordImageUnavailable } from './redeploy-failure.ts';
import type { Situation } from './situation.ts';
import { recordStopping } from './stop-job.ts';

export function beginRedeploy(hold: Hold, redeploy: RedeployRow): Promise<void> {
  return perform(hold, 'BEGIN', nothing, async (change) => {
    const message = 'Preparing the private network and volume.';
    await enterPhase(change, redeploy, 'PREPARE', message, { state: 'RUNNING', startedAt: new Date() });
  });
}

export function prepare(hold: Hold, { service }: Situation, redeploy: RedeployRow): Promise<void> {
  const { runtime, installation } = hold.deps;
  const { environmentId, id: serviceId } = service;
  const base = { [labels.installation]: installation.id, [labels.environment]: environmentId };
  const effect = async () => {
    await Promise.all([
      runtime.ensureNetwork({ name: networkName(environmentId), labels: base }),
      redeploy.spec.volume &&
        runtime.ensureVolume({
          name: volumeName(serviceId),
          labels: { ...base, [labels.service]: serviceId },
        }),
    ]);
  };
  return perform(hold, 'PREPARE', effect, async (change) => {
    await enterPhase(change, redeploy, 'PULL_IMAGE', `Obtaining the image ${imageName(redeploy)}.`);
  });
}

export function obtainImage(hold: Hold, situation: Situation, redeploy: RedeployRow): Promise<void> {
  const effect = () => findImage(hold, redeploy);
  return perform(hold, 'OBTAIN_IMAGE', effect, async (change, found) => {
    if ('missing' in found) return recordImageUnavailable(change, redeploy, found.missing);
    const running = situation.jobs.filter((job) => job.state === 'RUNNING').length;
    const message =
      running === 0
        ? 'No old jobs run.'
        : `Stopping ${running} running ${running === 1 ? 'job' : 'jobs'}. The service is down until the new ones are healthy.`;
    const entered = await enterPhase(change, redeploy, 'STOP_OLD', message, { imageId: found.imageId });
    if (entered === undefined) return;
    for (const job of situation.jobs)
      if (job.state === 'RUNNING' && job.type !== 'TASK')
        await recordStopping(change, situation, job, replacedByRedeploy);
  });
}

async function findImage(
  hold: Hold,
  redeploy: RedeployRow,
): Promise<{ readonly imageId: string } | { readonly missing: ImageMissing }> {
  const { image } = redeploy.spec;
  const { runtime, images } = hold.deps;
  const report = progressReporter(hold, redeploy);
  try {
    if (image.kind === 'CATALOGUE') return await images.obtain(image.reference, report.tell, hold.signal);
    const imageId = await runtime.findImage(image.imageId);
    if (imageId !== undefined) return { imageId };
    const sentence = `The image of release ${image.commit} is no longer on the engine. Push the commit again to build it anew.`;
    return { missing: new ImageMissing(image.imageId, sentence) };
  } catch (error) {
    if (error instanceof ImageMissing) return { missing: error };
    throw error;
  } finally {
    await report.close();
  }
}

export function enterStartNew(
  hold: Hold,
  { service }: Situation,
  redeploy: RedeployRow,
  wanted: readonly WantedJobs[],
): Promise<void> {
  return perform(hold, 'ENTER_START_NEW', nothing, async (change) => {
    const fresh = expand(wanted);
    const message = `Starting ${fresh.length} new ${fresh.length === 1 ? 'job' : 'jobs'}.`;
    const entered = await enterPhase(change, redeploy, 'START_NEW', message);
    if (entered === undefined) return;
    const image = entered.imageId ?? '';
    const of = { redeployId: redeploy.id, restoredBy: null, spec: redeploy.spec, image };
    await scheduleJobs(change, service, of, fresh);
  });
}

export function enterVerify(hold: Hold, redeploy: RedeployRow): Promise<void> {
  return perform(hold, 'ENTER_VERIFY', nothing, async (change) => {
    await enterPhase(change, redeploy, 'VERIFY', 'All new jobs run. Waiting until every one is healthy.');
  });
}

export function endRedeploy(
  hold: Hold,
  { service }: Situation,
  redeploy: RedeployRow,
  state: EndState,
): Promise<void> {
  return perform(hold, 'END', nothing, async (change) => {
    const succeeded = state === 'SUCCEEDED' || state === 'ROLLED_BACK';
    const phases = closePhase(undefined, redeploy, redeploy.phases, succeeded);
    const set = { state, phases, endedAt: new Date() };
    const ended = await updateRedeploy(change.tx, redeploy.id, set, redeploy);
    if (ended === undefined) return;
    closePhase(change, redeploy, redeploy.phases, succeeded);
    const { environmentId, id: serviceId, label } = service;
    if (state === 'SUCCEEDED') {
      const running = {
        runningRedeployId: redeploy.id,
        runningSpec: redeploy.spec,
        runningImageId: redeploy.imageId,
      };
      await updateService(change.tx, serviceId, running);
    } else if (state === 'FAILED' && !redeploy.spec.rollBack && hasStoppedOld(redeploy)) {
      await updateService(change.tx, serviceId, { stopped: true });
    }
    const cause = redeploy.cause;
    change.emit({
      environmentId,
      serviceId,
      redeployId: redeploy.id,
      type: 'REDEPLOY_ENDED',
      data: { state, cause },
      message: `${endings[state](label)}${cause === null ? '' : ` ${cause.message}`}`,
    });
  });
}

const endings: Record<EndState, (label: string) => string> = {
  SUCCEEDED: (label) => `The redeploy of ${label} has succeeded.`,
  FAILED: (label) => `The redeploy of ${label} has failed.`,
  ROLLED_BACK: (label) => `The redeploy of ${label} has failed; its last good spec runs again.`,
  CANCELED: (label) => `The redeploy of ${label} was canceled.`,
};

export function hasStoppedOld(redeploy: RedeployRow): boolean {
  return redeploy.phases.some(({ phase }) => phase === 'STOP_OLD');
}

/** Ends the phase that runs and begins the next; undefined when the redeploy has ended or moved on since it was read. */
export async function enterPhase(
  change: Change,
  redeploy: RedeployRow,
  phase: PhaseName,
  message: string,
  set: Parameters<typeof updateRedeploy>[2] = {},
): Promise<RedeployRow | undefined> {
  if (redeploy.phases.at(-1)?.phase === phase) return undefined;
  const startedAt = new Date().toISOString();
  const next: Phase = { phase, state: 'RUNNING', startedAt, endedAt: null, message };
  const phases = [...closePhase(undefined, redeploy, redeploy.phases, redeploy.cause === null), next];
  const updated = await updateRedeploy(change.tx, redeploy.id, { ...set, phases }, redeploy);
  if (updated === undefined) return undefined;
  closePhase(change, redeploy, redeploy.phases, redeploy.cause === null);
  const { environmentId, serviceId, id: redeployId } = redeploy;
  change.emit({ environmentId, serviceId, redeployId, type: 'PHASE_STARTED', data: { phase }, message });
  return updated;
}

/** The phases with the running one ended, told of when `change` is given. */
export function closePhase(
  change: Change | undefined,
  redeploy: RedeployRow,
  phases: readonly Phase[],
  succeeded: boolean,
): Phase[] {
  const last = phases.at(-1);
  if (last === undefined || last.state !== 'RUNNING') return [...phases];
  const { environmentId, serviceId, id: redeployId } = redeploy;
  const data = { phase: last.phase, succeeded };
  const message = `${last.phase} has ${succeeded ? 'ended' : 'failed'}.`;
  change?.emit({ environmentId, serviceId, redeployId, type: 'PHASE_ENDED', data, message });
  const state = succeeded ? 'SUCCEEDED' : 'FAILED';
  return [...phases.slice(0, -1), { ...last, state, endedAt: new Date().toISOString() }];
}

export function expand(wanted: readonly WantedJobs[]): NewJob[] {
  return wanted.flatMap(({ type, target, count }) =>
    Array.from({ length: count }, () => ({ id: newId(), type, target })),
  );
}

function imageName({ spec }: RedeployRow): string {
  return spec.image.kind === 'RELEASE'
    ? `of release ${spec.image.commit.slice(0, 12)}`
    : spec.image.reference;
}
