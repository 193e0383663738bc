// Creating and starting a container on Docker Engine, so that asking twice is the same as asking once: what a lost
// acknowledgement left behind is found and gone on with. The limits every container gets stand in `bodyOf`.
import type Docker from 'dockerode';
import { type Engine, isStatus, pathOf, wordsOf } from './docker-call.ts';
import { lookAt, lookAtId } from './docker-containers.ts';
import { root, writeFiles } from './docker-files.ts';
import { cpuLimits } from './docker-limits.ts';
import { assertOurs } from './docker-view.ts';
import { getVolume } from './docker-volumes.ts';
import {
  type ContainerSpec,
  type ContainerView,
  EngineFault,
  ForeignObject,
  ImageMissing,
  labels,
  StartRefused,
} from './runtime.ts';

/**
 * One that has exited is answered as it is. So is one that can't start by the fault of its image, for example because its
 * user isn't in it: it counts as exited with the engine's code. (A missing program is an ordinary exit with 127.)
 */
export async function startContainer(
  engine: Engine,
  spec: ContainerSpec,
  beforeStart: () => void = () => {},
): Promise<ContainerView> {
  await assertVolume(engine, spec);
  const created = await createContainer(engine, spec);
  if ('state' in created && created.state !== 'CREATED') return created;
  if (spec.files) {
    const within = spec.readOnlyRoot ? spec.volume?.path : '/';
    await writeFiles(engine, spec.name, created.id, spec.files, spec.fileOwner ?? root, within);
  }
  beforeStart();
  const fault = await tryStart(engine, spec.name, created.id);
  const started = await lookAtId(engine, spec.name, created.id);
  if (!started) {
    const operation = `start container ${spec.name}`;
    throw new EngineFault(operation, `${operation}: it was removed meanwhile.`, 404);
  }
  if (fault && started.state === 'CREATED') {
    const refusal = asRefusal(fault);
    if (refusal === fault && isBroken(fault)) {
      beforeStart();
      await removeUnstarted(engine, spec.name, created.id);
    }
    throw refusal;
  }
  return started;
}

/**
 * An engine that ended in the midst of a start has lost what it had begun: back again, it refuses to start the container
 * for ever ("task already exists"). Its own refusals all are 5xx; those with 4xx are of what was asked.
 */
function isBroken(fault: EngineFault): boolean {
  return (fault.statusCode ?? 0) >= 500;
}

/** By the engine's word it never ran, so nothing is lost; the next try makes another. One that runs after all is refused. */
async function removeUnstarted(engine: Engine, name: string, id: string): Promise<void> {
  await engine.askIfThere({
    operation: `remove container ${name}`,
    method: 'DELETE',
    path: pathOf`/containers/${id}`,
    query: { v: true },
    deadlineMs: engine.deadlines.remove,
  });
}

/** The volume must be there and ours: the engine would make one without labels, or mount a stranger's. */
async function assertVolume(engine: Engine, spec: ContainerSpec): Promise<void> {
  if (!spec.volume) return;
  const volume = await getVolume(engine, spec.volume.name);
  assertOurs(spec.volume.name, volume.Labels, spec.labels[labels.installation] ?? '');
}

/** A name that is taken is ours from a lost acknowledgement when every label asked for is on it; else only the id is known. */
async function createContainer(
  engine: Engine,
  spec: ContainerSpec,
): Promise<ContainerView | { readonly id: string }> {
  const operation = `create container ${spec.name}`;
  try {
    const { Id } = await engine.ask<{ Id: string }>({
      operation,
      method: 'POST',
      path: '/containers/create',
      query: { name: spec.name },
      body: bodyOf(spec),
      deadlineMs: engine.deadlines.change,
    });
    return { id: Id };
  } catch (cause) {
    if (isImageMissing(cause)) {
      throw new ImageMissing(spec.imageId, `The engine no longer has the image ${spec.imageId}.`);
    }
    if (!isStatus(cause, 409)) throw asRefusal(cause);
  }
  const found = await lookAt(engine, spec.name);
  if (!found) throw new EngineFault(operation, `${operation}: the name is taken but nothing bears it.`, 409);
  const ours = Object.entries(spec.labels).every(([key, value]) => found.labels[key] === value);
  if (!ours) throw new ForeignObject(spec.name);
  return found;
}

