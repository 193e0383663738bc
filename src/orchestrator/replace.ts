// Outside of redeploys: jobs that died made again, and what is said when that doesn't help.
import type { WantedJobs } from '../model/redeploy.ts';
import { type JobRow, markHealth } from '../postgres/jobs.ts';
import { databaseNow } from '../postgres/open.ts';
import { updateService } from '../postgres/services.ts';
import { type Hold, nothing, type Outcome, perform } from './deps.ts';
import { movedOnly, scheduleJobs, tellJob } from './record-job.ts';
import { expand } from './redeploy.ts';
import type { Situation } from './situation.ts';
import { isUnhealthy, lookOnceMore } from './verify-job.ts';

export function replaceJobs(hold: Hold, { service }: Situation, wanted: WantedJobs): Promise<Outcome> {
  return perform(hold, 'REPLACE', nothing, async (change) => {
    const { runningRedeployId: redeployId, runningSpec: spec, runningImageId } = service;
    const of = { redeployId, restoredBy: null, spec, image: runningImageId ?? '' };
    return { jobs: await scheduleJobs(change, service, of, expand([wanted])) };
  });
}

export function markUnhealthy(hold: Hold, situation: Situation, job: JobRow): Promise<Outcome> {
  const effect = () => lookOnceMore(hold, situation, job);
  return perform(hold, 'MARK_UNHEALTHY', effect, async (change, seen) => {
    if (!isUnhealthy(seen)) return undefined;
    const output = seen.checkOutput ?? 'It did not become healthy in time.';
    const marked = await markHealth(change.tx, job.id, 'UNHEALTHY', output);
    if (marked !== undefined) tellJob(change, situation.service.label, marked);
    return movedOnly(marked);
  });
}

export function markFailing(hold: Hold, { service }: Situation, deaths: number): Promise<Outcome> {
  const { environmentId, id: serviceId, label } = service;
  return perform(hold, 'MARK_FAILING', nothing, async (change) => {
    await updateService(change.tx, serviceId, { failingSince: databaseNow() });
    change.emit({
      environmentId,
      serviceId,
      type: 'SERVICE_FAILING',
      data: { deaths },
      message: `${label} is failing: its jobs died ${deaths} times within ten minutes. They are not started again until you redeploy or start one.`,
    });
    return undefined;
  });
}
