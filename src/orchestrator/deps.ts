// What the loops need, and the frame in which they write: under a lease that still holds, and with a named point before
// the effect, after it and after its record, where tests let the process die.

import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';
import type { LoggedEvent, Position } from '../model/events.ts';
import type { ProxyRotation } from '../model/rotation.ts';
import { type Change, type Changer, change } from '../postgres/change.ts';
import { waitForEnvironment } from '../postgres/environments.ts';
import type { JobRow } from '../postgres/jobs.ts';
import { together } from '../postgres/open.ts';
import type { Installation } from '../postgres/organizations.ts';
import type { RedeployRow } from '../postgres/redeploys.ts';
import { type Claim, holdLease, LeaseLost, leaseSeconds, type Replica } from '../postgres/replicas.ts';
import type { Vault } from '../postgres/vault.ts';
import type { ImageProgress, Runtime } from '../runtime/runtime.ts';
import type { ControlKeys } from './control-keys.ts';
import type { Outside } from './outside.ts';
import type { Point, StepName } from './points.ts';

export interface EdgeSettings {
  readonly host: string;
  readonly httpPort: number;
  readonly httpsPort: number;
  /** On the loopback address alone. */
  readonly controlPort: number;
}

export interface OrchestratorSettings {
  /** How long a started job may take to become healthy, in seconds. */
  readonly healthySeconds: number;
  /** How long a worker must run before it counts as healthy, in seconds. */
  readonly settleSeconds: number;
  readonly deadlineSeconds: number;
  readonly keptReleases: number;
  /** How often the engine's containers, and what proxies show, are compared with the database, in seconds. */
  readonly compareSeconds: number;
  /** Where certificates are obtained by ACME; undefined: nowhere. */
  readonly acmeDirectory?: string | undefined;
  readonly acmeContact?: string | undefined;
  /** Roots for the directory's own TLS beside the usual ones, as PEM. */
  readonly acmeTrust?: string | undefined;
  /** The machine's own ports that lead to sites; undefined: no edge. */
  readonly edge: EdgeSettings | undefined;
  /** How long a monitor may be silent before that is told as CRITICAL; 30 s when undefined. */
  readonly monitorSilenceSeconds?: number | undefined;
  /** Networks that webhooks may reach though they are private, and by plain HTTP. */
  readonly webhookNetworks?: readonly string[] | undefined;
  /** By which webhooks to mail addresses are sent; undefined: none. */
  readonly mail?: { readonly url: string; readonly from: string } | undefined;
  /** Waited after each failed try of a delivery; the rule's own when undefined. */
  readonly webhookRetrySeconds?: readonly number[] | undefined;
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

export interface Deps extends Changer, Outside {
  readonly vault: Vault;
  readonly runtime: Runtime;
  readonly images: ImageSource;
  readonly installation: Installation;
  readonly replica: Replica;
  readonly settings: OrchestratorSettings;
  readonly logger: Log;
  /** Called at every point; does nothing outside of tests. */
  readonly at: (point: Point) => void;
  /** By which proxies and control plane know each other. */
  readonly controlKeys: ControlKeys;
  /** The body of a webhook's message: an event as clients see it, or that it is no longer kept. Given by main. */
  readonly webhookBody: (event: LoggedEvent | undefined, place: Position) => string;
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
  /** Writes the next step along with one that was just written, where that is nothing but a record; see go-on.ts. */
  readonly goOn?: (change: Recording, outcome: Outcome) => Promise<Outcome>;
}

/** What a step writes with. */
export interface Recording extends Change {
  /** When it is written, by this process's clock. */
  readonly now: Date;
  /** Says that another step, whose effect is none or had already, is written in the same transaction. */
  along(name: StepName): void;
}

export interface Lease {
  /** Until when, by the clock of the loops, nobody else can have taken the service over. */
  until: number;
}

/** What a call to the engine may take from its decision to its arrival there. */
const marginMs = 3_000;

/** `askedAt`: by the same clock, when the lease was asked for. */
export function leaseFrom(askedAt: number): Lease {
  return { until: askedAt + leaseSeconds * 1000 - marginMs };
}

/** To be called right before anything is done to the engine: a process that was held up may have lost its lease unawares. */
export function assertHeld({ deps, claim, lease, signal }: Hold): void {
  signal.throwIfAborted();
  assertNotOver(deps.clock, lease, `the lease on service ${claim.serviceId}`);
}

/** Whether what is left to tidy up is this holder's still, also while it is closing. */
export function holds({ deps, lease }: Hold): boolean {
  return deps.clock.now() < lease.until;
}

export function assertNotOver(clock: Clock, { until }: Lease, what: string): void {
  if (clock.now() >= until) throw new LeaseLost(`${what} was not renewed in time`);
}

/** That a job is healthy, and how that was seen. */
export interface Answer {
  readonly attempts: number;
  readonly output: string;
  /** What a proxy was told. */
  readonly told?: ProxyRotation | undefined;
}

/** The rows as a step has written them. */
export interface Written {
  readonly redeploy?: RedeployRow;
  readonly jobs?: readonly JobRow[];
  /** What jobs were already seen to be healthy by, and is not written yet; by job. */
  readonly answers?: Readonly<Record<string, Answer>>;
}

/** What a step leaves to decide from next; undefined: what is known no longer holds and must be read again. */
export type Outcome = Written | undefined;

/** One step: its effect on the world, then its record; both only while the lease holds. */
export async function perform<T>(
  hold: Hold,
  name: StepName,
  effect: () => Promise<T>,
  record: (change: Recording, seen: T) => Promise<Outcome>,
): Promise<Outcome> {
  const { deps } = hold;
  hold.signal.throwIfAborted();
  deps.at(`${name}:BEFORE`);
  assertHeld(hold);
  const seen = await effect();
  deps.at(`${name}:EFFECT`);
  let steps: StepName[] = [];
  const along = (another: StepName) => {
    deps.at(`${another}:BEFORE`);
    deps.at(`${another}:EFFECT`);
    steps.push(another);
  };
  const outcome = await write(hold, async (current) => {
    steps = [name];
    const recording: Recording = { ...current, along, now: deps.clock.date() };
    const written = await record(recording, seen);
    return hold.goOn ? hold.goOn(recording, written) : written;
  });
  for (const step of steps) deps.at(`${step}:WRITTEN`);
  return outcome;
}

export async function write<T>(
  { deps, claim, signal }: Hold,
  work: (change: Change) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  const { value } = await change(deps, async (current) => {
    // The environment first, as for every mutation: steps of two of its services each ask for the other's row.
    const [, , done] = await together([
      waitForEnvironment(current.tx, claim.environmentId),
      holdLease(current.tx, deps.replica, claim),
      work(current),
    ]);
    return done;
  });
  return value;
}

export async function nothing(): Promise<void> {}
