// The edge's container: made with what is wanted at that moment, made anew when it should be another, and found by its name.
// There is one for each installation; others on the machine have other ports.
import { createHash } from 'node:crypto';
import { isIPv4 } from 'node:net';
import { type EdgeRotation, edgeSlots } from '../model/edge.ts';
import { mebibyte } from '../model/service-types/engine-kind.ts';
import { serviceProxy } from '../model/service-types/service-proxy.ts';
import { readEdgeRotation } from '../postgres/edges.ts';
import { readClock } from '../postgres/open.ts';
import { type EdgeEnvironment, type EdgeInput, edgeFiles, edgePrefix } from '../proxy/edge.ts';
import { command, owner } from '../proxy/layout.ts';
import type { RuntimeApi } from '../proxy/runtime-api.ts';
import { type ContainerSpec, labels } from '../runtime/runtime.ts';
import { assertNotOver, type Deps, type EdgeSettings, type Lease } from './deps.ts';
import { performTask } from './points.ts';

const size = { threads: 2, connections: 20_000 };
/** Label of the edge: what it was started with. */
const configured = 'berth.edge';
const patienceMs = { first: 5_000, pause: 50 };

/** The work on the edge while this replica has the duty. */
export interface Keeping {
  readonly deps: Deps;
  readonly edge: EdgeSettings;
  readonly duty: Lease;
}

/** Right before anything is done to the edge: another may look after it by now. */
export function assertKept({ deps, duty }: Keeping): void {
  assertNotOver(deps.clock, duty, 'the duty to look after the edge');
}

/** `beforeStart`: what was noted of the one before is no longer to be believed. Answers when the edge does, or after a while. */
export async function ensureRunning(
  keeping: Keeping,
  signal: AbortSignal,
  beforeStart: () => Promise<void>,
): Promise<void> {
  const { deps, edge } = keeping;
  const { runtime, images, installation } = deps;
  const name = nameOf(deps);
  const { imageId } = await images.obtain(serviceProxy.image, () => {}, signal);
  const mark = createHash('sha256')
    .update(JSON.stringify([edge, imageId, edgeSlots, size]))
    .digest('hex');
  const present = await runtime.inspectContainer(name, installation.id);
  if (present?.state === 'RUNNING' && present.labels[configured] === mark) return;
  const effect = async () => {
    await beforeStart();
    await runtime.removeContainer(name, installation.id, () => assertKept(keeping));
    const spec = await specOf(keeping, imageId, mark);
    await runtime.startContainer(spec, () => assertKept(keeping));
  };
  await performTask(deps, 'START_EDGE', effect, () => untilItAnswers(keeping, signal));
}

async function specOf({ deps, edge }: Keeping, imageId: string, mark: string): Promise<ContainerSpec> {
  const { store, installation, controlKeys, issueServerKey } = deps;
  const name = nameOf(deps);
  const wanted = await readEdgeRotation(store.db, installation.podId);
  const serverPem = await issueServerKey(controlKeys, name, await readClock(store.db));
  const control = { serverPem, authorityPem: controlKeys.authority.certificate };
  return {
    name,
    labels: { [labels.installation]: installation.id, [configured]: mark },
    imageId,
    command,
    environment: {},
    network: 'host',
    networkMode: 'HOST',
    ...(isLow(edge) ? { user: '0:0' } : {}),
    aliases: [],
    memoryBytes: 512 * mebibyte,
    cpuMillis: size.threads * 1000,
    processLimit: 64,
    capabilities: isLow(edge) ? ['NET_BIND_SERVICE'] : [],
    readOnlyRoot: false,
    tmpfs: {},
    files: edgeFiles({ ...inputOf(edge, wanted), control }),
    fileOwner: ownerOf(edge),
    restart: true,
  };
}

async function untilItAnswers(keeping: Keeping, signal: AbortSignal): Promise<void> {
  const { clock } = keeping.deps;
  const end = clock.now() + patienceMs.first;
  while (clock.now() < end && !signal.aborted) {
    const answers = await channelTo(keeping)
      .sessions(edgePrefix)
      .catch(() => undefined);
    if (answers !== undefined) return;
    await clock.sleep(patienceMs.pause, signal).catch(() => {});
  }
}

/** Ports below 1024 are root's to open, and the engine gives other users no way to. It has no other right of root's. */
function isLow({ httpPort, httpsPort }: EdgeSettings): boolean {
  return Math.min(httpPort, httpsPort) < 1024;
}

export function ownerOf(edge: EdgeSettings) {
  return isLow(edge) ? { uid: 0, gid: 0 } : owner;
}

export function inputOf(edge: EdgeSettings, wanted: EdgeRotation): Omit<EdgeInput, 'control'> {
  if (!isIPv4(edge.host)) throw new Error(`the edge needs an IPv4 address: ${edge.host}`);
  const { host: address, httpPort: plainPort, httpsPort: securePort, controlPort } = edge;
  return {
    ...{ address, plainPort, securePort, controlPort, ...size },
    slots: edgeSlots,
    environments: environmentsOf(wanted),
  };
}

export function environmentsOf({ services, places }: EdgeRotation): EdgeEnvironment[] {
  return services.flatMap(({ serviceId, servers }): EdgeEnvironment[] => {
    const place = places[serviceId];
    return place === undefined ? [] : [{ ...place, proxies: servers }];
  });
}

export function channelTo({ deps, edge }: Keeping): RuntimeApi {
  return deps.openRuntimeApi({
    address: '127.0.0.1',
    port: edge.controlPort,
    serverName: nameOf(deps),
    authorityPem: deps.controlKeys.authority.certificate,
    clientCertificatePem: deps.controlKeys.client.chain,
    clientKeyPem: deps.controlKeys.client.privateKey,
  });
}

export function nameOf({ installation }: Pick<Deps, 'installation'>): string {
  return `berth-edge-${installation.id}`;
}
