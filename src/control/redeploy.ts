// Asking for a redeploy, looking at what one would do, and canceling one. Nothing is started here: the orchestrator sees
// the row and does it.
import { createHash } from 'node:crypto';
import { Conflict, NotFound, Stale } from '../errors.ts';
import { authorise, type Caller } from '../model/callers.ts';
import { canReturn, hasSwitched, isBeyondReturn } from '../model/overlap.ts';
import { redeployLimits } from '../model/redeploy.ts';
import { checkNote, checkRange } from '../model/rules.ts';
import { compareSpecs, planText, type Spec, type SpecChange } from '../model/spec.ts';
import { listJobsToJudge } from '../postgres/jobs.ts';
import { type Reader, together } from '../postgres/open.ts';
import { findOpenRedeploys, listRedeploysById, updateRedeploy } from '../postgres/redeploys.ts';
import { requestRedeploy, wantedSpec } from '../postgres/request-redeploy.ts';
import { listServicesById, listWorkers, markDue, type ServiceRow } from '../postgres/services.ts';
import { type Control, type Mutated, mutate } from './control.ts';
import { refuseUnlessRedeployable } from './delete-service.ts';
import { serviceFor } from './places.ts';
import { placeOf } from './visibility.ts';

export interface RedeployServiceInput {
  readonly serviceId: string;
  /** From redeployPlan: refused as stale when the plan is another by now. */
  readonly planHash?: string | null | undefined;
  readonly note?: string | null | undefined;
  readonly deadlineSeconds?: number | null | undefined;
  readonly idempotencyKey?: string | null | undefined;
}

export type RedeployIds = { redeployId: string; serviceId: string };

export function redeployService(
  control: Control,
  caller: Caller,
  input: RedeployServiceInput,
): Promise<Mutated<RedeployIds>> {
  return mutate(control, caller, { name: 'redeployService', input }, async (change) => {
    const placed = await serviceFor(change, caller, 'DEPLOY', input.serviceId);
    const { service } = placed;
    refuseUnlessRedeployable(service, caller);
    const note = checkNote(input.note, ['input', 'note']);
    const { standard, minimum, maximum } = redeployLimits.deadlineSeconds;
    const deadlineSeconds = input.deadlineSeconds ?? control.settings.deadlineSeconds ?? standard;
    checkRange(deadlineSeconds, minimum, maximum, ['input', 'deadlineSeconds'], 'seconds');
    const { spec, hash } = await readPlan(change.tx, service);
    if (input.planHash != null && input.planHash !== hash)
      throw new Stale('The plan has changed since it was read. Read redeployPlan again and decide anew.', [
        'input',
        'planHash',
      ]);
    const requestedBy = caller.tokenName;
    const request = { reason: 'MANUAL' as const, note, requestedBy, deadlineSeconds };
    const { id: redeployId } = await requestRedeploy(change, placed, spec, request);
    const { environmentId } = service;
    const subject = { environmentId, subjectType: 'Redeploy', subjectId: redeployId };
    change.audit({ caller, action: 'redeployService', ...subject, after: hash });
    return { ids: { redeployId, serviceId: service.id }, environmentId };
  });
}

export interface CancelRedeployInput {
  readonly redeployId: string;
}

/** One that runs is undone first: its new jobs stop, the last good spec comes back, and it ends CANCELED. */
export function cancelRedeploy(
  control: Control,
  caller: Caller,
  input: CancelRedeployInput,
): Promise<Mutated<RedeployIds>> {
  return mutate(control, caller, { name: 'cancelRedeploy', input: {} }, async (change) => {
    const path = ['input', 'redeployId'];
    const [found] = await listRedeploysById(change.tx, [input.redeployId]);
    if (found === undefined) throw new NotFound('redeploy', path);
    const { service } = await serviceFor(change, caller, 'DEPLOY', found.serviceId, path, 'redeploy');
    refuseUnlessRedeployable(service, caller);
    const redeploy = await updateRedeploy(change.tx, found.id, { cancelRequested: true });
    if (redeploy === undefined)
      throw new Conflict(`The redeploy has ended already: ${found.state}.`, path, {
        type: 'Redeploy',
        id: found.id,
      });
    if (redeploy.cause !== null)
      throw new Conflict(
        'The redeploy has failed, and is being undone as far as its service wants that.',
        path,
        {
          type: 'Redeploy',
          id: redeploy.id,
        },
      );
    if (isBeyondReturn(redeploy))
      throw new Conflict('The redeploy is beyond return: its old jobs are being stopped.', path, {
        type: 'Redeploy',
        id: redeploy.id,
      });
    const switched = redeploy.strategy === 'OVERLAP' && hasSwitched(redeploy);
    if (switched && !canReturn(redeploy, await listJobsToJudge(change.tx, service.id, [], 0)))
      throw new Conflict(
        'None of the old jobs is healthy any more: there is nothing to go back to, and the new ones serve on. Redeploy what is wanted instead.',
        path,
        { type: 'Redeploy', id: redeploy.id },
      );
    await markDue(change.tx, [service.id]);
    const { environmentId } = service;
    change.emit({
      environmentId,
      serviceId: service.id,
      redeployId: redeploy.id,
      type: 'REDEPLOY_CANCEL_REQUESTED',
      data: {},
      message: `${caller.tokenName} asked to cancel the redeploy of ${service.label}.`,
    });
    change.nudge('due');
    const subject = { environmentId, subjectType: 'Redeploy', subjectId: redeploy.id };
    change.audit({ caller, action: 'cancelRedeploy', ...subject });
    return { ids: { redeployId: redeploy.id, serviceId: service.id }, environmentId };
  });
}

