// The straight line of a redeploy: begin, prepare, obtain the image, enter the start of the new jobs, verify, end. What
// goes wrong stands in redeploy-failure.ts.
import { newId } from '../ids.ts';
import { replacedByRedeploy } from '../model/job-steps.ts';
import { networkName, volumeName } from '../model/jobs.ts';
import { phaseEnded, runningPhase, withPhaseEnded } from '../model/phases.ts';
import type { EndState, Phase, PhaseName, WantedJobs } from '../model/redeploy.ts';
import type { Change } from '../postgres/change.ts';
import { databaseNow, together } from '../postgres/open.ts';
import { type RedeployRow, updateRedeploy } from '../postgres/redeploys.ts';
import { updateService } from '../postgres/services.ts';
import { ImageMissing, labels } from '../runtime/runtime.ts';
import { checkProxy } from './check-proxy.ts';
import { assertHeld, type Hold, nothing, type Outcome, perform, type Recording } from './deps.ts';
import { progressReporter } from './image-progress.ts';
import { type NewJob, scheduleJobs } from './record-job.ts';
import { recordImageUnavailable, recordRefusal } from './redeploy-failure.ts';
import type { Situation } from './situation.ts';
import { hasToDrain, recordStopping } from './stop-job.ts';

/** Goes on to prepare: what that asks of the engine may be asked while this is written, for asking twice is as once. */
export async function beginRedeploy(
  hold: Hold,
  situation: Situation,
  redeploy: RedeployRow,
): Promise<Outcome> {
  assertHeld(hold);
  const prepared = prepareOnEngine(hold, situation, redeploy);
  prepared.catch(() => {});
  const begun = await perform(hold, 'BEGIN', nothing, async (change) => {
    const message = 'Preparing the private network and volume.';
    const set = { state: 'RUNNING' as const, startedAt: databaseNow() };
    return enteredOnly(await enterPhase(change, redeploy, 'PREPARE', message, set));
  });
  return begun?.redeploy && prepare(hold, situation, begun.redeploy, prepared);
}

export function prepare(
  hold: Hold,
  situation: Situation,
  redeploy: RedeployRow,
  prepared?: Promise<string | undefined>,
): Promise<Outcome> {
  const effect = () => prepared ?? prepareOnEngine(hold, situation, redeploy);
  return perform(hold, 'PREPARE', effect, async (change, imageId) => {
    const message = `Obtaining the image ${imageName(redeploy)}.`;
    const entered = await enterPhase(change, redeploy, 'PULL_IMAGE', message);
    if (entered === undefined || imageId === undefined) return enteredOnly(entered);
    change.along('OBTAIN_IMAGE');
    return recordImage(change, situation, entered, imageId);
  });
}

/** Answers with the release's image when it is there. */
async function prepareOnEngine(
  hold: Hold,
  situation: Situation,
  redeploy: RedeployRow,
): Promise<string | undefined> {
  const [imageId] = await Promise.all([
    releaseOnEngine(hold, redeploy),
    prepareNetwork(hold, situation, redeploy),
  ]);
  return imageId;
}

async function prepareNetwork({ deps }: Hold, { service }: Situation, redeploy: RedeployRow): Promise<void> {
  const { runtime, installation } = deps;
  const { environmentId, id: serviceId } = service;
  const base = { [labels.installation]: installation.id, [labels.environment]: environmentId };
  const volume = { name: volumeName(serviceId), labels: { ...base, [labels.service]: serviceId } };
  await Promise.all([
    runtime.ensureNetwork({ name: networkName(environmentId), labels: base }),
    redeploy.spec.volume && runtime.ensureVolume(volume),
  ]);
}

/** A release that was built here needs no obtaining, as a rule. */
async function releaseOnEngine({ deps }: Hold, { spec }: RedeployRow): Promise<string | undefined> {
  return spec.image.kind === 'RELEASE' ? deps.runtime.findImage(spec.image.imageId) : undefined;
}

export function obtainImage(hold: Hold, situation: Situation, redeploy: RedeployRow): Promise<Outcome> {
  const effect = async () => {
    const found = await findImage(hold, redeploy);
    if ('missing' in found) return found;
    const refused = await checkProxy(hold, redeploy, found.imageId);
    return refused === undefined ? found : { refused };
  };
  return perform(hold, 'OBTAIN_IMAGE', effect, async (change, found) =>
    'missing' in found
      ? recordImageUnavailable(change, redeploy, found.missing)
      : 'refused' in found
        ? recordRefusal(change, redeploy, found.refused)
        : recordImage(change, situation, redeploy, found.imageId),
  );
}

