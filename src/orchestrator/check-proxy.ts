// Before a service proxy's redeploy touches anything, HAProxy itself is asked whether it would start with the new
// configuration: in a container of its own without any network, which is gone afterwards.
import { mebibyte } from '../model/service-types/engine-kind.ts';
import type { RedeployRow } from '../postgres/redeploys.ts';
import { checkCommand, owner } from '../proxy/layout.ts';
import { UnfitForProxy } from '../proxy/words.ts';
import { EngineFault, labels } from '../runtime/runtime.ts';
import { assertHeld, type Hold, holds } from './deps.ts';
import { prepareProxy } from './proxy-start.ts';

const patienceMs = 20_000;

/** What HAProxy says against it; undefined when it has nothing to say, and for services that are no proxies. */
export async function checkProxy(
  hold: Hold,
  { spec, environmentId, serviceId }: RedeployRow,
  imageId: string,
): Promise<string[] | undefined> {
  if (spec.proxy === null) return undefined;
  const { runtime, installation } = hold.deps;
  const name = checkName(serviceId);
  const prepared = prepareProxy(hold.deps, { environmentId, name, size: spec.size }, spec.proxy);
  const files = await prepared.then((start) => start.files, unfitLine);
  if (typeof files === 'string') return [files];
  await runtime.removeContainer(name, installation.id, () => assertHeld(hold));
  await runtime.startContainer(
    {
      name,
      labels: {
        [labels.installation]: installation.id,
        [labels.environment]: environmentId,
        [labels.service]: serviceId,
      },
      imageId,
      command: checkCommand,
      environment: {},
      network: 'none',
      networkMode: 'NONE',
      aliases: [],
      memoryBytes: spec.size.memoryMiB * mebibyte,
      cpuMillis: spec.size.cpuMillis,
      processLimit: 64,
      capabilities: [],
      readOnlyRoot: false,
      tmpfs: {},
      files,
      fileOwner: owner,
    },
    () => assertHeld(hold),
  );
  try {
    return await verdict(hold, name);
  } finally {
    // Whoever has the service by then may use the same name.
    if (holds(hold)) await runtime.removeContainer(name, installation.id);
  }
}

/** What can't be written at all is refused as well. */
function unfitLine(fault: unknown): string {
  if (fault instanceof UnfitForProxy) return fault.message;
  throw fault;
}

/** One for each service: what a process that died has left goes with the next check, or with the service. */
export function checkName(serviceId: string): string {
  return `berth-check-${serviceId}`;
}

async function verdict({ deps, signal }: Hold, name: string): Promise<string[] | undefined> {
  const { runtime, installation } = deps;
  const limit = AbortSignal.any([signal, AbortSignal.timeout(patienceMs)]);
  await runtime.waitContainer(name, limit);
  const seen = await runtime.inspectContainer(name, installation.id);
  if (seen?.state !== 'EXITED')
    throw new EngineFault('check a configuration', `HAProxy took more than ${patienceMs} ms for its check.`);
  if (seen.exitCode === 0) return undefined;
  const lines: string[] = [];
  for await (const { text } of runtime.readLogs(name, { follow: false, signal: limit })) lines.push(text);
  return lines.length > 0 ? lines : [`It ended with code ${seen.exitCode}.`];
}
