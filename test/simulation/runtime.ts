// The contract of runtimes on the engine in memory: the one fake of the project, held to the same contract as Docker as far
// as nothing has to be looked at within a container. Every question to the engine goes through `ask`, as a request goes to a
// real one: there it takes its time, gets lost, or loses its answer.
import type { Readable } from 'node:stream';
import {
  type CommandRun,
  type ContainerSpec,
  type ContainerView,
  type EngineEvent,
  EngineFault,
  ForeignObject,
  ImageMissing,
  type Inventory,
  type LogLine,
  labels,
  type NetworkSpec,
  type Runtime,
} from '../../src/runtime/runtime.ts';
import { type Container, type Engine, installationOf, viewOf } from './engine.ts';
import { newInside } from './inside.ts';

export type Ask = <T>(operation: string, effect: () => T) => Promise<T>;

export const askPlainly: Ask = async (_operation, effect) => effect();

const connected: EngineEvent = { action: 'OTHER', containerName: '', labels: {} };

export function openRuntime(engine: Engine, ask: Ask = askPlainly): Runtime {
  const { containers, networks, volumes, images } = engine;
  const fault = (operation: string, why: string, status?: number) =>
    new EngineFault(operation, `${operation}: ${why}`, status);

  async function inspect(name: string, installation: string): Promise<Container | undefined> {
    const found = await ask(`inspect container ${name}`, () => containers.get(name));
    if (found !== undefined && installationOf(found.spec) !== installation) throw new ForeignObject(name);
    return found;
  }
  function byId(id: string): Container | undefined {
    return [...containers.values()].find((each) => each.id === id);
  }
  async function lookAtId(name: string, id: string): Promise<ContainerView | undefined> {
    return ask(`inspect container ${name}`, () => {
      const found = byId(id);
      return found && viewOf(found);
    });
  }

  async function startContainer(spec: ContainerSpec, beforeStart = () => {}): Promise<ContainerView> {
    if (spec.volume !== undefined) {
      const { name } = spec.volume;
      const volume = await ask(`inspect volume ${name}`, () => volumes.get(name));
      if (volume === undefined) throw fault(`inspect volume ${name}`, 'there is none.', 404);
      if (installationOf(volume) !== installationOf(spec)) throw new ForeignObject(name);
    }
    const container = await ask(`create container ${spec.name}`, () => engine.create(spec));
    if (container.state !== 'CREATED') return viewOf(container);
    const { files } = spec;
    if (files !== undefined)
      await ask(`put files ${spec.name}`, () => {
        for (const { path, content } of files) container.files.set(path, content);
      });
    beforeStart();
    await ask(`start container ${spec.name}`, () => engine.start(container));
    const view = await lookAtId(spec.name, container.id);
    if (view === undefined) throw fault(`start container ${spec.name}`, 'it was removed meanwhile.', 404);
    return view;
  }

  async function stopContainer(
    name: string,
    installation: string,
    graceSeconds: number,
    knownId?: string,
  ): Promise<ContainerView | undefined> {
    const id = knownId ?? (await inspect(name, installation))?.id;
    if (id === undefined) return undefined;
    const container = await ask(`stop container ${name}`, () => {
      const found = byId(id);
      if (found !== undefined) engine.stop(found, graceSeconds * 1000);
      return found;
    });
    if (container?.state === 'RUNNING') await container.ended.promise;
    return lookAtId(name, id);
  }

  const removeContainer: Runtime['removeContainer'] = async (name, installation, beforeRemoval) => {
    const found = await inspect(name, installation);
    if (found === undefined) return;
    beforeRemoval?.();
    await ask(`remove container ${name}`, () => engine.remove(found));
  };

  async function waitContainer(name: string, signal: AbortSignal): Promise<void> {
    const found = await ask(`wait for container ${name}`, () => containers.get(name));
    if (found === undefined || found.state === 'EXITED' || signal.aborted) return;
    const fired = Promise.withResolvers<void>();
    const fire = () => fired.resolve();
    signal.addEventListener('abort', fire);
    await Promise.race([found.ended.promise, fired.promise]);
    signal.removeEventListener('abort', fire);
  }

  async function ensureNetwork(spec: NetworkSpec): Promise<void> {
    const network = await ask(`create network ${spec.name}`, () => {
      if (!networks.has(spec.name)) networks.set(spec.name, spec);
      return networks.get(spec.name);
    });
    if (network === undefined || installationOf(network) !== installationOf(spec))
      throw new ForeignObject(spec.name);
  }
  async function removeNetwork(name: string, installation: string): Promise<void> {
    const network = await ask(`inspect network ${name}`, () => networks.get(name));
    if (network === undefined) return;
    if (installationOf(network) !== installation) throw new ForeignObject(name);
    await ask(`remove network ${name}`, () => {
      const used = [...containers.values()].some(
        ({ spec, state }) => spec.network === name && spec.networkMode === undefined && state === 'RUNNING',
      );
      if (used) throw fault(`remove network ${name}`, 'it has active endpoints', 403);
      networks.delete(name);
    });
  }

  async function ensureVolume(spec: NetworkSpec): Promise<void> {
    const volume = await ask(`create volume ${spec.name}`, () => {
      const there = volumes.get(spec.name) ?? { ...spec, content: new Map() };
      volumes.set(spec.name, there);
      return there;
    });
    if (installationOf(volume) !== installationOf(spec)) throw new ForeignObject(spec.name);
  }
  async function removeVolume(name: string, installation: string): Promise<void> {
    const volume = await ask(`inspect volume ${name}`, () => volumes.get(name));
    if (volume === undefined) return;
    if (installationOf(volume) !== installation) throw new ForeignObject(name);
    await ask(`remove volume ${name}`, () => {
      const used = [...containers.values()].some(({ spec }) => spec.volume?.name === name);
      if (used) throw fault(`remove volume ${name}`, 'volume is in use', 409);
      volumes.delete(name);
    });
  }

  /** As a list, it tells less of a container than an inspection. */
  async function inventory(installation: string): Promise<Inventory> {
    const ours = (each: { readonly labels: Readonly<Record<string, string>> }) =>
      installationOf(each) === installation;
    return ask('list', () => ({
      containers: [...containers.values()]
        .map(viewOf)
        .filter(ours)
        .map((view) => ({ ...view, outOfMemory: false, startedAt: undefined, finishedAt: undefined })),
      networks: [...networks.values()].filter(ours),
      volumes: [...volumes.values()].filter(ours).map(({ name, labels: own }) => ({ name, labels: own })),
    }));
  }

  const inside = newInside(engine.clock);
  async function runInside(id: string, command: readonly string[], timeoutMs: number): Promise<CommandRun> {
    const container = await ask(`inspect container ${id}`, () => byId(id));
    if (container?.state !== 'RUNNING') return inside.nothing('NOT_RUNNING');
    return inside.run(container, command, timeoutMs, (begin) => ask(`run a command in ${id}`, begin));
  }

  async function* readLogs(
    name: string,
    { sinceNanos, tail, follow, signal }: Parameters<Runtime['readLogs']>[1],
  ): AsyncGenerator<LogLine> {
    const found = await ask(`read logs ${name}`, () => containers.get(name));
    if (found === undefined) return;
    if (follow) await waitContainer(name, signal);
    const since = found.lines.filter(
      ({ timeNanos }) => sinceNanos === undefined || BigInt(timeNanos) >= BigInt(sinceNanos),
    );
    yield* tail === undefined ? since : since.slice(-tail);
  }

  async function* events(installation: string, signal: AbortSignal): AsyncGenerator<EngineEvent> {
    await ask('listen to events', () => undefined);
    const waiting: (EngineEvent | undefined)[] = [connected];
    let wake = Promise.withResolvers<void>();
    const hear = (event: EngineEvent | undefined) => {
      const theirs = event !== undefined && event.labels[labels.installation] !== installation;
      if (!theirs) waiting.push(event);
      wake.resolve();
    };
    const end = () => hear(undefined);
    engine.listeners.add(hear);
    signal.addEventListener('abort', end);
    try {
      for (;;) {
        for (const event of waiting.splice(0)) {
          if (event === undefined || signal.aborted) return;
          yield event;
        }
        if (waiting.length > 0) continue;
        wake = Promise.withResolvers<void>();
        await wake.promise;
      }
    } finally {
      engine.listeners.delete(hear);
      signal.removeEventListener('abort', end);
    }
  }

  return {
    info: () =>
      ask('info', () => ({ version: '0', apiVersion: '1.41', operatingSystem: 'an engine in memory' })),
    ...{ ensureNetwork, removeNetwork, ensureVolume, removeVolume, startContainer, stopContainer },
    ...{ removeContainer, waitContainer, inventory, readLogs, events, runInside },
    memoryUse: (id) =>
      ask(`measure container ${id}`, () => {
        const found = byId(id);
        if (found?.state !== 'RUNNING') return undefined;
        return { usedBytes: found.program.memoryBytes ?? 0, limitBytes: found.spec.memoryBytes };
      }),
    volumeSizes: (installation) =>
      ask('measure volumes', () => {
        const ours = [...volumes.values()].filter((each) => installationOf(each) === installation);
        return new Map(ours.map(({ name, content }) => [name, [...content.values()].join('').length]));
      }),
    putFiles: async (name, installation, files) => {
      const found = await inspect(name, installation);
      if (found === undefined) throw fault(`put files ${name}`, 'there is no such container', 404);
      await ask(`put files ${name}`, () => {
        for (const { path, content } of files) found.files.set(path, content);
      });
    },
    gatewayOf: (network) => ask(`inspect network ${network}`, () => '10.0.0.1'),
    inspectContainer: async (name, installation) => {
      const found = await inspect(name, installation);
      return found && viewOf(found);
    },
    findImage: (reference) => ask(`inspect image ${reference}`, () => images.get(reference)?.id),
    imageTriggers: async () => [],
    pullImage: async (reference) => {
      throw new ImageMissing(reference, `No registry has ${reference}.`);
    },
    importImage: async (tag: string, tar: Readable, changes: readonly string[]) => {
      tar.destroy();
      return engine.addImage(tag, changes);
    },
    buildImage: async () => {
      throw fault('build', 'an engine in memory builds nothing');
    },
    removeImage: (reference) => ask(`remove image ${reference}`, () => void images.delete(reference)),
    close: () => {},
  };
}
