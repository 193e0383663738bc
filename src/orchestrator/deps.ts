// What the loops need, and the frame in which they write: under a lease that still holds, and with a named point before
// the effect, after it and after its record, where tests let the process die.
import type { Log } from '../log.ts';
import { type Change, type Changer, change } from '../postgres/change.ts';
import type { Installation } from '../postgres/organizations.ts';
import { type Claim, holdLease, LeaseLost, leaseSeconds, type Replica } from '../postgres/replicas.ts';
import type { Vault } from '../postgres/vault.ts';
import type { ImageProgress, Runtime } from '../runtime/runtime.ts';

export interface OrchestratorSettings {
  /** How long a started job may take to become healthy, in seconds. */
  readonly healthySeconds: number;
  /** How long a worker must run before it counts as healthy, in seconds. */
  readonly settleSeconds: number;
  readonly deadlineSeconds: number;
  readonly keptReleases: number;
  /** How often the engine's containers are compared with the database, in seconds. */
  readonly compareSeconds: number;
  readonly buildSeconds: number;
  readonly buildMemoryMiB: number;
}

/** Where an image comes from; kept by the images room, given by main. */
export interface ImageSource {
  obtain(
    reference: string,
    onProgress: (progress: ImageProgress) => void,
    signal: AbortSignal,
  ): Promise<{ readonly imageId: string; readonly origin: 'PRESENT' | 'PULLED' | 'RECIPE' }>;
}

export const stepNames = [
  'BEGIN',
  'PREPARE',
  'OBTAIN_IMAGE',
  'STOP_JOB',
  'ENTER_START_NEW',
  'START_JOB',
  'ENTER_VERIFY',
  'VERIFY_JOB',
  'FAIL',
  'ENTER_RESTORE',
  'END',
  'REPLACE',
  'MARK_UNHEALTHY',
  'MARK_FAILING',
  'CLEAN_JOB',
  'OBSERVE',
  'CLEAR_AWAY',
] as const;
export type StepName = (typeof stepNames)[number];

/** `BEFORE` the effect, after it with nothing `WRITTEN`, and once it is. */
export type Point = `${StepName}:${'BEFORE' | 'EFFECT' | 'WRITTEN'}`;

export interface Deps extends Changer {
  readonly vault: Vault;
  readonly runtime: Runtime;
  readonly images: ImageSource;
  readonly installation: Installation;
  readonly replica: Replica;
  readonly settings: OrchestratorSettings;
  readonly logger: Log;
  /** Called at every point; does nothing outside of tests. */
  readonly at: (point: Point) => void;
  /** Clears what the platform keeps of a service outside of database and engine. */
  readonly forgetService: (serviceId: string) => Promise<void>;
}

/** The work on one service under one claim. */
export interface Hold {
  readonly deps: Deps;
  readonly claim: Claim;
  /** Fires when the lease is lost or the process closes. */
  readonly signal: AbortSignal;
  /** Prolonged with the lease. */
  readonly lease: Lease;
}

export interface Lease {
  /** Until when, by the clock of `performance`, nobody else can have taken the service over. */
  until: number;
}

/** What a call to the engine may take from its decision to its arrival there. */
const marginMs = 3_000;

/** `askedAt`: by the same clock, when the lease was asked for. */
export function leaseFrom(askedAt: number): Lease {
  return { until: askedAt + leaseSeconds * 1000 - marginMs };
}

/** To be called right before anything is done to the engine: a process that was held up may have lost its lease unawares. */
export function assertHeld({ claim, lease, signal }: Hold): void {
  signal.throwIfAborted();
  if (performance.now() >= lease.until)
    throw new LeaseLost(`the lease on service ${claim.serviceId} was not renewed in time`);
}

/** One step: its effect on the world, then its record; both only while the lease holds. */
export async function perform<T>(
  hold: Hold,
  name: StepName,
  effect: () => Promise<T>,
  record: (change: Change, seen: T) => Promise<void>,
): Promise<void> {
  const { deps } = hold;
  hold.signal.throwIfAborted();
  deps.at(`${name}:BEFORE`);
  assertHeld(hold);
  const seen = await effect();
  deps.at(`${name}:EFFECT`);
  await write(hold, (current) => record(current, seen));
  deps.at(`${name}:WRITTEN`);
}

export async function write<T>(
  { deps, claim, signal }: Hold,
  work: (change: Change) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  const { value } = await change(deps, async (current) => {
    await holdLease(current.tx, deps.replica, claim);
    return work(current);
  });
  return value;
}

export async function nothing(): Promise<void> {}
