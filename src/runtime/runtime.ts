// The contract of what runs containers. Docker Engine keeps it today; a Swarm can tomorrow. Every call is idempotent, has
// a deadline, and either answers with a fact or throws EngineFault, which means "unknown: look again". Nothing above this
// room knows dockerode. Names and labels are made by the caller from ids; nothing here reads the database.
import type { Readable } from 'node:stream';

/** Labels that every object of ours carries. `berth.installation` is the random id of this installation. */
export const labels = {
  installation: 'berth.installation',
  environment: 'berth.environment',
  service: 'berth.service',
  job: 'berth.job',
} as const;

/** The engine didn't give a usable answer. What was asked may or may not have happened. */
export class EngineFault extends Error {
  readonly operation: string;
  readonly statusCode: number | undefined;
  constructor(operation: string, message: string, statusCode?: number) {
    super(message);
    this.name = 'EngineFault';
    this.operation = operation;
    this.statusCode = statusCode;
  }
}

/** The image can't be had: not on the engine, not from a registry, no local recipe. The message says which was tried. */
export class ImageMissing extends Error {
  readonly reference: string;
  constructor(reference: string, message: string) {
    super(message);
    this.name = 'ImageMissing';
    this.reference = reference;
  }
}

/** The engine says that it will never start this container as it is asked to. The message is the engine's own sentence. */
export class StartRefused extends Error {
  override readonly name = 'StartRefused';
}

/** An object of this name exists and is not ours (its labels differ); it is left alone. */
export class ForeignObject extends Error {
  readonly objectName: string;
  constructor(objectName: string) {
    super(`An object named ${objectName} exists on the engine and does not belong to this installation.`);
    this.name = 'ForeignObject';
    this.objectName = objectName;
  }
}

export interface ContainerSpec {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** `sha256:…`; never a moving tag. */
  readonly imageId: string;
  /** Replaces the image's command (not its entry point) when given. */
  readonly command?: readonly string[];
  /** Replaces the image's entry point when given. */
  readonly entrypoint?: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly network: string;
  /** DNS names within the network. */
  readonly aliases: readonly string[];
  readonly memoryBytes: number;
  /** Thousandths of a CPU. */
  readonly cpuMillis: number;
  readonly processLimit: number;
  /** Linux capabilities kept, without the `CAP_` prefix; all others are dropped. */
  readonly capabilities: readonly string[];
  readonly readOnlyRoot: boolean;
  /** Mount path → size in bytes. */
  readonly tmpfs: Readonly<Record<string, number>>;
  readonly volume?: { readonly name: string; readonly path: string };
  /** Written into the container before it starts, with the folders they need. With a read-only root: into its volume. */
  readonly files?: readonly ContainerFile[];
  readonly fileOwner?: { readonly uid: number; readonly gid: number };
  /** The machine's own network or none at all instead: `network` and `aliases` count for nothing. The platform's own alone. */
  readonly networkMode?: 'HOST' | 'NONE';
  /** Other than the image's, `0:0`. */
  readonly user?: string;
  /** The engine starts it again when it ends by itself, also while the control plane is away. */
  readonly restart?: boolean;
}

export interface ContainerFile {
  /** Absolute. */
  readonly path: string;
  readonly content: string;
  readonly mode: number;
}

export type ContainerState = 'CREATED' | 'RUNNING' | 'EXITED';

export interface ContainerView {
  readonly id: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly imageId: string;
  readonly state: ContainerState;
  /** Known when EXITED. */
  readonly exitCode: number | undefined;
  readonly outOfMemory: boolean;
  /** Address on its own network while running. */
  readonly address: string | undefined;
  readonly startedAt: Date | undefined;
  readonly finishedAt: Date | undefined;
}

