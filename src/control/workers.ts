// Worker jobs of a code service: as many as asked for of each Procfile target, within the service's worker limit. Counts
// are saved, take effect at once, and come back with every redeploy.
import { Conflict, InvalidInput, LimitReached } from '../errors.ts';
import type { Caller } from '../model/callers.ts';
import { checkRange, checkTarget } from '../model/rules.ts';
import { maximumWorkerLimit } from '../model/sizes.ts';
import type { Change } from '../postgres/change.ts';
import { listWorkers, type ServiceRow, saveWorkerCount, updateService } from '../postgres/services.ts';
import { type Control, type Mutated, mutate } from './control.ts';
import { refuseUnlessRedeployable } from './delete-service.ts';
import { serviceFor } from './places.ts';

export interface WorkerInput {
  readonly serviceId: string;
  readonly target: string;
  readonly count: number;
}

type ServiceIds = { serviceId: string };

/** Starts workers of a target for the first time. */
export function deployWorker(
  control: Control,
  caller: Caller,
  input: WorkerInput,
): Promise<Mutated<ServiceIds>> {
  return change(control, caller, 'deployWorker', input, (service, present) => {
    if (Object.hasOwn(present, input.target))
      throw new Conflict(`Workers of ${input.target} are deployed already. Use scaleWorker.`, [
        'input',
        'target',
      ]);
    const commands = service.runningSpec?.commands ?? {};
    if (!Object.hasOwn(commands, input.target))
      throw new InvalidInput(
        ['input', 'target'],
        `must be a target of the running release's Procfile other than web: ${targets(commands)}.`,
      );
    return checkRange(input.count, 1, maximumWorkerLimit, ['input', 'count'], 'jobs');
  });
}

export function scaleWorker(
  control: Control,
  caller: Caller,
  input: WorkerInput,
): Promise<Mutated<ServiceIds>> {
  return change(control, caller, 'scaleWorker', input, (_service, present) => {
    requireDeployed(present, input.target);
    return checkRange(input.count, 0, maximumWorkerLimit, ['input', 'count'], 'jobs');
  });
}

export function removeWorker(
  control: Control,
  caller: Caller,
  input: Omit<WorkerInput, 'count'>,
): Promise<Mutated<ServiceIds>> {
  return change(control, caller, 'removeWorker', input, (_service, present) => {
    requireDeployed(present, input.target);
    return undefined;
  });
}

function change(
  control: Control,
  caller: Caller,
  name: string,
  input: Omit<WorkerInput, 'count'>,
  decide: (service: ServiceRow, present: Readonly<Record<string, number>>) => number | undefined,
): Promise<Mutated<ServiceIds>> {
  return mutate(control, caller, { name, input: {} }, async (current) => {
    const { service } = await serviceFor(current, caller, 'DEPLOY', input.serviceId);
    refuseUnlessRedeployable(service, caller);
    if (service.type !== 'CODE') throw new InvalidInput(['input', 'serviceId'], 'must be a code service.');
    const target = checkTarget(input.target, ['input', 'target']);
    const present = (await listWorkers(current.tx, [service.id])).get(service.id) ?? {};
    const count = decide(service, present);
    checkLimit(service, { ...present, [target]: count ?? 0 });
    await save(current, caller, service, target, count, name);
    return { ids: { serviceId: service.id }, environmentId: service.environmentId };
  });
}

async function save(
  current: Change,
  caller: Caller,
  service: ServiceRow,
  target: string,
  count: number | undefined,
  action: string,
): Promise<void> {
  const { environmentId, id: serviceId, label } = service;
  await saveWorkerCount(current.tx, serviceId, target, count);
  await updateService(current.tx, serviceId, {}, true);
  const said =
    count === undefined ? `removed the workers of ${target}` : `asked for ${count} workers of ${target}`;
  current.emit({
    environmentId,
    serviceId,
    type: 'WORKERS_CHANGED',
    data: { target, count: count ?? 0 },
    message: `${caller.tokenName} ${said} in ${label}.`,
  });
  const subject = { environmentId, subjectType: 'Service', subjectId: serviceId };
  current.audit({ caller, action, ...subject, after: `${target}=${count ?? 'removed'}` });
  current.nudge('due');
}

function requireDeployed(present: Readonly<Record<string, number>>, target: string): void {
  if (Object.hasOwn(present, target)) return;
  throw new InvalidInput(
    ['input', 'target'],
    `has no workers yet: ${target.slice(0, 40)}. Use deployWorker first.`,
  );
}

function checkLimit(service: ServiceRow, counts: Readonly<Record<string, number>>): void {
  const total = Object.values(counts).reduce((sum, each) => sum + each, 0);
  if (total > service.workerLimit)
    throw new LimitReached(
      `The worker limit of ${service.label} is ${service.workerLimit}; this would make ${total}. Raise workerLimit by updateService.`,
      ['input', 'count'],
      service.workerLimit,
      total,
    );
}

function targets(commands: Readonly<Record<string, string>>): string {
  const names = Object.keys(commands).filter((name) => name !== 'web');
  return names.length === 0 ? 'it has none' : names.join(', ');
}
