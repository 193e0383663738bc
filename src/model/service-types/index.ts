// The registry of service types and of the engines that databases and caches run. A new engine is one file and one line.
import { InvalidInput } from '../../errors.ts';
import { memcached } from './cache/memcached.ts';
import { redis, valkey } from './cache/redis.ts';
import { mongodb } from './database/mongodb.ts';
import { mariadb, mysql } from './database/mysql.ts';
import { postgresql } from './database/postgresql.ts';
import type { EngineKind } from './engine-kind.ts';

export const serviceTypes = ['CODE', 'DATABASE', 'CACHE', 'SERVICE_PROXY', 'MONITORING'] as const;
export type ServiceType = (typeof serviceTypes)[number];

/** Made with every environment (the monitor with all but sandboxes); not to be created or removed by anybody else. */
export const includedTypes: readonly ServiceType[] = ['SERVICE_PROXY', 'MONITORING'];

/** Run by the platform for itself: customers neither redeploy nor stop nor change them. */
export const operatedTypes: readonly ServiceType[] = ['MONITORING'];

export const engineKinds: readonly EngineKind[] = [
  postgresql,
  mariadb,
  mysql,
  mongodb,
  redis,
  valkey,
  memcached,
];

const byRuntime = new Map(engineKinds.map((kind) => [kind.runtime, kind]));

export function getEngineKind(runtime: string): EngineKind {
  const kind = byRuntime.get(runtime);
  if (kind === undefined) throw new Error(`no engine kind ${runtime}`);
  return kind;
}

export function findEngineKind(runtime: string | null): EngineKind | undefined {
  return runtime === null ? undefined : byRuntime.get(runtime);
}

/** The kind and version a caller asked for. InvalidInput names what could be had. */
export function chooseEngine(
  type: 'DATABASE' | 'CACHE',
  runtime: string | null | undefined,
  version: string | null | undefined,
  path: readonly string[] = ['input'],
): { kind: EngineKind; version: string; image: string } {
  const offered = engineKinds.filter((kind) => kind.type === type);
  const kind = offered.find((each) => each.runtime === runtime);
  if (kind === undefined)
    throw new InvalidInput(
      [...path, 'runtime'],
      `must be one of ${list(offered.map((each) => each.runtime))}.`,
    );
  const [standard] = kind.versions;
  const chosen = version ? kind.versions.find((each) => each.version === version) : standard;
  if (chosen === undefined)
    throw new InvalidInput(
      [...path, 'version'],
      `must be one of ${list(kind.versions.map((v) => v.version))}.`,
    );
  return { kind, version: chosen.version, image: chosen.image };
}

function list(words: readonly string[]): string {
  return words.join(', ');
}
