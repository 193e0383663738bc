// What the tests of the runtime contract stand on: an open runtime, an installation of their own with a small image, and
// specs with names that nobody else has. `foreign` is a second installation, which the first must leave alone.
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type ContainerSpec,
  type ContainerView,
  type LogLine,
  labels,
  type Runtime,
} from '../../src/runtime/runtime.ts';

export interface World {
  readonly runtime: Runtime;
  readonly installation: string;
  readonly foreign: string;
  readonly imageId: string;
  /** A network of this installation that stands ready. */
  readonly network: string;
}

export function uniqueName(kind: string): string {
  return `berth-test-${kind}-${randomBytes(5).toString('hex')}`;
}

export function labelsOf(installation: string, job: string): Record<string, string> {
  return { [labels.installation]: installation, [labels.job]: job };
}

/** A container that runs this shell script. */
export function specOf(world: World, script: string, changes: Partial<ContainerSpec> = {}): ContainerSpec {
  const name = uniqueName('job');
  return {
    name,
    labels: labelsOf(world.installation, name),
    imageId: world.imageId,
    command: ['sh', '-c', script],
    environment: {},
    network: world.network,
    aliases: [name],
    memoryBytes: 64 * 1024 * 1024,
    cpuMillis: 1000,
    processLimit: 64,
    capabilities: [],
    readOnlyRoot: true,
    tmpfs: { '/tmp': 8 * 1024 * 1024 },
    ...changes,
  };
}

/** Runs a script to its end. */
export async function runToEnd(
  world: World,
  script: string,
  changes: Partial<ContainerSpec> = {},
): Promise<ContainerView> {
  const spec = specOf(world, script, changes);
  await world.runtime.startContainer(spec);
  await world.runtime.waitContainer(spec.name, AbortSignal.timeout(20_000));
  return getContainer(world, spec.name);
}

export async function getContainer(world: World, name: string): Promise<ContainerView> {
  const view = await world.runtime.inspectContainer(name, world.installation);
  if (!view) throw new Error(`There is no container ${name}.`);
  return view;
}

export async function readAll(
  world: World,
  name: string,
  options: { sinceNanos?: string; tail?: number; follow?: boolean } = {},
): Promise<LogLine[]> {
  const signal = AbortSignal.timeout(25_000);
  return Array.fromAsync(world.runtime.readLogs(name, { follow: false, ...options, signal }));
}

export async function outputOf(world: World, name: string): Promise<string> {
  return (await readAll(world, name)).map((line) => line.text).join('\n');
}

/** Looks until the fact is there; fails with what was seen last. */
export async function until<Seen>(
  what: string,
  look: () => Promise<Seen>,
  isSo: (seen: Seen) => boolean,
  boundMs = 15_000,
): Promise<Seen> {
  for (const end = performance.now() + boundMs; ; ) {
    const seen = await look();
    if (isSo(seen)) return seen;
    if (performance.now() > end)
      throw new Error(`Not within ${boundMs} ms: ${what}. Last seen: ${JSON.stringify(seen)}`);
    await sleep(25);
  }
}