export interface RedeployPlan {
  readonly serviceId: string;
  readonly planHash: string;
  readonly changes: readonly SpecChange[];
  /** What will happen, in order, one sentence each. */
  readonly steps: readonly string[];
  readonly causesDowntime: boolean;
}

export async function redeployPlan(
  control: Control,
  caller: Caller,
  serviceId: string,
): Promise<RedeployPlan> {
  const { db } = control.store;
  const [service] = await listServicesById(db, [serviceId]);
  const place = service && (await placeOf(control, service.environmentId));
  if (service === undefined || place === undefined || service.deletedAt !== null)
    throw new NotFound('service', ['serviceId']);
  authorise(caller, 'READ', place, 'service', ['serviceId']);
  const { spec, hash, workers } = await readPlan(db, service);
  const running = service.runningSpec ?? undefined;
  const jobs = running === undefined || service.stopped ? 0 : running.scale;
  return {
    serviceId,
    planHash: hash,
    changes: compareSpecs(running, spec),
    steps: describe(spec, jobs, workers),
    causesDowntime: jobs > 0 && spec.strategy === 'RECREATE',
  };
}

export async function deployableSpec(reader: Reader, service: ServiceRow): Promise<Spec> {
  const spec = await wantedSpec(reader, service);
  if (spec !== undefined) return spec;
  throw new Conflict(
    `${service.label} has no release yet. Push code to its git remote first; a push that builds deploys it.`,
    ['input', 'serviceId'],
    { type: 'Service', id: service.id },
  );
}

async function readPlan(
  reader: Reader,
  service: ServiceRow,
): Promise<{
  readonly spec: Spec;
  readonly workers: Readonly<Record<string, number>>;
  readonly hash: string;
}> {
  const { id, runningSpec, stopped } = service;
  const [spec, counts, open] = await together([
    deployableSpec(reader, service),
    listWorkers(reader, [id]),
    findOpenRedeploys(reader, [id]),
  ]);
  const workers = counts.get(id) ?? {};
  const openRedeployId = open.get(id)?.id ?? null;
  const text = planText(runningSpec ?? undefined, spec, { openRedeployId, stopped, workers });
  return { spec, workers, hash: createHash('sha256').update(text).digest('hex') };
}

function describe(spec: Spec, jobs: number, workers: Readonly<Record<string, number>>): string[] {
  return spec.strategy === 'OVERLAP' && jobs > 0
    ? describeOverlap(spec, jobs, workers)
    : describeRecreate(spec, jobs, workers);
}

function describeOverlap(spec: Spec, jobs: number, workers: Readonly<Record<string, number>>): string[] {
  const old = `${jobs} old deploy ${jobs === 1 ? 'job' : 'jobs'}`;
  return [
    ...stepsToStart(spec, workers),
    `Send requests to the new jobs alone; the ${old} finish what they have begun, for ${spec.overlapSeconds} s.`,
    `Stop the ${old} when they have nothing left to do.`,
    'If a new job fails before that, the old ones get the requests again.',
  ];
}

function stepsToStart(spec: Spec, workers: Readonly<Record<string, number>>): string[] {
  const image =
    spec.image.kind === 'RELEASE' ? `of release ${spec.image.commit.slice(0, 12)}` : spec.image.reference;
  const targets = Object.entries(workers).filter(([target, count]) => count > 0 && target in spec.commands);
  return [
    `Obtain the image ${image}.`,
    `Start ${spec.scale} deploy ${spec.scale === 1 ? 'job' : 'jobs'}.`,
    ...targets.map(
      ([target, count]) => `Start ${count} worker ${count === 1 ? 'job' : 'jobs'} of ${target}.`,
    ),
    'Wait until every one is healthy.',
  ];
}

function describeRecreate(spec: Spec, jobs: number, workers: Readonly<Record<string, number>>): string[] {
  const [obtain = '', ...start] = stepsToStart(spec, workers);
  return [
    obtain,
    ...(jobs > 0
      ? [
          `Stop what runs, ${jobs} deploy ${jobs === 1 ? 'job' : 'jobs'} and its workers. From here on the service is down until the new jobs are healthy.`,
        ]
      : []),
    ...start,
    spec.rollBack
      ? 'If they do not become healthy, start the last good spec again.'
      : 'If they do not become healthy, leave the service stopped.',
  ];
}
