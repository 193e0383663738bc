// The spec of a service: everything a redeploy starts jobs from. A redeploy and its jobs keep the copy they were made
// with, so what runs and what is wanted can always be compared, variables by name and digest, never by value.

import type { HealthCheck } from './health-check.ts';
import type { ProxySpec, SiteSpec } from './sites.ts';

export interface Size {
  readonly memoryMiB: number;
  /** Thousandths of a CPU. */
  readonly cpuMillis: number;
  /** Room for data; null where nothing is stored. */
  readonly storageGiB: number | null;
}

export type VariableSource = 'AUTOMATIC' | 'USER';

/** A variable without its value: the value stands encrypted under `secretId`. */
export interface VariableRef {
  readonly secretId: string;
  readonly digest: string;
  readonly source: VariableSource;
}

export type SpecImage =
  | {
      readonly kind: 'RELEASE';
      readonly releaseId: string;
      readonly imageId: string;
      readonly commit: string;
    }
  | {
      readonly kind: 'CATALOGUE';
      readonly runtime: string;
      readonly version: string;
      readonly reference: string;
    };

export const strategies = ['RECREATE', 'OVERLAP'] as const;
export type RedeployStrategy = (typeof strategies)[number];

export interface Spec {
  readonly image: SpecImage;
  readonly size: Size;
  readonly scale: number;
  readonly strategy: RedeployStrategy;
  readonly variables: Readonly<Record<string, VariableRef>>;
  /** Target → command, from the release's Procfile; empty when the image's own command is `web`. */
  readonly commands: Readonly<Record<string, string>>;
  /** Whether the jobs mount the service's volume. */
  readonly volume: boolean;
  /** Private DNS name of the service. */
  readonly dnsName: string;
  /** Start the last good spec again when a redeploy fails. */
  readonly rollBack: boolean;
  /** Null: the standard check of its type. */
  readonly healthCheck: HealthCheck | null;
  /** OVERLAP: how long the replaced jobs go on running. */
  readonly overlapSeconds: number;
  /** What a service proxy routes; null for every other type. */
  readonly proxy: ProxySpec | null;
}

/** What the strategy follows from. */
export interface StrategyFacts {
  readonly type: string;
  readonly scale: number;
  readonly overlapSeconds: number | null;
  /** What was asked for; null: OVERLAP wherever it is allowed. */
  readonly strategy: RedeployStrategy | null;
}

/** OVERLAP where an operator has allowed it and two jobs stand beside each other anyway; a proxy always starts first. */
export function strategyOf({ type, scale, overlapSeconds, strategy }: StrategyFacts): RedeployStrategy {
  if (type === 'SERVICE_PROXY') return 'OVERLAP';
  const allowed = type === 'CODE' && scale >= 2 && overlapSeconds !== null;
  return allowed && strategy !== 'RECREATE' ? 'OVERLAP' : 'RECREATE';
}

/** One difference between what runs and what the next redeploy would start. */
export interface SpecChange {
  /** Dotted name of the field, for example `size.memoryMiB` or `variables.LOG_LEVEL`. */
  readonly field: string;
  readonly kind: 'ADDED' | 'CHANGED' | 'REMOVED';
  readonly before: string | null;
  readonly after: string | null;
}

export function compareSpecs(running: Spec | undefined, wanted: Spec): SpecChange[] {
  const before = running === undefined ? new Map<string, string>() : flatten(running);
  const after = flatten(wanted);
  const fields = [...new Set([...before.keys(), ...after.keys()])].sort();
  return fields.flatMap((field): SpecChange[] => {
    const was = before.get(field) ?? null;
    const is = after.get(field) ?? null;
    if (was === is) return [];
    return [
      { field, kind: was === null ? 'ADDED' : is === null ? 'REMOVED' : 'CHANGED', before: was, after: is },
    ];
  });
}

function flatten(spec: Spec): Map<string, string> {
  const fields = new Map<string, string>();
  fields.set('image', spec.image.kind === 'RELEASE' ? `release ${spec.image.commit}` : spec.image.reference);
  fields.set('size.memoryMiB', String(spec.size.memoryMiB));
  fields.set('size.cpuMillis', String(spec.size.cpuMillis));
  if (spec.size.storageGiB !== null) fields.set('size.storageGiB', String(spec.size.storageGiB));
  fields.set('scale', String(spec.scale));
  fields.set('strategy', spec.strategy);
  fields.set('rollBack', String(spec.rollBack));
  if (spec.strategy === 'OVERLAP') fields.set('overlapSeconds', String(spec.overlapSeconds));
  if (spec.healthCheck !== null)
    for (const [name, value] of Object.entries(spec.healthCheck))
      if (value !== null) fields.set(`healthCheck.${name}`, shown(value));
  for (const site of spec.proxy?.sites ?? []) fields.set(`sites.${site.host}`, siteText(site));
  for (const id of spec.proxy?.certificates ?? []) fields.set(`certificates.${id}`, 'served');
  for (const [target, command] of Object.entries(spec.commands)) fields.set(`commands.${target}`, command);
  for (const [name, ref] of Object.entries(spec.variables))
    fields.set(`variables.${name}`, `digest ${ref.digest}`);
  return fields;
}

function shown(value: HealthCheck[keyof HealthCheck]): string {
  return typeof value === 'object' && value !== null ? `${value.from}-${value.to}` : String(value);
}

function siteText({ serviceId, certificateId, limits, corsOrigins }: SiteSpec): string {
  const numbers = Object.entries(limits)
    .sort()
    .map(([name, value]) => `${name} ${value}`);
  const cors = corsOrigins.length === 0 ? [] : [`CORS ${corsOrigins.join(' ')}`];
  return [`service ${serviceId}`, `certificate ${certificateId ?? 'none'}`, ...numbers, ...cors].join(', ');
}

/** What identifies a decision to redeploy: hashed into the plan's hash. Sorted, so equal plans give equal text. */
export function planText(
  running: Spec | undefined,
  wanted: Spec,
  around: {
    readonly openRedeployId: string | null;
    readonly stopped: boolean;
    readonly workers: Readonly<Record<string, number>>;
  },
): string {
  return JSON.stringify([
    around.openRedeployId,
    around.stopped,
    Object.entries(around.workers).sort(),
    wanted.image.kind === 'RELEASE' ? wanted.image.imageId : null,
    running === undefined ? null : [...flatten(running)].sort(),
    [...flatten(wanted)].sort(),
  ]);
}