function isImageMissing(cause: unknown): boolean {
  return cause instanceof EngineFault && isStatus(cause, 404) && /no such image/i.test(wordsOf(cause));
}

/** What the engine's own runtime says of a container that can't be begun, and what it says of a bad moment. */
const runtimeWords = /OCI runtime|failed to create (shim|task)|starting container process/i;
const badMoment =
  /deadline|time(d )?out|no space left|cannot allocate|temporarily unavailable|too many|already exists/i;

/**
 * A request that the engine holds to be wrong, or a container that its runtime can't begin. Whatever else it says may be
 * otherwise next time: that the network is missing (404), a name taken (409), the engine itself at its end (500).
 */
function asRefusal(cause: unknown): unknown {
  if (!(cause instanceof EngineFault)) return cause;
  const words = wordsOf(cause);
  const byRuntime = isStatus(cause, 500) && runtimeWords.test(words) && !badMoment.test(words);
  return byRuntime || isStatus(cause, 400, 403) ? new StartRefused(words) : cause;
}

/** The engine's refusal is only told, for what it means stands in the container's state. */
async function tryStart(engine: Engine, name: string, id: string): Promise<EngineFault | undefined> {
  try {
    await engine.ask({
      operation: `start container ${name}`,
      method: 'POST',
      path: pathOf`/containers/${id}/start`,
      deadlineMs: engine.deadlines.change,
    });
    return undefined;
  } catch (cause) {
    if (cause instanceof EngineFault && cause.statusCode !== undefined) return cause;
    throw cause;
  }
}

function bodyOf(spec: ContainerSpec): Docker.ContainerCreateOptions {
  const { cpuPeriod, cpuQuota } = cpuLimits(spec.cpuMillis);
  const tmpfs = Object.entries(spec.tmpfs).map(([path, bytes]) => [path, `size=${bytes},mode=1777`]);
  return {
    Image: spec.imageId,
    ...(spec.command && { Cmd: [...spec.command] }),
    ...(spec.entrypoint && { Entrypoint: [...spec.entrypoint] }),
    Env: Object.entries(spec.environment).map(([name, value]) => `${name}=${value}`),
    Labels: { ...spec.labels },
    ...(spec.user && { User: spec.user }),
    ...(spec.networkMode === undefined && {
      NetworkingConfig: { EndpointsConfig: { [spec.network]: { Aliases: [...spec.aliases] } } },
    }),
    HostConfig: {
      // Passes signals on and buries orphans; without it a stop waits out the whole grace period.
      Init: true,
      NetworkMode: spec.networkMode?.toLowerCase() ?? spec.network,
      CapDrop: ['ALL'],
      CapAdd: [...spec.capabilities],
      SecurityOpt: ['no-new-privileges'],
      ReadonlyRootfs: spec.readOnlyRoot,
      Memory: spec.memoryBytes,
      MemorySwap: spec.memoryBytes,
      CpuPeriod: cpuPeriod,
      CpuQuota: cpuQuota,
      PidsLimit: spec.processLimit,
      Tmpfs: Object.fromEntries(tmpfs),
      ...(spec.volume && {
        Mounts: [{ Type: 'volume', Source: spec.volume.name, Target: spec.volume.path }],
      }),
      // The engine's pushing drivers can hang a container; these files are followed through the API instead.
      LogConfig: { Type: 'local', Config: { 'max-size': '10m', 'max-file': '3' } },
      // Whether to try again is decided above, where it is counted.
      RestartPolicy: { Name: spec.restart === true ? 'on-failure' : 'no' },
    },
  };
}
