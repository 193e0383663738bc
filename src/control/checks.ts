// Checks that users make, change, pause, run and remove, and what users may change of built-in ones. A change takes effect
// within seconds, without a redeploy.
import { Conflict, InvalidInput, LimitReached, NotFound } from '../errors.ts';
import { newId } from '../ids.ts';
import type { Action, Caller } from '../model/callers.ts';
import { checkLimits } from '../model/monitoring/results.ts';
import type { Change } from '../postgres/change.ts';
import {
  type CheckRow,
  countChecks,
  findCheckByName,
  insertCheck,
  listChecksById,
  removeCheck,
  requestRun,
  weighChecks,
  updateCheck as writeCheck,
} from '../postgres/checks.ts';
import { resolveIncidents } from '../postgres/incidents.ts';
import { tellResolved } from '../postgres/record-results.ts';
import { firstDue } from './built-in-checks.ts';
import {
  type CheckInput,
  type Chosen,
  chosenFrom,
  knownTypes,
  makeableFields,
  typeOf,
} from './check-fields.ts';
import { type Control, type Mutated, mutate } from './control.ts';
import { checkRevision, environmentFor, serviceWithEnvironmentFor } from './places.ts';

export type CheckIds = { checkId: string };

export type CreateCheckInput = CheckInput & {
  readonly serviceId: string;
  readonly name: string;
  readonly idempotencyKey?: string | null | undefined;
};

export function createCheck(
  control: Control,
  caller: Caller,
  input: CreateCheckInput,
): Promise<Mutated<CheckIds>> {
  return mutate(control, caller, { name: 'createCheck', input }, async (change) => {
    const { service, environment } = await serviceWithEnvironmentFor(
      change,
      caller,
      'DEPLOY',
      input.serviceId,
    );
    const { id: environmentId } = environment;
    const most = checkLimits.perEnvironment;
    const present = await countChecks(change.tx, environmentId);
    if (present >= most)
      throw new LimitReached(`An environment has at most ${most} checks.`, ['input'], most, present);
    const type = typeOf(input);
    if (type === undefined) throw new InvalidInput(['input'], `must have exactly one of ${makeableFields}.`);
    const { intervalSeconds, timeoutSeconds } = type.standard;
    const standard = {
      ...{ name: input.name, port: null, settings: type.settings, thresholds: [], dependsOn: [] },
      ...{ intervalSeconds, timeoutSeconds, attempts: checkLimits.attempts.standard, paused: false },
    };
    const id = newId();
    const chosen = await chosenFrom(change, { ...input, id, environmentId }, standard, type);
    const dueAt = firstDue(type.type, environment.kind, chosen.intervalSeconds, service.id);
    const row = { id, environmentId, serviceId: service.id, type: type.type, ...chosen, dueAt };
    const check = await insertCheck(change.tx, row);
    if (check === undefined) throw await nameTaken(change, service.id, chosen.name);
    await refuseOverweight(change, environmentId);
    tell(change, check, 'CHECK_CREATED', `${caller.tokenName} made the check ${check.name}.`, {});
    audit(change, caller, check, 'createCheck');
    return { ids: { checkId: id }, environmentId };
  });
}

export type UpdateCheckInput = CheckInput & {
  readonly checkId: string;
  readonly expectedRevision?: number | null | undefined;
};

export function updateCheck(
  control: Control,
  caller: Caller,
  input: UpdateCheckInput,
): Promise<Mutated<CheckIds>> {
  return mutate(control, caller, { name: 'updateCheck', input: {} }, async (change) => {
    const check = await checkFor(change, caller, 'DEPLOY', input.checkId);
    checkRevision(input.expectedRevision, check.revision);
    const given = typeOf(input);
    if (given !== undefined && given.type !== check.type)
      throw new InvalidInput(
        ['input', given.type.toLowerCase()],
        `is not for a check of type ${check.type}.`,
      );
    const subject = { ...input, id: check.id, environmentId: check.environmentId };
    const chosen = await chosenFrom(change, subject, check, knownTypes.get(check.type));
    if (check.builtIn && chosen.name !== check.name)
      throw new InvalidInput(['input', 'name'], 'of a built-in check can not be changed.');
    const fields = (Object.keys(chosen) as (keyof Chosen)[]).filter(
      (field) => JSON.stringify(chosen[field]) !== JSON.stringify(check[field]),
    );
    if (fields.length === 0) throw new InvalidInput(['input'], 'must change at least one field.');
    if (chosen.name !== check.name && (await findCheckByName(change.tx, check.serviceId, chosen.name)))
      throw await nameTaken(change, check.serviceId, chosen.name);
    const changed = await writeCheck(change.tx, check.id, chosen);
    await refuseOverweight(change, check.environmentId);
    if (changed.paused) await close(change, changed, 'PAUSED');
    const message = `${caller.tokenName} changed ${fields.join(', ')} of the check ${changed.name}.`;
    tell(change, changed, 'CHECK_UPDATED', message, { fields });
    audit(change, caller, changed, 'updateCheck', fields.join(' '));
    return { ids: { checkId: check.id }, environmentId: check.environmentId };
  });
}

