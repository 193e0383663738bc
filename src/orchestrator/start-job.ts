// Starting a job: its container made from the spec copy it keeps, its variables opened for this moment only.
import { containerName, networkName, volumeName } from '../model/jobs.ts';
import { redactor } from '../model/redaction.ts';
import * as code from '../model/service-types/code.ts';
import { mebibyte } from '../model/service-types/engine-kind.ts';
import { findEngineKind } from '../model/service-types/index.ts';
import type { Spec } from '../model/spec.ts';
import type { JobRow } from '../postgres/jobs.ts';
import { databaseNow } from '../postgres/open.ts';
import { openSecrets } from '../postgres/variables.ts';
import { command, owner } from '../proxy/layout.ts';
import {
  type ContainerSpec,
  type ContainerView,
  EngineFault,
  ForeignObject,
  ImageMissing,
  labels,
  StartRefused,
} from '../runtime/runtime.ts';
import { assertHeld, type Hold, type Outcome, perform, write } from './deps.ts';
import { monitorParts } from './monitor-start.ts';
import { endOf } from './observe.ts';
import { type ProxyPlace, type ProxyStart, prepareProxy } from './proxy-start.ts';
import { movedOnly, recordMove } from './record-job.ts';
import type { Situation } from './situation.ts';
import { firstLook } from './verify-job.ts';

export async function startJob(hold: Hold, { service }: Situation, job: JobRow): Promise<Outcome> {
  if (job.state === 'SCHEDULED')
    await write(hold, async (change) => void (await recordMove(change, service.label, job, 'STARTING')));
  let proxy: ProxyStart | undefined;
  const effect = async () => {
    const sites = job.type === 'DEPLOY' ? job.spec?.proxy : undefined;
    proxy = sites == null ? undefined : await prepareProxy(hold.deps, placeOf(job), sites);
    const ofMonitor = service.type === 'MONITORING' ? await monitorParts(hold.deps, job) : {};
    const seen = await startContainer(hold, service.runtime, job, { ...proxyParts(proxy), ...ofMonitor });
    return 'refusal' in seen ? seen : { ...seen, answer: await firstLook(hold, service.runtime, job, seen) };
  };
  return perform(hold, 'START_JOB', effect, async (change, seen) => {
    if ('refusal' in seen)
      return movedOnly(await recordMove(change, service.label, job, 'FAILED', { reason: seen.refusal }));
    const { id: containerId, state, address } = seen;
    if (state === 'EXITED') {
      const end = endOf(job, seen);
      return movedOnly(await recordMove(change, service.label, job, end.state, { ...end.set, containerId }));
    }
    const applied = proxy === undefined ? {} : { applied: proxy.applied };
    const running = { containerId, address: address ?? null, startedAt: databaseNow(), ...applied };
    const health = job.type === 'TASK' ? null : ('STARTING' as const);
    const moved = await recordMove(change, service.label, job, 'RUNNING', { ...running, health });
    return moved && { jobs: [moved], ...(seen.answer && { answers: { [job.id]: seen.answer } }) };
  });
}

async function startContainer(
  hold: Hold,
  runtimeName: string | null,
  job: JobRow,
  parts: Partial<ContainerSpec>,
): Promise<ContainerView | { readonly refusal: string }> {
  if (job.spec === null) throw new Error(`job ${job.id} has no spec`);
  const environment = await environmentOf(hold, job, job.spec);
  assertHeld(hold);
  try {
    return await hold.deps.runtime.startContainer(
      { ...containerSpec(hold, runtimeName, job, job.spec, environment), ...parts },
      () => assertHeld(hold),
    );
  } catch (error) {
    if (error instanceof ImageMissing) return { refusal: `Its image is not on the engine: ${error.message}` };
    if (error instanceof ForeignObject) return { refusal: error.message };
    if (error instanceof StartRefused)
      return { refusal: redactor(Object.entries(environment))(sentence(error)) };
    if (error instanceof EngineFault && error.statusCode === 404) await mendNetwork(hold, job);
    throw error;
  }
}

function placeOf({ id, environmentId, spec }: JobRow): ProxyPlace {
  if (spec === null) throw new Error(`job ${id} has no spec`);
  return { environmentId, name: containerName(id), size: spec.size };
}

/** A proxy's files are written into its container, so its root is not read-only; it needs no capability at all. */
function proxyParts(proxy: ProxyStart | undefined): Partial<ContainerSpec> {
  if (proxy === undefined) return {};
  const files = { files: proxy.files, fileOwner: owner };
  return { command, capabilities: [], readOnlyRoot: false, restart: true, ...files };
}

function sentence({ message }: StartRefused): string {
  return `The engine refuses to start it: ${message.replace(/\.?$/, '.')}`;
}

/** An empty network goes with the engine's own tidying up. The next try finds it there again. */
function mendNetwork({ deps }: Hold, { environmentId }: JobRow): Promise<void> {
  const own = { [labels.installation]: deps.installation.id, [labels.environment]: environmentId };
  return deps.runtime.ensureNetwork({ name: networkName(environmentId), labels: own });
}

async function environmentOf({ deps }: Hold, job: JobRow, spec: Spec): Promise<Record<string, string>> {
  const refs = Object.entries(spec.variables);
  const values = await openSecrets(
    deps.store.db,
    deps.vault,
    refs.map(([, ref]) => ref.secretId),
  );
  const entries = refs.map(([name, { secretId }]): [string, string] => {
    const value = values.get(secretId);
    if (value === undefined) throw new Error(`the value of a variable is gone: ${name}`);
    return [name, value];
  });
  const target = job.type === 'WORKER' ? [['PROCFILE_TARGET', job.target ?? '']] : [];
  return Object.fromEntries([...entries, ['BERTH_JOB_ID', job.id], ...target]);
}

function containerSpec(
  { deps }: Hold,
  runtimeName: string | null,
  job: JobRow,
  spec: Spec,
  environment: Record<string, string>,
): ContainerSpec {
  const kind = findEngineKind(runtimeName);
  const isDeploy = job.type === 'DEPLOY';
  return {
    name: containerName(job.id),
    labels: {
      [labels.installation]: deps.installation.id,
      [labels.environment]: job.environmentId,
      [labels.service]: job.serviceId,
      [labels.job]: job.id,
    },
    imageId: job.image,
    ...programOf(job, spec, kind?.command),
    environment,
    network: networkName(job.environmentId),
    aliases: isDeploy ? [spec.dnsName] : [],
    memoryBytes: spec.size.memoryMiB * mebibyte,
    cpuMillis: spec.size.cpuMillis,
    processLimit: code.processLimit,
    capabilities: code.capabilities,
    readOnlyRoot: kind !== undefined,
    tmpfs: kind?.tmpfs ?? {},
    ...(spec.volume && isDeploy && kind?.dataPath != null
      ? { volume: { name: volumeName(job.serviceId), path: kind.dataPath } }
      : {}),
  };
}

/**
 * A Procfile's command is a line for the shell of the user's own image; one-off jobs bring an argument vector. Either is the
 * program itself, so that an entry point of the image doesn't take it for its arguments.
 */
function programOf(
  job: JobRow,
  spec: Spec,
  standard: readonly string[] | undefined,
): Pick<ContainerSpec, 'command' | 'entrypoint'> {
  if (job.command !== null) return { entrypoint: job.command.slice(0, 1), command: job.command.slice(1) };
  const line = spec.commands[job.target ?? 'web'];
  if (line !== undefined) return { entrypoint: ['/bin/sh', '-c'], command: [line] };
  return standard === undefined ? {} : { command: standard };
}
