// Checks that users make, change, pause, run and remove, and what users may change of built-in ones. A change takes effect
// within a second, without a redeploy.
import { checkTypes } from '../checks/index.ts';
import { checkSettings } from '../checks/settings.ts';
import { Conflict, InvalidInput, LimitReached, NotFound } from '../errors.ts';
import { newId } from '../ids.ts';
import type { Action, Caller } from '../model/callers.ts';
import type { Threshold } from '../model/monitoring/observations.ts';
import { checkLimits } from '../model/monitoring/results.ts';
import { checkName, checkRange } from '../model/rules.ts';
import type { Change } from '../postgres/change.ts';
import {
  type CheckRow,
  countChecks,
  findCheckByName,
  insertCheck,
  listChecksById,
  updateCheck as writeCheck,
} from '../postgres/checks.ts';
import { resolveIncidents } from '../postgres/incidents.ts';
import { databaseNow } from '../postgres/open.ts';
import { tellResolved } from '../postgres/record-results.ts';
import { type Control, type Mutated, mutate } from './control.ts';
import { checkRevision, environmentFor, serviceWithEnvironmentFor } from './places.ts';

export type CheckIds = { checkId: string };

/** Absent fields keep their present or standard value. */
export interface CheckInput {
  readonly name?: string | null | undefined;
  readonly port?: number | null | undefined;
  /** As the check's type understands them. */
  readonly settings?: Readonly<Record<string, unknown>> | undefined;
  readonly thresholds?: readonly Threshold[] | null | undefined;
  readonly intervalSeconds?: number | null | undefined;
  readonly timeoutSeconds?: number | null | undefined;
  readonly attempts?: number | null | undefined;
  /** Of the same environment: while one of them has an open incident, this check raises none. */
  readonly dependsOn?: readonly string[] | null | undefined;
  readonly paused?: boolean | null | undefined;
}

export type CreateCheckInput = CheckInput & {
  readonly serviceId: string;
  readonly type: string;
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
    const type = checkTypes.get(input.type);
    if (type === undefined) throw new InvalidInput(['input', 'type'], 'is no type of check.');
    const { intervalSeconds, timeoutSeconds } = type.standard;
    const standard = {
      ...{ name: input.name, port: null, settings: type.settings, thresholds: [], dependsOn: [] },
      ...{ intervalSeconds, timeoutSeconds, attempts: checkLimits.attempts.standard, paused: false },
    };
    const id = newId();
    const chosen = await chosenFrom(change, { ...input, id, environmentId }, standard, input.type);
    const row = { id, environmentId, serviceId: service.id, type: input.type, ...chosen };
    const check = await insertCheck(change.tx, row);
    if (check === undefined) throw await nameTaken(change, service.id, chosen.name);
    tell(change, check, 'CHECK_CREATED', `${caller.tokenName} made the check ${check.name}.`, {});
    audit(change, caller, check, 'createCheck');
    return { ids: { checkId: id }, environmentId };
  });
}

