// Variables a user sets: many at once or none, kept encrypted; reading a value is a right of its own and leaves a row in
// the audit.
import { Conflict, InvalidInput, LimitReached, NotFound } from '../errors.ts';
import { newId } from '../ids.ts';
import { authoriseAction, type Caller, sees } from '../model/callers.ts';
import {
  checkVariableName,
  checkVariableValue,
  maximumEnvironmentBytes,
  maximumVariables,
  utf8Length,
} from '../model/rules.ts';
import { type Change, change } from '../postgres/change.ts';
import { listServicesById, updateService } from '../postgres/services.ts';
import {
  listVariables,
  openSecrets,
  removeVariables,
  saveVariables,
  type VariableHome,
  type VariableRow,
} from '../postgres/variables.ts';
import { refreshAutomaticVariables } from './automatic-variables.ts';
import { type Control, type Mutated, mutate } from './control.ts';
import { refuseOperated } from './delete-service.ts';
import { checkRevision, serviceFor, serviceWithEnvironmentFor } from './places.ts';
import { placeOf } from './visibility.ts';

export interface VariableInput {
  readonly name: string;
  readonly value: string;
}

export interface SetVariablesInput {
  readonly serviceId: string;
  readonly variables: readonly VariableInput[];
  readonly expectedRevision?: number | null | undefined;
}

export function setVariables(
  control: Control,
  caller: Caller,
  input: SetVariablesInput,
): Promise<Mutated<{ serviceId: string }>> {
  return mutate(control, caller, { name: 'setVariables', input: {} }, async (change) => {
    const { service, organizationId } = await serviceFor(change, caller, 'DEPLOY', input.serviceId);
    refuseOperated(service, caller);
    checkRevision(input.expectedRevision, service.revision);
    const items = checkVariables(input.variables, ['input', 'variables']);
    if (items.length === 0)
      throw new InvalidInput(['input', 'variables'], 'must name at least one variable.');
    const home = { organizationId, environmentId: service.environmentId, serviceId: service.id };
    const before = await rowsOf(change, service.id);
    const set = await saveUserVariables(control, change, home, items, caller.tokenName, ['input']);
    await updateService(change.tx, service.id, {});
    await tell(change, caller, service, { set, unset: [] }, before, 'setVariables');
    return { ids: { serviceId: service.id }, environmentId: service.environmentId };
  });
}

export interface UnsetVariablesInput {
  readonly serviceId: string;
  readonly names: readonly string[];
}

export function unsetVariables(
  control: Control,
  caller: Caller,
  input: UnsetVariablesInput,
): Promise<Mutated<{ serviceId: string }>> {
  return mutate(control, caller, { name: 'unsetVariables', input: {} }, async (change) => {
    const { service, environment } = await serviceWithEnvironmentFor(
      change,
      caller,
      'DEPLOY',
      input.serviceId,
    );
    refuseOperated(service, caller);
    if (input.names.length === 0)
      throw new InvalidInput(['input', 'names'], 'must name at least one variable.');
    const present = await rowsOf(change, service.id);
    for (const [index, name] of input.names.entries()) {
      const path = ['input', 'names', String(index)];
      const row = present.find((each) => each.name === name);
      if (row === undefined)
        throw new InvalidInput(path, `is not set on this service: ${name.slice(0, 200)}.`);
      if (row.source === 'AUTOMATIC')
        throw new Conflict(`${name} is set by the platform and can't be unset.`, path);
    }
    const unset = await removeVariables(change.tx, service.id, input.names);
    await updateService(change.tx, service.id, {});
    await refreshAutomaticVariables(control, change, environment);
    await tell(change, caller, service, { set: [], unset }, present, 'unsetVariables');
    return { ids: { serviceId: service.id }, environmentId: service.environmentId };
  });
}

export interface VariableName {
  readonly serviceId: string;
  readonly name: string;
}

/** The value, for a caller who may read secrets. Leaves an audit row. */
export async function readVariable(
  control: Control,
  caller: Caller,
  serviceId: string,
  name: string,
): Promise<string> {
  const [value] = await readVariables(control, caller, [{ serviceId, name }]);
  if (value === undefined) throw new NotFound('variable');
  return value;
}

/**
 * Many in one transaction, in the order asked for; undefined for what the caller can't see. Each that is given leaves an
 * audit row of its own.
 */
export async function readVariables(
  control: Control,
  caller: Caller,
  asked: readonly VariableName[],
): Promise<(string | undefined)[]> {
  authoriseAction(caller, 'READ_SECRETS');
  const places = await findVisible(control, caller, new Set(asked.map(({ serviceId }) => serviceId)));
  const { value } = await change(control, async ({ tx, audit }) => {
    const variables = await listVariables(tx, [...places.keys()]);
    const rows = asked.map(({ serviceId, name }) =>
      variables.get(serviceId)?.find((each) => each.name === name),
    );
    const secretIds = rows.flatMap((row) => (row === undefined ? [] : [row.secretId]));
    const opened = await openSecrets(tx, control.vault, secretIds);
    return rows.map((row) => {
      const found = row && opened.get(row.secretId);
      if (row === undefined || found === undefined) return undefined;
      const environmentId = places.get(row.serviceId) ?? null;
      const subject = { subjectType: 'Variable', subjectId: `${row.serviceId}:${row.name}` };
      audit({ caller, action: 'readVariable', environmentId, ...subject });
      return found;
    });
  });
  return value;
}