export interface NetworkSpec {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

export interface VolumeSpec {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** What carries the installation's label, whatever it is. */
export interface Inventory {
  readonly containers: readonly ContainerView[];
  readonly networks: readonly { readonly name: string; readonly labels: Readonly<Record<string, string>> }[];
  readonly volumes: readonly { readonly name: string; readonly labels: Readonly<Record<string, string>> }[];
}

export interface LogLine {
  /** Nanoseconds since the epoch as decimal digits, from the engine. */
  readonly timeNanos: string;
  readonly stream: 'STDOUT' | 'STDERR';
  /** Without line end; at most 16 KiB, cut lines end with the mark of the contract. */
  readonly text: string;
}

/** Without what the kernel only keeps as long as nobody needs the room. */
export interface MemoryUse {
  readonly usedBytes: number;
  readonly limitBytes: number;
}

export interface CommandRun {
  /** TIME_UP and TOO_MUCH (printed): the process may run on. STILL_RUNNING: not begun, because an earlier one does.
   * NOT_RUNNING: the container doesn't, or has ended meanwhile. */
  readonly end: 'EXITED' | 'TIME_UP' | 'TOO_MUCH' | 'STILL_RUNNING' | 'NOT_RUNNING';
  /** Known when EXITED. */
  readonly exitCode: number | undefined;
  /** The first of what it printed, both together at most `keptOutputBytes`; what is no UTF-8 is replaced. */
  readonly stdout: string;
  readonly stderr: string;
}

export const keptOutputBytes = 64 * 1024;

export interface EngineEvent {
  readonly action: 'START' | 'DIE' | 'DESTROY' | 'OTHER';
  readonly containerName: string;
  readonly labels: Readonly<Record<string, string>>;
}

export interface EngineInfo {
  readonly version: string;
  readonly apiVersion: string;
  readonly operatingSystem: string;
}

/** One line of an image's making or fetching, already text; `current`/`total` in bytes when the engine tells them. */
export interface ImageProgress {
  readonly text: string;
  readonly current?: number;
  readonly total?: number;
}

export interface BuildOptions {
  readonly tag: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly memoryBytes: number;
  readonly cpuMillis: number;
  /** Name of the Dockerfile within the context. */
  readonly dockerfile: string;
  readonly buildArgs: Readonly<Record<string, string>>;
}

/** A failed build step: the build's own doing, not the engine's. `message` is what the engine says of it. */
export class BuildFailed extends Error {
  override readonly name = 'BuildFailed';
}

export interface Runtime {
  info(): Promise<EngineInfo>;
  /** Subnets are chosen by the runtime: /26 each, from the configured range, the first that overlaps nothing. */
  ensureNetwork(spec: NetworkSpec): Promise<void>;
  removeNetwork(name: string, installation: string): Promise<void>;
  ensureVolume(spec: VolumeSpec): Promise<void>;
  removeVolume(name: string, installation: string): Promise<void>;
  /** Creates (or finds, after a lost acknowledgement) and starts. Never restarts one that has already exited. StartRefused
   * when trying again would be the same.
   * `beforeStart` may throw to keep a created container from being started. */
  startContainer(spec: ContainerSpec, beforeStart?: () => void): Promise<ContainerView>;
  /** Writes files into a container that exists, each whole or not at all. Its root must not be read-only. */
  putFiles(
    name: string,
    installation: string,
    files: readonly ContainerFile[],
    owner: { readonly uid: number; readonly gid: number },
  ): Promise<void>;
  /** The address on this network that the control plane's connections come from. */
  gatewayOf(network: string): Promise<string>;
  /** Undefined when there is none of this name; ForeignObject when the installation label differs. */
  inspectContainer(name: string, installation: string): Promise<ContainerView | undefined>;
  /** TERM, the grace period, KILL; answers with the exited container, undefined when it doesn't exist. With the `id` that
   * its start has answered it is that one and no other, whatever bears the name by now. */
  stopContainer(
    name: string,
    installation: string,
    graceSeconds: number,
    id?: string,
  ): Promise<ContainerView | undefined>;
  /** `beforeRemoval` is called right before the engine is asked to, and what it throws is the answer. */
  removeContainer(name: string, installation: string, beforeRemoval?: () => void): Promise<void>;
  /** Answers when the container has exited or the signal fires (then undefined). */
  waitContainer(name: string, signal: AbortSignal): Promise<void>;
  inventory(installation: string): Promise<Inventory>;
  /** Of the container that its start has answered with this id; undefined unless it runs. */
  memoryUse(id: string): Promise<MemoryUse | undefined>;
  /** Bytes in use by name, of all that could be measured. Reads every file's size: not to be asked often. */
  volumeSizes(installation: string): Promise<ReadonlyMap<string, number>>;
  /** Runs an argument vector in the container of this id, as its user and with its variables. Never a second time while a
   * process of the same vector, begun like this, still runs there. What goes on after `timeoutMs` can't be ended. */
  runInside(id: string, command: readonly string[], timeoutMs: number): Promise<CommandRun>;
  /** Lines in order. `afterNanos` exclusive bound by time is the caller's to refine. Ends with the container, or not at all
   * without `follow`. */
  readLogs(
    name: string,
    options: { sinceNanos?: string; tail?: number; follow: boolean; signal: AbortSignal },
  ): AsyncIterable<LogLine>;
  /** Hints only: may miss, may repeat. Ends when the connection does. */
  events(installation: string, signal: AbortSignal): AsyncIterable<EngineEvent>;
  /** The id of an image present on the engine. */
  findImage(reference: string): Promise<string | undefined>;
  /** Instructions that an image runs within every build on top of it (ONBUILD); empty for most. */
  imageTriggers(imageId: string): Promise<readonly string[]>;
  /** ImageMissing when the registry can't be reached or doesn't have it. */
  pullImage(
    reference: string,
    onProgress: (progress: ImageProgress) => void,
    signal: AbortSignal,
  ): Promise<string>;
  /** Makes an image of one layer from a tar stream; `changes` are Dockerfile instructions (ENV, ENTRYPOINT, …). */
  importImage(tag: string, tar: Readable, changes: readonly string[]): Promise<string>;
  /** Builds with memory and CPU limits. Throws BuildFailed for the build's own fault. */
  buildImage(
    context: Readable,
    options: BuildOptions,
    onLine: (line: string) => void,
    signal: AbortSignal,
  ): Promise<string>;
  removeImage(reference: string): Promise<void>;
  close(): void;
}
