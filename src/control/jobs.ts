// Single jobs: one command can be run as a job of its own; one job can be stopped (and is replaced if the service wants as many), or started again, which makes a new job
// at once where back-off or an exhausted restart budget would have it wait.
import { Conflict, InvalidInput, LimitReached, NotFound } from '../errors.ts';
import { newId } from '../ids.ts';
import type { Caller } from '../model/callers.ts';
import { hasEnded } from '../model/jobs.ts';
import { checkVariableValue } from '../model/rules.ts';
import type { Change } from '../postgres/change.ts';
import { countOpenTasks, insertJobs, type JobRow, listJobsById, updateJob } from '../postgres/jobs.ts';
import { databaseNow } from '../postgres/open.ts';
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
    const fresh = { failingSince: null, budgetFrom: databaseNow() };
    await updateService(change.tx, service.id, fresh, true);
    tell(change, caller, service, job, 'JOB_START_REQUESTED', 'start again', 'startJob');
    return { ids: { jobId: job.id, serviceId: service.id }, environmentId: service.environmentId };
  });
}

export interface RunTaskInput {
  readonly serviceId: string;
  readonly command: readonly string[];
  readonly idempotencyKey?: string | null | undefined;
}

const longestCommand = 100;
/** Of one service at a time. */
const mostTasks = 10;

/** One command, once, in the image and with the variables that the service runs with. */
export function runTask(control: Control, caller: Caller, input: RunTaskInput): Promise<Mutated<JobIds>> {
  return mutate(control, caller, { name: 'runTask', input }, async (change) => {
    const { service } = await serviceFor(change, caller, 'DEPLOY', input.serviceId);
    const {
      runningSpec: spec,
      runningRedeployId: redeployId,
      runningImageId: image,
      environmentId,
    } = service;
    if (service.type !== 'CODE') throw new InvalidInput(['input', 'serviceId'], 'must be a code service.');
    if (spec === null || image === null)
      throw new Conflict(`${service.label} runs no release yet. Push code first.`, ['input', 'serviceId']);
    const command = checkCommand(input.command);
    const open = await countOpenTasks(change.tx, service.id);
    if (open >= mostTasks)
      throw new LimitReached(
        `${open} tasks of ${service.label} have not ended yet. Wait for them, or stop some.`,
        ['input', 'serviceId'],
        mostTasks,
        open,
      );
    const releaseId = spec.image.kind === 'RELEASE' ? spec.image.releaseId : null;
    const at = { environmentId, serviceId: service.id, redeployId, releaseId };
    const row = {
      id: newId(),
      ...at,
      type: 'TASK' as const,
      state: 'SCHEDULED' as const,
      spec,
      image,
      command,
    };
    await insertJobs(change.tx, [row]);
    await updateService(change.tx, service.id, {}, true);
    tell(change, caller, service, { id: row.id, type: 'TASK' }, 'TASK_REQUESTED', 'run', 'runTask');
    return { ids: { jobId: row.id, serviceId: service.id }, environmentId };
  });
}

function checkCommand(command: readonly string[]): string[] {
  const path = ['input', 'command'];
  if (command.length < 1 || command.length > longestCommand || command[0] === '')
    throw new InvalidInput(path, `must be a program and its arguments, 1 to ${longestCommand} in all.`);
  for (const [index, argument] of command.entries()) checkVariableValue(argument, [...path, String(index)]);
  return [...command];
}

async function jobFor(
  change: Change,
  caller: Caller,
  id: string,
): Promise<{ readonly job: JobRow; readonly service: ServiceRow }> {
  const path = ['input', 'jobId'];
  const [job] = await listJobsById(change.tx, [id]);
  if (job === undefined) throw new NotFound('job', path);
  const { service } = await serviceFor(change, caller, 'DEPLOY', job.serviceId, path, 'job');
  // Read again under the service's lock: the orchestrator may have moved it meanwhile.
  const [locked] = await listJobsById(change.tx, [id]);
  if (locked === undefined) throw new NotFound('job', path);
  return { job: locked, service };
}

function tell(
  change: Change,
  caller: Caller,
  service: ServiceRow,
  job: Pick<JobRow, 'id' | 'type'>,
  type: 'JOB_STOP_REQUESTED' | 'JOB_START_REQUESTED' | 'TASK_REQUESTED',
  verb: string,
  action: string,
): void {
  const { environmentId, id: serviceId, label } = service;
  const message = `${caller.tokenName} asked to ${verb} a ${job.type.toLowerCase()} job of ${label}.`;
  change.emit({ environmentId, serviceId, jobId: job.id, type, data: {}, message });
  change.audit({ caller, action, environmentId, subjectType: 'Job', subjectId: job.id });
  change.nudge('due');
}
