// The pod's edge: one container on the machine's own network that holds the public ports, looked after by one replica for
// all. It is no service: nobody redeploys it, it has nothing of anybody's, and it runs on while the control plane is away.
// Where connections go is kept as for service proxies: written where it starts from first, then told at runtime, then noted.
import { createHash } from 'node:crypto';
import { isIPv4 } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type EdgeRotation, edgeSlots, sameEdge } from '../model/edge.ts';
import { mebibyte } from '../model/service-types/engine-kind.ts';
import { serviceProxy } from '../model/service-types/service-proxy.ts';
import { change } from '../postgres/change.ts';
import { hasDuty, takeDuty } from '../postgres/duties.ts';
import { findEdge, readEdgeRotation, saveEdge, touchEdge } from '../postgres/edges.ts';
import { readClock } from '../postgres/open.ts';
import { setRotation } from '../postgres/rotation.ts';
import { markDue } from '../postgres/services.ts';
import {
  type EdgeEnvironment,
  type EdgeInput,
  edgeCommands,
  edgeFiles,
  edgeMaps,
  edgePrefix,
  edgeRotationFiles,
} from '../proxy/edge.ts';
import { command, owner } from '../proxy/layout.ts';
import { openRuntimeApi, type RuntimeApi } from '../proxy/runtime-api.ts';
import { type ContainerSpec, labels } from '../runtime/runtime.ts';
import { waitForAny } from '../wait.ts';
import { issueServerKey } from './control-keys.ts';
import type { Deps, EdgeSettings } from './deps.ts';

/** The container and the duty are looked at this often; where connections go, whenever somebody asks. */
const lookEveryMs = 5_000;
const drainingMs = 200;
/** One that was not seen for longer than three times so long is waited for by nobody; see situation.ts. */
const noteEverySeconds = 10;
const size = { threads: 2, connections: 20_000 };
/** Label of the edge: what it was started with. */
const configured = 'berth.edge';

export async function keepEdge(deps: Deps, asked: () => Promise<void>, signal: AbortSignal): Promise<void> {
  const { edge } = deps.settings;
  if (edge === undefined) return;
  let lookedAt = Number.NEGATIVE_INFINITY;
  let held = false;
  while (!signal.aborted) {
    const wakened = asked();
    let draining = false;
    try {
      if (performance.now() - lookedAt >= lookEveryMs) {
        held = await takeDuty(deps.store, deps.replica, 'EDGE');
        if (held) await ensureRunning(deps, edge, signal);
        lookedAt = performance.now();
      }
      if (held) draining = await follow(deps, edge);
    } catch (error) {
      lookedAt = Number.NEGATIVE_INFINITY;
      if (!signal.aborted)
        deps.logger.error({ err: error }, 'the edge could not be looked after; it is tried again');
      await sleep(1_000, undefined, { signal }).catch(() => {});
    }
    await waitForAny(held ? [wakened] : [], draining ? drainingMs : lookEveryMs, signal);
  }
}

/** True while proxies finish what they have begun. */
async function follow(deps: Deps, edge: EdgeSettings): Promise<boolean> {
  const { store, installation } = deps;
  const [wanted, seen] = await Promise.all([
    readEdgeRotation(store.db, installation.podId),
    findEdge(store.db, installation.podId),
  ]);
  const same = sameEdge(seen?.applied ?? null, wanted);
  if (!same) await apply(deps, edge, wanted);
  if (!same) await note(deps, wanted);
  else if ((seen?.ageSeconds ?? 0) > noteEverySeconds) await touchEdge(store.db, installation.podId);
  return finishDrained(deps, edge, wanted);
}