export function deleteCheck(
  control: Control,
  caller: Caller,
  input: { readonly checkId: string },
): Promise<Mutated<CheckIds>> {
  return mutate(control, caller, { name: 'deleteCheck', input: {} }, async (change) => {
    const check = await checkFor(change, caller, 'DEPLOY', input.checkId);
    if (check.builtIn)
      throw new Conflict('A built-in check goes with its service. Pause it instead.', ['input', 'checkId'], {
        type: 'Check',
        id: check.id,
      });
    await removeCheck(change.tx, check.id);
    await close(change, check, 'REMOVED');
    tell(change, check, 'CHECK_DELETED', `${caller.tokenName} removed the check ${check.name}.`, {});
    audit(change, caller, check, 'deleteCheck');
    return { ids: { checkId: check.id }, environmentId: check.environmentId };
  });
}

/** Now, besides its interval; the result comes with the others. */
export function runCheck(
  control: Control,
  caller: Caller,
  input: { readonly checkId: string },
): Promise<Mutated<CheckIds>> {
  return mutate(control, caller, { name: 'runCheck', input: {} }, async (change) => {
    const check = await checkFor(change, caller, 'DEPLOY', input.checkId);
    if (!knownTypes.has(check.type))
      throw new Conflict('This check is made by the platform itself and can not be run on demand.', [
        'input',
        'checkId',
      ]);
    await requestRun(change.tx, check.id);
    tell(change, check, 'CHECK_RUN_REQUESTED', `${caller.tokenName} asked to run ${check.name} now.`, {});
    audit(change, caller, check, 'runCheck');
    return { ids: { checkId: check.id }, environmentId: check.environmentId };
  });
}

/** A living check, its environment locked. */
export async function checkFor(
  change: Change,
  caller: Caller,
  action: Action,
  id: string,
): Promise<CheckRow> {
  const path = ['input', 'checkId'];
  const [found] = await listChecksById(change.tx, [id]);
  if (found === undefined || found.deletedAt !== null) throw new NotFound('check', path);
  await environmentFor(change, caller, action, found.environmentId, path, 'check');
  const [check] = await listChecksById(change.tx, [id]);
  if (check === undefined || check.deletedAt !== null) throw new NotFound('check', path);
  return check;
}

async function refuseOverweight({ tx }: Change, environmentId: string): Promise<void> {
  const { settingsBytes, runsPerSecond } = await weighChecks(tx, environmentId);
  const { settingsBytes: mostBytes, runsPerSecond: mostRuns } = checkLimits;
  if (settingsBytes > mostBytes)
    throw new LimitReached(
      `The settings of an environment's checks have at most ${mostBytes} bytes together.`,
      ['input'],
      mostBytes,
      Math.ceil(settingsBytes),
    );
  // A little above for sums of fractions.
  if (runsPerSecond > mostRuns + 0.001)
    throw new LimitReached(
      `The checks of an environment run at most ${mostRuns} times a second together. Give some a longer interval.`,
      ['input'],
      mostRuns,
      Math.ceil(runsPerSecond),
    );
}

async function nameTaken({ tx }: Change, serviceId: string, name: string): Promise<Conflict> {
  const rival = await findCheckByName(tx, serviceId, name);
  return new Conflict(
    `The service has a check of the name ${name} already.`,
    ['input', 'name'],
    rival && { type: 'Check', id: rival.id },
  );
}

async function close(change: Change, check: CheckRow, resolution: 'PAUSED' | 'REMOVED'): Promise<void> {
  for (const incident of await resolveIncidents(change.tx, [check.id], resolution, undefined))
    tellResolved(change, check, incident);
}

function tell<T extends 'CHECK_CREATED' | 'CHECK_UPDATED' | 'CHECK_DELETED' | 'CHECK_RUN_REQUESTED'>(
  change: Change,
  { environmentId, serviceId, id: checkId }: CheckRow,
  type: T,
  message: string,
  data: { readonly fields?: readonly string[] },
): void {
  change.emit({ environmentId, serviceId, type, data: { checkId, fields: [], ...data }, message });
  change.nudge('checks');
}

function audit(change: Change, caller: Caller, check: CheckRow, action: string, after?: string): void {
  const { environmentId, id: subjectId, name } = check;
  change.audit({ caller, action, environmentId, subjectType: 'Check', subjectId, after: after ?? name });
}
