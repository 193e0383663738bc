// The runtime contract on Docker Engine, put together from one file per noun. Holds no state of its own but the connection
// and who is ensuring which network: what the engine shows is the truth.
import type Docker from 'dockerode';
import { buildImage } from './docker-build.ts';
import { type Deadlines, type Engine, openEngine, usualDeadlines } from './docker-call.ts';
import {
  inspectContainer,
  listContainers,
  removeContainer,
  stopContainer,
  waitContainer,
} from './docker-containers.ts';
import { events } from './docker-events.ts';
import { runInside } from './docker-exec.ts';
import { putFiles } from './docker-files.ts';
import { findImage, imageTriggers, importImage, removeImage } from './docker-images.ts';
import { readLogs } from './docker-logs.ts';
import { memoryUse, volumeSizes } from './docker-measures.ts';
import { ensureNetwork, gatewayOf, listNetworks, removeNetwork } from './docker-networks.ts';
import { pullImage } from './docker-pull.ts';
import { startContainer } from './docker-start.ts';
import { parseSubnetRange } from './docker-subnets.ts';
import { ensureVolume, listVolumes, removeVolume } from './docker-volumes.ts';
import type { EngineInfo, Inventory, Runtime } from './runtime.ts';

export interface DockerOptions {
  /** The value of DOCKER_HOST; undefined is the machine's own socket. */
  readonly host: string | undefined;
  /** Like `10.210.0.0/16`: where networks get their subnets. */
  readonly subnetRange: string;
  /** Other than the usual deadlines, in milliseconds. */
  readonly deadlines?: Partial<Deadlines>;
}

/** Throws a sentence when an option can't be understood; the engine itself is first asked by the first call. */
export function openDocker(options: DockerOptions): Runtime {
  const range = parseSubnetRange(options.subnetRange);
  const engine = openEngine(options.host, { ...usualDeadlines, ...options.deadlines });
  return {
    info: () => readInfo(engine),
    ensureNetwork: oneAtATime((spec) => ensureNetwork(engine, spec, range)),
    removeNetwork: (name, installation) => removeNetwork(engine, name, installation),
    ensureVolume: (spec) => ensureVolume(engine, spec),
    removeVolume: (name, installation) => removeVolume(engine, name, installation),
    startContainer: (spec, beforeStart) => startContainer(engine, spec, beforeStart),
    putFiles: (name, installation, files, owner) => putFiles(engine, name, installation, files, owner),
    gatewayOf: (network) => gatewayOf(engine, network),
    inspectContainer: (name, installation) => inspectContainer(engine, name, installation),
    stopContainer: (name, installation, grace, id) => stopContainer(engine, name, installation, grace, id),
    removeContainer: (...args) => removeContainer(engine, ...args),
    waitContainer: (name, signal) => waitContainer(engine, name, signal),
    inventory: (installation) => takeInventory(engine, installation),
    memoryUse: (id) => memoryUse(engine, id),
    volumeSizes: (installation) => volumeSizes(engine, installation),
    runInside: (id, command, timeoutMs) => runInside(engine, id, command, timeoutMs),
    readLogs: (name, logOptions) => readLogs(engine, name, logOptions),
    events: (installation, signal) => events(engine, installation, signal),
    findImage: (reference) => findImage(engine, reference),
    imageTriggers: (imageId) => imageTriggers(engine, imageId),
    pullImage: (reference, onProgress, signal) => pullImage(engine, reference, onProgress, signal),
    importImage: (tag, tar, changes) => importImage(engine, tag, tar, changes),
    buildImage: (context, build, onLine, signal) => buildImage(engine, context, build, onLine, signal),
    removeImage: (reference) => removeImage(engine, reference),
    close: () => engine.close(),
  };
}

async function readInfo(engine: Engine): Promise<EngineInfo> {
  const question = {
    operation: 'ask for the version',
    method: 'GET',
    deadlineMs: engine.deadlines.look,
  } as const;
  const [version, info] = await Promise.all([
    engine.ask<Docker.DockerVersion>({ ...question, path: '/version' }),
    engine.ask<{ OperatingSystem: string }>({ ...question, path: '/info' }),
  ]);
  return { version: version.Version, apiVersion: version.ApiVersion, operatingSystem: info.OperatingSystem };
}

async function takeInventory(engine: Engine, installation: string): Promise<Inventory> {
  const [containers, networks, volumes] = await Promise.all([
    listContainers(engine, installation),
    listNetworks(engine, installation),
    listVolumes(engine, installation),
  ]);
  return { containers, networks, volumes };
}

/** Calls for one name wait for each other, since the engine's own check for a taken name has a gap. */
function oneAtATime<Spec extends { name: string }>(work: (spec: Spec) => Promise<void>): typeof work {
  const turns = new Map<string, Promise<void>>();
  return (spec) => {
    const before = turns.get(spec.name) ?? Promise.resolve();
    const turn = before.catch(() => undefined).then(() => work(spec));
    turns.set(spec.name, turn);
    const leave = () => {
      if (turns.get(spec.name) === turn) turns.delete(spec.name);
    };
    turn.then(leave, leave);
    return turn;
  };
}
