// An engine in memory, whole and without faults: containers whose programs only do what can be seen from outside (listen,
// end, heed a signal or not), networks, volumes, images, and what it tells of them as it happens. By a clock that is given.
// The contract of runtimes on top of it is in runtime.ts, its troubles are in troubles.ts.
import { createHash } from 'node:crypto';
import type { Clock } from '../../src/clock.ts';
import {
  type ContainerSpec,
  type ContainerView,
  type EngineEvent,
  EngineFault,
  ForeignObject,
  ImageMissing,
  type LogLine,
  labels,
  StartRefused,
} from '../../src/runtime/runtime.ts';

/** What a container does once it runs. */
export interface Program {
  /** Takes connections from then on; undefined: never. */
  readonly listensAfterMs?: number;
  readonly ends?: { readonly afterMs: number; readonly exitCode: number; readonly outOfMemory?: boolean };
  /** After being told to stop; undefined: it has to be killed. */
  readonly stopsAfterMs?: number;
  readonly says?: readonly string[];
  readonly saysWhenTold?: string;
  readonly memoryBytes?: number;
  /** What a command run inside it does; without: there is no such program. */
  readonly commandOf?: (command: readonly string[]) => Command;
  /** It can't be begun by the fault of its image, and this is the engine's code for it. */
  readonly neverRuns?: number;
}

export interface Command {
  readonly afterMs?: number;
  readonly exitCode: number;
  readonly stdout?: string;
  readonly stderr?: string;
}

export interface Image {
  readonly id: string;
  readonly changes: readonly string[];
}

export interface Surroundings {
  readonly image: Image;
  readonly volume: Map<string, string> | undefined;
}

export interface Container {
  readonly id: string;
  readonly spec: ContainerSpec;
  readonly files: Map<string, string>;
  readonly lines: LogLine[];
  readonly ended: PromiseWithResolvers<void>;
  state: ContainerView['state'];
  exitCode: number | undefined;
  outOfMemory: boolean;
  address: string | undefined;
  startedAt: Date | undefined;
  finishedAt: Date | undefined;
  program: Program;
  /** Aborted when what runs now has ended. */
  run: AbortController;
  listensFrom: number;
}

