// What users say of a check, field by field: each by its rule, absent ones as they were.
import type { CheckType } from '../checks/check-type.ts';
import { checkTypes } from '../checks/index.ts';
import { platformCheckTypes } from '../checks/platform/index.ts';
import { checkSettings } from '../checks/settings.ts';
import { InvalidInput, NotFound } from '../errors.ts';
import type { Threshold } from '../model/monitoring/observations.ts';
import { checkLimits } from '../model/monitoring/results.ts';
import { checkName, checkRange } from '../model/rules.ts';
import type { Change } from '../postgres/change.ts';
import { type CheckRow, listChecksById } from '../postgres/checks.ts';

/** A type of check, whoever makes its checks. */
export type CheckTypeEntry = Omit<CheckType, 'look'>;

export const knownTypes: ReadonlyMap<string, CheckTypeEntry> = new Map<string, CheckTypeEntry>([
  ...checkTypes,
  ...platformCheckTypes,
]);

/** Those that users make checks of; the settings of each have a field of their own in the input. */
const makeable = ['HTTP', 'TCP', 'CERTIFICATE', 'COMMAND'] as const;
export const makeableFields = new Intl.ListFormat('en-GB').format(makeable.map((type) => type.toLowerCase()));

/** Absent fields keep their present or standard value. */
export interface CheckInput {
  readonly name?: string | null | undefined;
  readonly port?: number | null | undefined;
  /** By the type that they are of, which understands them. */
  readonly settings?: Readonly<Record<string, Readonly<Record<string, unknown>>>> | undefined;
  readonly thresholds?: readonly Threshold[] | null | undefined;
  readonly intervalSeconds?: number | null | undefined;
  readonly timeoutSeconds?: number | null | undefined;
  readonly attempts?: number | null | undefined;
  /** Of the same environment: while one of them has an open incident, this check raises none. */
  readonly dependsOn?: readonly string[] | null | undefined;
  readonly paused?: boolean | null | undefined;
}

export type Chosen = Pick<
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

export async function chosenFrom(
  change: Change,
  input: CheckInput & { readonly id: string; readonly environmentId: string },
  before: Chosen,
  type: CheckTypeEntry | undefined,
): Promise<Chosen> {
  const at = (field: string) => ['input', field];
  const { timeoutSeconds: timeout, attempts } = checkLimits;
  const byPlatform = type !== undefined && platformCheckTypes.has(type.type);
  const interval = byPlatform ? checkLimits.platformIntervalSeconds : checkLimits.intervalSeconds;
  const settings = type && input.settings?.[type.type];
  const chosen = {
    name: input.name == null ? before.name : checkName(input.name, at('name')),
    port: input.port === undefined ? before.port : portOf(input.port),
    settings:
      type === undefined || settings === undefined
        ? before.settings
        : checkSettings(type, { ...before.settings, ...settings }, at(type.type.toLowerCase())),
    thresholds: input.thresholds == null ? before.thresholds : checkThresholds(input.thresholds),
    intervalSeconds: within(input.intervalSeconds ?? before.intervalSeconds, interval, 'intervalSeconds'),
    timeoutSeconds: within(input.timeoutSeconds ?? before.timeoutSeconds, timeout, 'timeoutSeconds'),
    attempts: within(input.attempts ?? before.attempts, attempts, 'attempts'),
    dependsOn: input.dependsOn == null ? before.dependsOn : await siblings(change, input, input.dependsOn),
    paused: input.paused ?? before.paused,
  };
  return chosen;
}

/** The type whose settings are given, each checked by itself first; undefined when none are. */
export function typeOf({ settings = {} }: CheckInput): CheckTypeEntry | undefined {
  const given = makeable.flatMap((name) => {
    const [type, each] = [knownTypes.get(name), settings[name]];
    if (type === undefined || each === undefined) return [];
    checkSettings(type, each, ['input', name.toLowerCase()]);
    return [type];
  });
  if (given.length > 1) throw new InvalidInput(['input'], `must have at most one of ${makeableFields}.`);
  return given[0];
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