export type UpdateCheckInput = CheckInput & {
  readonly checkId: string;
  /** Of which type the settings are; refused when the check's is another. */
  readonly settingsOf?: string | undefined;
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
    if (input.settingsOf !== undefined && input.settingsOf !== check.type)
      throw new InvalidInput(
        ['input', input.settingsOf.toLowerCase()],
        `is not for a check of type ${check.type}.`,
      );
    const subject = { ...input, id: check.id, environmentId: check.environmentId };
    const chosen = await chosenFrom(change, subject, check, check.type);
    if (check.builtIn && chosen.name !== check.name)
      throw new InvalidInput(['input', 'name'], 'of a built-in check can not be changed.');
    const fields = (Object.keys(chosen) as (keyof Chosen)[]).filter(
      (field) => JSON.stringify(chosen[field]) !== JSON.stringify(check[field]),
    );
    if (fields.length === 0) throw new InvalidInput(['input'], 'must change at least one field.');
    if (chosen.name !== check.name && (await findCheckByName(change.tx, check.serviceId, chosen.name)))
      throw await nameTaken(change, check.serviceId, chosen.name);
    const changed = await writeCheck(change.tx, check.id, chosen);
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
    await writeCheck(change.tx, check.id, { deletedAt: databaseNow() as never });
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
    if (!checkTypes.has(check.type))
      throw new Conflict('This check is made by the platform itself and can not be run on demand.', [
        'input',
        'checkId',
      ]);
    await writeCheck(change.tx, check.id, { runRequestedAt: databaseNow() as never });
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

type Chosen = Pick<
  CheckRow,
  | 'name'
  | 'port'
  | 'settings'
  | 'thresholds'
  | 'intervalSeconds'
  | 'timeoutSeconds'
  | 'attempts'
  | 'dependsOn'
  | 'paused'
>;

async function chosenFrom(
  change: Change,
  input: CheckInput & { readonly id: string; readonly environmentId: string },
  before: Chosen,
  type: string,
): Promise<Chosen> {
  const at = (field: string) => ['input', field];
  const { intervalSeconds: interval, timeoutSeconds: timeout, attempts } = checkLimits;
  const kind = checkTypes.get(type);
  const chosen = {
    name: input.name == null ? before.name : checkName(input.name, at('name')),
    port: input.port === undefined ? before.port : portOf(input.port),
    settings:
      input.settings === undefined || kind === undefined
        ? before.settings
        : checkSettings(kind, { ...before.settings, ...input.settings }, at(type.toLowerCase())),
    thresholds: input.thresholds == null ? before.thresholds : checkThresholds(input.thresholds),
    intervalSeconds: within(input.intervalSeconds ?? before.intervalSeconds, interval, 'intervalSeconds'),
    timeoutSeconds: within(input.timeoutSeconds ?? before.timeoutSeconds, timeout, 'timeoutSeconds'),
    attempts: within(input.attempts ?? before.attempts, attempts, 'attempts'),
    dependsOn: input.dependsOn == null ? before.dependsOn : await siblings(change, input, input.dependsOn),
    paused: input.paused ?? before.paused,
  };
  return chosen;
}

function within(
  value: number,
  { minimum, maximum }: { minimum: number; maximum: number },
  field: string,
): number {
  return checkRange(value, minimum, maximum, ['input', field]);
}

function portOf(port: number | null): number | null {
  return port === null ? null : checkRange(port, 1, 65_535, ['input', 'port']);
}

function checkThresholds(thresholds: readonly Threshold[]): readonly Threshold[] {
  if (thresholds.length > 20) throw new InvalidInput(['input', 'thresholds'], 'must be at most 20.');
  for (const [index, { metric, warning, critical }] of thresholds.entries()) {
    const path = ['input', 'thresholds', String(index)];
    if (!/^[\x21-\x7e]{1,100}$/.test(metric))
      throw new InvalidInput([...path, 'metric'], 'must be 1 to 100 visible ASCII characters.');
    for (const [field, value] of Object.entries({ warning, critical }))
      if (value !== null && !Number.isFinite(value))
        throw new InvalidInput([...path, field], 'must be a finite number.');
  }
  return thresholds;
}

async function siblings(
  { tx }: Change,
  { id, environmentId }: { readonly id: string; readonly environmentId: string },
  wanted: readonly string[],
): Promise<readonly string[]> {
  const path = ['input', 'dependsOn'];
  if (wanted.length > 10) throw new InvalidInput(path, 'must be at most 10 checks.');
  if (wanted.includes(id)) throw new InvalidInput(path, 'must not be the check itself.');
  const found = wanted.length === 0 ? [] : await listChecksById(tx, wanted);
  const near = new Set(
    found
      .filter((each) => each.environmentId === environmentId && each.deletedAt === null)
      .map((each) => each.id),
  );
  if (wanted.some((each) => !near.has(each))) throw new NotFound('check', path);
  return [...new Set(wanted)];
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
