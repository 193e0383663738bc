// Who gets requests, as far as a redeploy decides it: written here into the jobs' rows, taken over by the service proxies
// (sync-proxy.ts), and waited for by the redeploy.

import { isAlive } from '../model/jobs.ts';
import { drainSeconds } from '../model/overlap.ts';
import type { JobRow } from '../postgres/jobs.ts';
import { listRedeploysById, type RedeployRow } from '../postgres/redeploys.ts';
import { putBack, setRotation } from '../postgres/rotation.ts';
import { updateService } from '../postgres/services.ts';
import { type Hold, nothing, type Outcome, perform, type Recording } from './deps.ts';
import { askProxies, movedOnly } from './record-job.ts';
import { enteredOnly, enterPhase } from './redeploy.ts';
import type { Situation } from './situation.ts';

/** RECREATE: healthy jobs are in rotation already; what is left is the proxies' part. */
export function enterSwitch(hold: Hold, situation: Situation): Promise<Outcome> {
  return perform(hold, 'ENTER_SWITCH', nothing, (change) => recordSwitchPhase(change, situation));
}

export async function recordSwitchPhase(
  change: Recording,
  { redeploy, service }: Situation,
): Promise<Outcome> {
  if (redeploy === undefined) return undefined;
  const message = 'Waiting until the service proxies send requests to the new jobs.';
  await askProxies(change, service.environmentId);
  return enteredOnly(await enterPhase(change, redeploy, 'SWITCH', message));
}

/** OVERLAP: all at once. From here on the new jobs are what the service runs, also for a redeploy that comes after. */
export function switchToNew(hold: Hold, situation: Situation, redeploy: RedeployRow): Promise<Outcome> {
  const { service, jobs } = situation;
  const [fresh, old] = partition(jobs, redeploy.id);
  return perform(hold, 'SWITCH', nothing, async (change) => {
    const message = `Requests go to the ${fresh.length} new ${fresh.length === 1 ? 'job' : 'jobs'} from now on.`;
    const previousId = service.runningRedeployId;
    const entered = await enterPhase(change, redeploy, 'SWITCH', message, { previousId });
    if (entered === undefined) return undefined;
    await setRotation(change.tx, fresh, 'IN');
    await setRotation(change.tx, old, 'DRAINING');
    const { id: runningRedeployId, spec: runningSpec, imageId: runningImageId } = redeploy;
    const running = { runningRedeployId, runningSpec, runningImageId };
    await updateService(change.tx, service.id, { ...running, stopped: false });
    await askProxies(change, service.environmentId);
    return undefined;
  });
}

export function enterOverlap(hold: Hold, situation: Situation, redeploy: RedeployRow): Promise<Outcome> {
  const { overlapSeconds } = redeploy.spec;
  return perform(hold, 'ENTER_OVERLAP', nothing, async (change) => {
    const message = `The old jobs finish what they have begun, for ${overlapSeconds} s.`;
    return enteredOnly(await enterPhase(change, redeploy, 'OVERLAP', message, {}, situation.now));
  });
}

export function enterDrain(hold: Hold, situation: Situation, redeploy: RedeployRow): Promise<Outcome> {
  return perform(hold, 'ENTER_DRAIN', nothing, async (change) => {
    const message = `The old jobs are stopped when they have nothing left to do, after ${drainSeconds} s at the latest.`;
    return enteredOnly(await enterPhase(change, redeploy, 'DRAIN', message, {}, situation.now));
  });
}

/** What ran before gets the requests again, and is what the service runs. */
export function switchBack(hold: Hold, situation: Situation, redeploy: RedeployRow): Promise<Outcome> {
  const { service, jobs } = situation;
  const [fresh, old] = partition(jobs, redeploy.id);
  const effect = async () => {
    const { previousId } = redeploy;
    return previousId === null ? undefined : (await listRedeploysById(hold.deps.store.db, [previousId]))[0];
  };
  return perform(hold, 'SWITCH_BACK', effect, async (change, previous) => {
    const message = 'Requests go to the old jobs again.';
    const entered = await enterPhase(change, redeploy, 'RESTORE', message);
    if (entered === undefined) return undefined;
    await setRotation(change.tx, old, 'IN');
    await setRotation(change.tx, fresh, 'DRAINING');
    if (previous !== undefined) {
      const { id: runningRedeployId, spec: runningSpec, imageId: runningImageId } = previous;
      await updateService(change.tx, service.id, { runningRedeployId, runningSpec, runningImageId });
    }
    await askProxies(change, service.environmentId);
    return undefined;
  });
}

/** Not while somebody else's jobs are what the service runs: a switch may have come between. */
export function putIn(hold: Hold, { service }: Situation, job: JobRow): Promise<Outcome> {
  return perform(hold, 'PUT_IN', nothing, async (change) => {
    const row = await putBack(change.tx, job.id);
    if (row !== undefined) await askProxies(change, service.environmentId);
    return movedOnly(row);
  });
}

/** The deploy jobs that live: those of the redeploy, and those before it. */
function partition(jobs: readonly JobRow[], redeployId: string): [string[], string[]] {
  const deploys = jobs.filter((job) => job.type === 'DEPLOY' && isAlive(job) && !job.stopRequested);
  const own = deploys.filter((job) => job.redeployId === redeployId);
  return [own.map((job) => job.id), deploys.filter((job) => !own.includes(job)).map((job) => job.id)];
}