/** Started with what is wanted at that moment; what has changed since is told to it as ever. */
async function ensureRunning(deps: Deps, edge: EdgeSettings, signal: AbortSignal): Promise<void> {
  const { runtime, images, installation, controlKeys } = deps;
  const name = nameOf(deps);
  const { imageId } = await images.obtain(serviceProxy.image, () => {}, signal);
  const mark = createHash('sha256')
    .update(JSON.stringify([edge, imageId, edgeSlots, size]))
    .digest('hex');
  const present = await runtime.inspectContainer(name, installation.id);
  if (present?.state === 'RUNNING' && present.labels[configured] === mark) return;
  if (present !== undefined) await runtime.removeContainer(name, installation.id);
  const wanted = await readEdgeRotation(deps.store.db, installation.podId);
  const serverPem = await issueServerKey(controlKeys, name, await readClock(deps.store.db));
  const control = { serverPem, authorityPem: controlKeys.authority.certificate };
  const files = edgeFiles({ ...inputOf(edge, wanted), control });
  const spec: ContainerSpec = {
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
    files,
    fileOwner: ownerOf(edge),
    restart: true,
  };
  await runtime.startContainer(spec);
  await note(deps, wanted);
}

async function apply(deps: Deps, edge: EdgeSettings, wanted: EdgeRotation): Promise<void> {
  const files = edgeRotationFiles(inputOf(edge, wanted));
  await deps.runtime.putFiles(nameOf(deps), deps.installation.id, files, ownerOf(edge));
  const api = channelTo(deps, edge);
  const shown = await api.show(edgePrefix, edgeMaps);
  await api.apply(edgeCommands(shown, environmentsOf(wanted)));
}

/** Ports below 1024 are root's to open, and the engine gives other users no way to. It has no other right of root's. */
function isLow({ httpPort, httpsPort }: EdgeSettings): boolean {
  return Math.min(httpPort, httpsPort) < 1024;
}

function ownerOf(edge: EdgeSettings) {
  return isLow(edge) ? { uid: 0, gid: 0 } : owner;
}

/** The service proxies wait for this. */
async function note(deps: Deps, wanted: EdgeRotation): Promise<void> {
  await change(deps, async (current) => {
    if (!(await hasDuty(current.tx, deps.replica, 'EDGE'))) return;
    await saveEdge(current.tx, deps.installation.podId, wanted);
    await markDue(current.tx, Object.keys(wanted.places));
    current.nudge('due');
  });
}

async function finishDrained(deps: Deps, edge: EdgeSettings, wanted: EdgeRotation): Promise<boolean> {
  const draining = wanted.services.flatMap(({ serviceId, servers }) =>
    servers.filter((server) => server.state === 'DRAIN').map(({ jobId }) => ({ jobId, serviceId })),
  );
  if (draining.length === 0) return false;
  const sessions = await channelTo(deps, edge).sessions(edgePrefix);
  const done = draining.filter(({ jobId }) => (sessions.get(jobId) ?? 0) === 0);
  if (done.length > 0)
    await change(deps, async (current) => {
      if (!(await hasDuty(current.tx, deps.replica, 'EDGE'))) return;
      await setRotation(
        current.tx,
        done.map((each) => each.jobId),
        'OUT',
      );
      await markDue(current.tx, [...new Set(done.map((each) => each.serviceId))]);
      current.nudge('due');
    });
  return true;
}

function inputOf(edge: EdgeSettings, wanted: EdgeRotation): Omit<EdgeInput, 'control'> {
  if (!isIPv4(edge.host)) throw new Error(`the edge needs an IPv4 address: ${edge.host}`);
  const { host: address, httpPort: plainPort, httpsPort: securePort, controlPort } = edge;
  return {
    ...{ address, plainPort, securePort, controlPort, ...size },
    slots: edgeSlots,
    environments: environmentsOf(wanted),
  };
}

function environmentsOf({ services, places }: EdgeRotation): EdgeEnvironment[] {
  return services.flatMap(({ serviceId, servers }): EdgeEnvironment[] => {
    const place = places[serviceId];
    return place === undefined ? [] : [{ ...place, proxies: servers }];
  });
}

function channelTo(deps: Deps, edge: EdgeSettings): RuntimeApi {
  return openRuntimeApi({
    address: '127.0.0.1',
    port: edge.controlPort,
    serverName: nameOf(deps),
    authorityPem: deps.controlKeys.authority.certificate,
    clientCertificatePem: deps.controlKeys.client.chain,
    clientKeyPem: deps.controlKeys.client.privateKey,
  });
}

/** One edge for each installation; others on the machine have other ports. */
function nameOf({ installation }: Deps): string {
  return `berth-edge-${installation.id}`;
}