/** The environments of those services that the caller sees. */
async function findVisible(
  control: Control,
  caller: Caller,
  serviceIds: ReadonlySet<string>,
): Promise<Map<string, string>> {
  const visible = new Map<string, string>();
  for (const { id, environmentId } of await listServicesById(control.store.db, [...serviceIds])) {
    const place = await placeOf(control, environmentId);
    if (place !== undefined && sees(caller, place)) visible.set(id, environmentId);
  }
  return visible;
}

/** Checks all before anything is written. */
export function checkVariables(
  items: readonly VariableInput[],
  path: readonly string[],
): readonly VariableInput[] {
  const names = new Set<string>();
  for (const [index, { name, value }] of items.entries()) {
    const here = [...path, String(index)];
    checkVariableName(name, [...here, 'name']);
    if (/^BERTH_/.test(name) || name === 'PROCFILE_TARGET')
      throw new Conflict(`${name} is set by the platform and can't be set.`, [...here, 'name']);
    if (names.has(name)) throw new InvalidInput([...here, 'name'], `is given twice: ${name}.`);
    names.add(name);
    checkVariableValue(value, [...here, 'value']);
  }
  return items;
}

/** Writes checked variables; answers with the names whose value changed. */
export async function saveUserVariables(
  control: Control,
  { tx }: Change,
  home: VariableHome,
  items: readonly VariableInput[],
  updatedBy: string,
  path: readonly string[],
): Promise<string[]> {
  const present = await rowsOf({ tx }, home.serviceId);
  for (const [index, { name }] of items.entries())
    if (present.some((row) => row.name === name && row.source === 'AUTOMATIC'))
      throw new Conflict(`${name} is set by the platform and can't be set.`, [
        ...path,
        'variables',
        `${index}`,
        'name',
      ]);
  await checkTotals(control, { tx } as Change, present, items, path);
  const rows = items.map((item) => ({ ...item, source: 'USER' as const, secretId: newId() }));
  return saveVariables(tx, control.vault, home, rows, updatedBy);
}

async function checkTotals(
  control: Control,
  { tx }: Pick<Change, 'tx'>,
  present: readonly { readonly name: string; readonly secretId: string }[],
  items: readonly VariableInput[],
  path: readonly string[],
): Promise<void> {
  const changed = new Set(items.map((item) => item.name));
  const staying = present.filter((row) => !changed.has(row.name));
  const count = staying.length + items.length;
  const where = [...path, 'variables'];
  if (count > maximumVariables)
    throw new LimitReached(
      `A service may have ${maximumVariables} variables.`,
      where,
      maximumVariables,
      count,
    );
  const values = await openSecrets(
    tx,
    control.vault,
    staying.map((row) => row.secretId),
  );
  const size = (name: string, value: string) => utf8Length(name) + utf8Length(value) + 2;
  const bytes =
    staying.reduce((sum, row) => sum + size(row.name, values.get(row.secretId) ?? ''), 0) +
    items.reduce((sum, item) => sum + size(item.name, item.value), 0);
  if (bytes > maximumEnvironmentBytes)
    throw new LimitReached(
      'The variables of a service may have 1 MiB in all.',
      where,
      maximumEnvironmentBytes,
      bytes,
    );
}

async function rowsOf({ tx }: Pick<Change, 'tx'>, serviceId: string): Promise<readonly VariableRow[]> {
  return (await listVariables(tx, [serviceId])).get(serviceId) ?? [];
}

async function tell(
  change: Change,
  caller: Caller,
  service: { readonly id: string; readonly environmentId: string; readonly label: string },
  data: { readonly set: readonly string[]; readonly unset: readonly string[] },
  before: readonly VariableRow[],
  action: string,
): Promise<void> {
  const changed = [...data.set, ...data.unset];
  const names = changed.join(', ') || 'nothing';
  const digests = (rows: readonly VariableRow[]) =>
    rows.flatMap(({ name, digest }) => (changed.includes(name) ? [`${name}=${digest}`] : [])).join(' ');
  const { environmentId, id: serviceId } = service;
  change.emit({
    environmentId,
    serviceId,
    type: 'VARIABLES_CHANGED',
    data,
    message: `${caller.tokenName} changed variables of ${service.label}: ${names}. They take effect with the next redeploy.`,
  });
  const subject = { environmentId, subjectType: 'Service', subjectId: serviceId };
  const after = digests(await rowsOf(change, serviceId));
  change.audit({ caller, action, ...subject, before: digests(before), after });
}
