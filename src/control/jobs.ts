// Single jobs: one can be stopped (and is replaced if the service wants as many), or started again, which makes a new job
// at once where back-off or an exhausted restart budget would have it wait.
import { Conflict, NotFound } from '../errors.ts';
import type { Caller } from '../model/callers.ts';
import { hasEnded } from '../model/jobs.ts';
import type { Change } from '../postgres/change.ts';
import { type JobRow, listJobsById, updateJob } from '../postgres/jobs.ts';
import { type ServiceRow, updateService } from '../postgres/services.ts';
import { type Control, type Mutated, mutate } from './control.ts';
import { refuseUnlessRedeployable } from './delete-service.ts';
import { serviceFor } from './places.ts';

export interface JobInput {
  readonly jobId: string;
}

type JobIds = { jobId: string; serviceId: string };

export function stopJob(control: Control, caller: Caller, input: JobInput): Promise<Mutated<JobIds>> {
  return mutate(control, caller, { name: 'stopJob', input: {} }, async (change) => {
    const { job, service } = await jobFor(change, caller, input.jobId);
    refuseUnlessRedeployable(service, caller);
    if (hasEnded(job.state))
      throw new Conflict(`The job has ended already: ${job.state}.`, ['input', 'jobId'], {
        type: 'Job',
        id: job.id,
      });
    if (job.type === 'BUILD')
      throw new Conflict('A build ends by itself; push again to supersede it.', ['input', 'jobId']);
    await updateJob(change.tx, job.id, { stopRequested: true });
    await updateService(change.tx, service.id, {}, true);
    tell(change, caller, service, job, 'JOB_STOP_REQUESTED', 'stop', 'stopJob');
    return { ids: { jobId: job.id, serviceId: service.id }, environmentId: service.environmentId };
  });
}

/** Asks for a replacement of an ended deploy or worker job now. */
export function startJob(control: Control, caller: Caller, input: JobInput): Promise<Mutated<JobIds>> {
  return mutate(control, caller, { name: 'startJob', input: {} }, async (change) => {
    const { job, service } = await jobFor(change, caller, input.jobId);
    refuseUnlessRedeployable(service, caller);
    const path = ['input', 'jobId'];
    if (!hasEnded(job.state))
      throw new Conflict(`The job has not ended: ${job.state}.`, path, { type: 'Job', id: job.id });
    if (job.type !== 'DEPLOY' && job.type !== 'WORKER')
      throw new Conflict('Only deploy and worker jobs can be started again.', path);
    if (service.stopped || service.runningRedeployId !== job.redeployId)
      throw new Conflict('Its spec is no longer the one that runs. Redeploy the service instead.', path);
    const fresh = { failingSince: null, budgetFrom: new Date() };
    await updateService(change.tx, service.id, fresh, true);
    tell(change, caller, service, job, 'JOB_START_REQUESTED', 'start again', 'startJob');
    return { ids: { jobId: job.id, serviceId: service.id }, environmentId: service.environmentId };
  });
}

async function jobFor(
  change: Change,
  caller: Caller,
  id: string,
): Promise<{ readonly job: JobRow; readonly service: ServiceRow }> {
  const path = ['input', 'jobId'];
  const [job] = await listJobsById(change.tx, [id]);
  if (job === undefined) throw new NotFound('job', path);
  const { service } = await serviceFor(change, caller, 'DEPLOY', job.serviceId, path);
  // Read again under the service's lock: the orchestrator may have moved it meanwhile.
  const [locked] = await listJobsById(change.tx, [id]);
  if (locked === undefined) throw new NotFound('job', path);
  return { job: locked, service };
}

function tell(
  change: Change,
  caller: Caller,
  service: ServiceRow,
  job: JobRow,
  type: 'JOB_STOP_REQUESTED' | 'JOB_START_REQUESTED',
  verb: string,
  action: string,
): void {
  const { environmentId, id: serviceId, label } = service;
  const message = `${caller.tokenName} asked to ${verb} a ${job.type.toLowerCase()} job of ${label}.`;
  change.emit({ environmentId, serviceId, jobId: job.id, type, data: {}, message });
  change.audit({ caller, action, environmentId, subjectType: 'Job', subjectId: job.id });
  change.nudge('due');
}