export interface Labelled {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

export interface EngineOptions {
  readonly clock: Clock;
  readonly programOf: (spec: ContainerSpec, surroundings: Surroundings) => Program;
}

export type Engine = ReturnType<typeof newEngine>;

const restartMs = 150;

export function newEngine({ clock, programOf }: EngineOptions) {
  const containers = new Map<string, Container>();
  const networks = new Map<string, Labelled>();
  const volumes = new Map<string, Labelled & { readonly content: Map<string, string> }>();
  const images = new Map<string, Image>();
  const listeners = new Set<(event: EngineEvent | undefined) => void>();
  const begun = new Set<(container: Container) => void>();
  let made = 0;

  function tell(action: EngineEvent['action'], { spec }: Container): void {
    for (const listener of [...listeners])
      listener({ action, containerName: spec.name, labels: { ...spec.labels } });
  }
  function say(container: Container, stream: LogLine['stream'], text: string): void {
    const timeNanos = `${BigInt(clock.date().getTime()) * 1_000_000n + BigInt(container.lines.length)}`;
    container.lines.push({ timeNanos, stream, text });
  }

  /** The one of this name when it bears every label that is asked for. */
  function create(spec: ContainerSpec): Container {
    const image = images.get(spec.imageId);
    if (image === undefined)
      throw new ImageMissing(spec.imageId, `The engine no longer has the image ${spec.imageId}.`);
    const there = containers.get(spec.name);
    if (there !== undefined) {
      const same = Object.entries(spec.labels).every(([key, value]) => there.spec.labels[key] === value);
      if (same) return there;
      throw new ForeignObject(spec.name);
    }
    if (spec.command === undefined && !image.changes.some((line) => line.startsWith('CMD')))
      throw new StartRefused('No command specified');
    const container: Container = {
      ...{ id: digest(`container ${made++}`), spec, files: new Map(), lines: [], program: {} },
      ...{ ended: Promise.withResolvers<void>(), state: 'CREATED', exitCode: undefined, outOfMemory: false },
      ...{ address: undefined, startedAt: undefined, finishedAt: undefined },
      ...{ run: new AbortController(), listensFrom: Number.POSITIVE_INFINITY },
    };
    containers.set(spec.name, container);
    return container;
  }

  function start(container: Container): void {
    const { spec } = container;
    const operation = `start container ${spec.name}`;
    if (containers.get(spec.name) !== container)
      throw new EngineFault(operation, `${operation}: it was removed meanwhile.`, 404);
    if (container.state !== 'CREATED') return;
    const image = images.get(spec.imageId) ?? { id: spec.imageId, changes: [] };
    const volume = spec.volume && volumes.get(spec.volume.name)?.content;
    if (spec.networkMode === undefined && !networks.has(spec.network))
      throw new EngineFault(operation, `${operation}: network ${spec.network} not found`, 404);
    container.program = programOf(spec, { image, volume });
    const { neverRuns } = container.program;
    if (neverRuns !== undefined) {
      Object.assign(container, { state: 'EXITED', exitCode: neverRuns });
      container.ended.resolve();
      return;
    }
    begin(container);
  }

  function begin(container: Container): void {
    const { program, spec } = container;
    container.state = 'RUNNING';
    container.run = new AbortController();
    container.startedAt = clock.date();
    container.address = spec.networkMode === undefined ? freeAddress() : undefined;
    container.listensFrom = clock.now() + (program.listensAfterMs ?? Number.POSITIVE_INFINITY);
    for (const line of program.says ?? []) say(container, 'STDOUT', line);
    for (const hear of begun) hear(container);
    tell('START', container);
    const { ends } = program;
    if (ends === undefined) return;
    const end = () => finish(container, ends.exitCode, ends.outOfMemory);
    later(ends.afterMs, container.run.signal, end);
  }

  /** The engine starts it again where it was asked to, unless it was told to stop. */
  function finish(container: Container, exitCode: number, outOfMemory = false, told = false): void {
    if (container.state !== 'RUNNING') return;
    container.run.abort();
    container.address = undefined;
    container.listensFrom = Number.POSITIVE_INFINITY;
    tell('DIE', container);
    if (container.spec.restart === true && exitCode !== 0 && !told) {
      container.run = new AbortController();
      later(restartMs, container.run.signal, () => begin(container));
      return;
    }
    Object.assign(container, { state: 'EXITED', exitCode, outOfMemory, finishedAt: clock.date() });
    container.ended.resolve();
  }

  /** TERM, and KILL after the grace period; goes on whoever waits for it. */
  function stop(container: Container, graceMs: number): void {
    if (container.state !== 'RUNNING') return;
    const { stopsAfterMs, saysWhenTold } = container.program;
    if (saysWhenTold !== undefined) say(container, 'STDOUT', saysWhenTold);
    const heeds = stopsAfterMs !== undefined && stopsAfterMs <= graceMs;
    const end = () => finish(container, heeds ? 143 : 137, false, true);
    later(heeds ? stopsAfterMs : graceMs, container.run.signal, end);
  }

  function remove(container: Container): void {
    if (containers.get(container.spec.name) !== container) return;
    finish(container, 137, false, true);
    container.ended.resolve();
    containers.delete(container.spec.name);
    tell('DESTROY', container);
  }

  /** The lowest that nobody has: so those of the dead come back soon. */
  function freeAddress(): string {
    const taken = new Set([...containers.values()].map(({ address }) => address));
    for (let last = 2; ; last++) {
      const address = `10.0.${Math.floor(last / 250)}.${last % 250}`;
      if (!taken.has(address)) return address;
    }
  }

  function later(milliseconds: number, signal: AbortSignal, work: () => void): void {
    void clock.sleep(milliseconds, signal).then(work, () => {});
  }

  function addImage(tag: string, changes: readonly string[]): string {
    const image = { id: digest(`image ${tag} ${changes.join('\n')}`), changes };
    images.set(image.id, image).set(tag, image);
    return image.id;
  }

  return {
    ...{ clock, containers, networks, volumes, images, listeners, begun },
    ...{ create, start, stop, remove, finish, addImage },
  };
}

export function viewOf(container: Container): ContainerView {
  const { id, spec, state, exitCode, outOfMemory, address, startedAt, finishedAt } = container;
  const { name, labels: own, imageId } = spec;
  return {
    id,
    name,
    labels: { ...own },
    imageId,
    state,
    exitCode,
    outOfMemory,
    address,
    startedAt,
    finishedAt,
  };
}

export function isListening({ state, listensFrom }: Container, now: number): boolean {
  return state === 'RUNNING' && now >= listensFrom;
}

export function installationOf({ labels: own }: { readonly labels: Readonly<Record<string, string>> }) {
  return own[labels.installation];
}

function digest(text: string): string {
  return `sha256:${createHash('sha256').update(text).digest('hex')}`;
}
