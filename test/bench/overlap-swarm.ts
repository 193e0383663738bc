// Docker Swarm at its best, on an engine of its own: new tasks first, both at once, a health check twice a second, no pause,
// a short watch afterwards. Without IPVS there are no virtual addresses, so the proxy asks for the tasks' names.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import Docker from 'dockerode';
import { startLoad } from '../load/load.ts';
import type { LoadOptions } from '../load/load-main.ts';
import { findObstacle, openPrivateEngine, type PrivateEngine } from '../support/private-engine.ts';
import { appWords, type Contestant, type Images, limits, patienceMs } from './overlap-contest.ts';
import { startPeerProxy } from './overlap-proxy.ts';

const millisecond = 1_000_000;

export async function openSwarm(images: Images, abrupt: boolean): Promise<Contestant | string> {
  const obstacle = await findObstacle();
  if (obstacle !== undefined) return obstacle;
  const directory = await mkdtemp(join(tmpdir(), 'berth-swarm-'));
  const engine = await openPrivateEngine(directory, { liveRestore: false });
  const close = async (): Promise<void> => {
    await engine.close();
    await rm(directory, { recursive: true, force: true });
  };
  try {
    return { ...(await furnish(engine, images, abrupt)), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function furnish(
  engine: PrivateEngine,
  images: Images,
  abrupt: boolean,
): Promise<Omit<Contestant, 'close'>> {
  const docker = new Docker({ socketPath: engine.host.replace('unix://', '') });
  await docker.swarmInit({ ListenAddr: '127.0.0.1:2377', AdvertiseAddr: '127.0.0.1' });
  for (const image of [images.app, images.haproxy]) {
    const stream = await new Docker().getImage(image).get();
    const said = await docker.loadImage(stream);
    await new Promise((resolve) => docker.modem.followProgress(said, resolve));
  }
  const overlay = await newNetwork(docker, 'tasks', 'overlay', '10.215.0.0/24');
  await newNetwork(docker, 'reached', 'bridge', '10.216.0.0/24');
  const service = await docker.createService(serviceSpec(images.app, overlay, abrupt));
  await settled(docker, service.id, 0);
  const { way } = await startPeerProxy(docker, {
    imageId: images.haproxy,
    labels: {},
    networks: ['reached', 'tasks'],
    servers: 'tasks.web',
  });
  await untilServed(way, engine.within);
  return {
    name: 'Docker Swarm, start-first',
    way,
    within: engine.within,
    redeploy: async () => {
      await settled(docker, service.id, await forceUpdate(docker, service.id));
    },
  };
}

/** Answers with its number. The Swarm's own notes on its last update come between reading and writing now and then. */
async function forceUpdate(docker: Docker, id: string): Promise<number> {
  const service = docker.getService(id);
  for (let attempt = 1; ; attempt++) {
    const { Version, Spec } = (await service.inspect()) as Inspected;
    const ForceUpdate = (Spec.TaskTemplate.ForceUpdate ?? 0) + 1;
    const TaskTemplate = { ...Spec.TaskTemplate, ForceUpdate };
    try {
      await service.update({ ...Spec, TaskTemplate, version: Version.Index });
      return ForceUpdate;
    } catch (error) {
      if (attempt === 10 || !String(error).includes('out of sequence')) throw error;
    }
  }
}

interface Inspected {
  readonly Version: { readonly Index: number };
  readonly Spec: { readonly TaskTemplate: { readonly ForceUpdate?: number } };
  readonly UpdateStatus?: { readonly State: string };
}

async function newNetwork(docker: Docker, name: string, driver: string, subnet: string): Promise<string> {
  const IPAM = { Driver: 'default', Config: [{ Subnet: subnet }] };
  const { id } = await docker.createNetwork({
    Name: name,
    Driver: driver,
    Attachable: driver === 'overlay',
    IPAM,
  });
  return id;
}

function serviceSpec(image: string, network: string, abrupt: boolean): Docker.CreateServiceOptions {
  return {
    Name: 'web',
    TaskTemplate: {
      ContainerSpec: {
        Image: image,
        Command: [...appWords(abrupt)],
        Init: true,
        StopGracePeriod: 30_000 * millisecond,
        HealthCheck: {
          Test: ['CMD', 'wget', '-q', '-O', '/dev/null', 'http://127.0.0.1:8080/'],
          Interval: 500 * millisecond,
          Timeout: 5_000 * millisecond,
          Retries: 3,
        },
      },
      Resources: { Limits: { MemoryBytes: limits.memoryBytes, NanoCPUs: limits.cpuMillis * millisecond } },
      RestartPolicy: { Condition: 'any', Delay: 0 },
      Networks: [{ Target: network }],
    },
    Mode: { Replicated: { Replicas: 2 } },
    UpdateConfig: {
      Parallelism: 2,
      Order: 'start-first',
      Delay: 0,
      Monitor: 100 * millisecond,
      FailureAction: 'rollback',
    },
    EndpointSpec: { Mode: 'dnsrr' },
  };
}

/** Two tasks run, of that update, and what was before them has ended. */
async function settled(docker: Docker, id: string, update: number): Promise<void> {
  for (const end = performance.now() + patienceMs; ; await sleep(50)) {
    const [{ UpdateStatus }, tasks] = await Promise.all([
      docker.getService(id).inspect() as Promise<Inspected>,
      docker.listTasks({ filters: { service: [id] } }) as Promise<Task[]>,
    ]);
    const state = UpdateStatus?.State ?? 'completed';
    const running = tasks.filter((task) => task.Status.State === 'running');
    const fresh = running.filter((task) => (task.Spec.ForceUpdate ?? 0) === update);
    if (state === 'completed' && fresh.length === 2 && running.length === 2) return;
    if (state.startsWith('rollback') || performance.now() > end) {
      const seen = JSON.stringify(tasks.map((task) => task.Status));
      throw new Error(`the swarm's service doesn't settle: ${state} ${seen}`);
    }
  }
}

interface Task {
  readonly Spec: { readonly ForceUpdate?: number };
  readonly Status: { readonly State: string };
}

/** By a load of a moment, because only that can be where the way begins. */
async function untilServed(way: LoadOptions, within: readonly string[]): Promise<void> {
  for (const end = performance.now() + patienceMs; ; ) {
    const { requests } = await startLoad(way, within).end();
    if (requests.failed === 0) return;
    if (performance.now() > end) throw new Error(`no answer through the proxy: ${requests.failures[0]?.why}`);
  }
}