/** RECREATE goes on to stop the old jobs; OVERLAP leaves them, and only notes that the image is there. */
async function recordImage(
  change: Recording,
  situation: Situation,
  redeploy: RedeployRow,
  imageId: string,
): Promise<Outcome> {
  if (redeploy.strategy === 'OVERLAP')
    return enteredOnly(await updateRedeploy(change.tx, redeploy.id, { imageId }, redeploy));
  const old = situation.jobs.filter((job) => job.state === 'RUNNING' && job.type !== 'TASK');
  const message =
    old.length === 0
      ? 'No old jobs run.'
      : `Stopping ${old.length} running ${old.length === 1 ? 'job' : 'jobs'}. The service is down until the new ones are healthy.`;
  const entered = await enterPhase(change, redeploy, 'STOP_OLD', message, { imageId });
  if (entered === undefined) return undefined;
  // Those that get requests are drained first, each in a step of its own.
  const free = old.filter((job) => !hasToDrain(situation, job));
  const moved = await together(free.map((job) => recordStopping(change, situation, job, replacedByRedeploy)));
  const stopping = moved.filter((job) => job !== undefined);
  return stopping.length === free.length ? { redeploy: entered, jobs: stopping } : undefined;
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
  situation: Situation,
  wanted: readonly WantedJobs[],
): Promise<Outcome> {
  return perform(hold, 'ENTER_START_NEW', nothing, (change) => recordStartNew(change, situation, wanted));
}

export async function recordStartNew(
  change: Recording,
  { service, redeploy }: Situation,
  wanted: readonly WantedJobs[],
): Promise<Outcome> {
  if (redeploy === undefined) return undefined;
  const fresh = expand(wanted);
  const message = `Starting ${fresh.length} new ${fresh.length === 1 ? 'job' : 'jobs'}.`;
  const entered = await enterPhase(change, redeploy, 'START_NEW', message);
  if (entered === undefined) return undefined;
  const image = entered.imageId ?? '';
  const of = { redeployId: redeploy.id, restoredBy: null, spec: redeploy.spec, image };
  return { redeploy: entered, jobs: await scheduleJobs(change, service, of, fresh) };
}

export function enterVerify(hold: Hold, situation: Situation): Promise<Outcome> {
  return perform(hold, 'ENTER_VERIFY', nothing, (change) => recordVerify(change, situation));
}

export async function recordVerify(change: Recording, { redeploy }: Situation): Promise<Outcome> {
  if (redeploy === undefined) return undefined;
  const message = 'All new jobs run. Waiting until every one is healthy.';
  return enteredOnly(await enterPhase(change, redeploy, 'VERIFY', message));
}

export function endRedeploy(hold: Hold, situation: Situation, state: EndState): Promise<Outcome> {
  return perform(hold, 'END', nothing, (change) => recordEnd(change, situation, state));
}

export async function recordEnd(
  change: Recording,
  { service, redeploy }: Situation,
  state: EndState,
): Promise<Outcome> {
  if (redeploy === undefined) return undefined;
  const succeeded = state === 'SUCCEEDED' || state === 'ROLLED_BACK';
  const phases = closePhase(undefined, redeploy, succeeded, change.now);
  const set = { state, phases, endedAt: databaseNow() };
  const ended = await updateRedeploy(change.tx, redeploy.id, set, redeploy);
  if (ended === undefined) return undefined;
  closePhase(change, redeploy, succeeded, change.now);
  const { environmentId, id: serviceId, label } = service;
  if (state === 'SUCCEEDED') {
    const running = {
      runningRedeployId: redeploy.id,
      runningSpec: redeploy.spec,
      runningImageId: redeploy.imageId,
      // One that was stopped stays so until it runs again: a redeploy that fails or is canceled starts nothing.
      stopped: false,
    };
    await updateService(change.tx, serviceId, running);
  } else if (state === 'FAILED' && !redeploy.spec.rollBack && hasStoppedOld(redeploy)) {
    await updateService(change.tx, serviceId, { stopped: true });
  }
  const { cause, id: redeployId } = redeploy;
  const data = { state, cause };
  const message = `${endings[state](label)}${cause === null ? '' : ` ${cause.message}`}`;
  change.emit({ environmentId, serviceId, redeployId, type: 'REDEPLOY_ENDED', data, message });
  return undefined;
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
  change: Recording,
  redeploy: RedeployRow,
  phase: PhaseName,
  message: string,
  set: Parameters<typeof updateRedeploy>[2] = {},
  now = change.now,
): Promise<RedeployRow | undefined> {
  if (redeploy.phases.at(-1)?.phase === phase) return undefined;
  const startedAt = now.toISOString();
  const next: Phase = { phase, state: 'RUNNING', startedAt, endedAt: null, message };
  const phases = [...closePhase(undefined, redeploy, redeploy.cause === null, now), next];
  const updated = await updateRedeploy(change.tx, redeploy.id, { ...set, phases }, redeploy);
  if (updated === undefined) return undefined;
  closePhase(change, redeploy, redeploy.cause === null, now);
  const { environmentId, serviceId, id: redeployId } = redeploy;
  change.emit({ environmentId, serviceId, redeployId, type: 'PHASE_STARTED', data: { phase }, message });
  return updated;
}

export function enteredOnly(redeploy: RedeployRow | undefined): Outcome {
  return redeploy && { redeploy };
}

/** The phases with the running one ended, told of when `change` is given. */
export function closePhase(
  change: Change | undefined,
  redeploy: RedeployRow,
  succeeded: boolean,
  now: Date,
): Phase[] {
  const { environmentId, serviceId, id: redeployId, phases } = redeploy;
  const running = runningPhase(phases);
  if (running !== undefined) {
    const data = { phase: running.phase, succeeded };
    const message = phaseEnded(running, succeeded);
    change?.emit({ environmentId, serviceId, redeployId, type: 'PHASE_ENDED', data, message });
  }
  return withPhaseEnded(phases, succeeded, now);
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
