// What every action of a caller needs, and the frame all mutations share: one transaction with the idempotency key, the
// change, its events and its audit row; afterwards the answer with the place in the log where the effect stands.
import { Conflict } from '../errors.ts';
import type { Caller } from '../model/callers.ts';
import type { Position } from '../model/events.ts';
import type { OutputLine } from '../model/output.ts';
import { checkIdempotencyKey } from '../model/rules.ts';
import type { ServiceType } from '../model/service-types/index.ts';
import { type Change, type Changer, change } from '../postgres/change.ts';
import type { EventLog } from '../postgres/event-log.ts';
import { type KeyUse, keepResult, takeKey } from '../postgres/idempotency.ts';
import type { JobRow } from '../postgres/jobs.ts';
import type { Installation } from '../postgres/organizations.ts';
import type { ResultLog } from '../postgres/result-log.ts';
import type { Vault } from '../postgres/vault.ts';

export interface Control extends Changer {
  readonly vault: Vault;
  readonly log: EventLog;
  readonly results: ResultLog;
  readonly installation: Installation;
  readonly settings: ControlSettings;
  readonly output: OutputSource;
  readonly engine: EngineFacts;
}

/** Output of a job whose container is on the engine, values of its variables taken out. Given by main. */
export type OutputSource = (
  job: JobRow,
  options: { readonly since: bigint | undefined; readonly tail?: number; readonly follow: boolean },
  signal: AbortSignal,
) => AsyncIterable<OutputLine>;

/** What the engine says of itself; rejects when it doesn't answer. */
export type EngineFacts = () => Promise<{ readonly version: string; readonly operatingSystem: string }>;

export interface ControlSettings {
  /** A redeploy's deadline when none is asked for, in seconds. */
  readonly deadlineSeconds: number;
  /** How long a deleted database's volume is kept, in seconds. */
  readonly volumeRetentionSeconds: number;
  /** Base address of this server as clients reach it, for git addresses. */
  readonly publicUrl: string;
  /** Environments' own public host names are `<namespace>.<domain>`. */
  readonly domain: string;
  /** The machine's own ports that lead to sites; undefined: none. */
  readonly edge?: { readonly httpPort: number } | undefined;
  /** Where certificates are obtained by ACME; undefined: nowhere. */
  readonly acmeDirectory?: string | undefined;
  /** Networks that webhooks may reach though they are private, and by plain HTTP. */
  readonly webhookNetworks?: readonly string[] | undefined;
  /** By which webhooks to mail addresses are sent; undefined: none. */
  readonly mail?: { readonly url: string; readonly from: string } | undefined;
  /** Services that every environment is made with. */
  readonly included: readonly ServiceType[];
}

/** Ids of what a mutation made or changed, and where its effect stands in the log. */
export interface Mutated<T extends Record<string, string>> {
  readonly ids: T;
  readonly position: Position;
}

export interface Request {
  /** The mutation's name: part of an idempotency key's meaning. */
  readonly name: string;
  readonly input: { readonly idempotencyKey?: string | null | undefined };
}

export async function mutate<T extends Record<string, string>>(
  control: Control,
  caller: Caller,
  request: Request,
  work: (change: Change) => Promise<{ readonly ids: T; readonly environmentId: string }>,
): Promise<Mutated<T>> {
  const use = keyUse(control, caller, request);
  const { value } = await change(control, async (current) => {
    const earlier = use && (await earlierResult(current, use));
    if (earlier !== undefined) return earlier as { result: Record<string, string> };
    const { ids, environmentId } = await work(current);
    const result: Record<string, string> = { ...ids };
    current.afterEvents(async (positions) => {
      const position = positions.get(environmentId);
      if (position === undefined) throw new Error(`${request.name} wrote no event`);
      Object.assign(result, {
        '@environment': environmentId,
        '@epoch': position.epoch,
        '@seq': `${position.seq}`,
      });
      if (use !== undefined) await keepResult(current.tx, use, result);
    });
    return { result };
  });
  return unpack<T>(value.result);
}

function unpack<T extends Record<string, string>>(result: Record<string, string>): Mutated<T> {
  const { '@environment': environmentId = '', '@epoch': epoch = '', '@seq': seq = '0', ...ids } = result;
  return { ids: ids as T, position: { environmentId, epoch, seq: Number(seq) } };
}

export function keyUse(control: Control, caller: Caller, request: Request): KeyUse | undefined {
  const key = checkIdempotencyKey(request.input.idempotencyKey, ['input', 'idempotencyKey']);
  if (key === undefined) return undefined;
  return {
    organizationId: caller.organizationId,
    tokenId: caller.tokenId,
    mutation: request.name,
    key,
    // Keyed: an input may hold values of variables.
    bodyDigest: control.vault.digest('idempotency', JSON.stringify(sorted(request.input))),
  };
}

export async function earlierResult(
  current: Change,
  use: KeyUse,
): Promise<{ result: Record<string, string> } | undefined> {
  const answer = await takeKey(current.tx, use);
  if (answer.kind === 'FIRST') return undefined;
  if (answer.kind === 'SAME') return { result: answer.result };
  throw new Conflict('This key was used with another input before. Use a new key for a new request.', [
    'input',
    'idempotencyKey',
  ]);
}

/** The same value with object keys in order, so that equal inputs have equal text. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== 'object' || value instanceof Date) return value;
  const entries = Object.entries(value).filter(([, each]) => each !== undefined);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([k, v]) => [k, sorted(v)]));
}
