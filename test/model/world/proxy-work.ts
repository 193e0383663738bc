// The service proxies of the tiny world, and the steps that bring them to what is wanted. What a proxy really does is what
// it has in memory; after its own restart that is what its files say.
import { isAlive } from '../../../src/model/jobs.ts';
import { type ProxyStep, proxySteps } from '../../../src/model/proxy-steps.ts';
import { changedServices, type ProxyRotation, standOf, wantedRotation } from '../../../src/model/rotation.ts';
import { type Doing, engine, perform, Trouble, type UnderWay } from './performing.ts';
import { isReallyHealthy, type SimProxy, tell, type World } from './world.ts';

const service = { id: 'shop', maintenance: false };

export function wanted({ jobs }: World): ProxyRotation {
  const rotated = jobs
    .filter(({ state }) => state === 'RUNNING' || state === 'STOPPING')
    .map(({ id, address, rotation, health }) => {
      return { id, serviceId: service.id, address, rotation, healthy: health === 'HEALTHY' };
    });
  return wantedRotation([service], rotated, { challenges: {}, certificates: {} }, 8080);
}

export function standing(world: World): 'NONE' | 'BEHIND' | 'CURRENT' {
  const views = world.proxies
    .filter(({ listed }) => listed)
    .map(({ id, applied }) => ({ jobId: id, applied, routed: [service.id] }));
  return standOf(views, service.id, wanted(world));
}

export function stepsOfProxies(world: World): ProxyStep[] {
  const draining = world.jobs
    .filter((job) => isAlive(job) && job.rotation === 'DRAINING')
    .map(({ id }) => id);
  const jobs = world.proxies
    .filter(({ listed }) => listed)
    .map(({ id, applied }) => ({
      id,
      applied,
      type: 'DEPLOY' as const,
      state: 'RUNNING' as const,
      health: 'HEALTHY' as const,
    }));
  return proxySteps(jobs, wanted(world), draining);
}

export function syncProxy(world: World, proxyId: string, underWay: UnderWay): Doing<void> {
  function* effect(): Doing<ProxyRotation> {
    const proxy = getProxy(world, proxyId);
    const rotation = wanted(world);
    // The engine writes them whether the proxy runs or not.
    yield* engine(world);
    const { applied } = proxy;
    if (applied !== null) proxy.applied = { ...applied, doubtful: changedServices(applied, rotation) };
    proxy.files = rotation;
    yield world.chance.between(1, 100);
    yield* answer(world, proxy);
    proxy.memory = rotation;
    return rotation;
  }
  return perform(world, underWay, effect, (rotation) => {
    const proxy = world.proxies.find(({ id }) => id === proxyId);
    if (proxy === undefined) return;
    proxy.applied = rotation;
    tell(world, () => `${proxyId} has ${textOf(rotation)}`);
  });
}

export function watchDrain(world: World, underWay: UnderWay): Doing<void> {
  function* effect(): Doing<string[]> {
    const end = world.now + 3_000;
    for (;;) {
      for (const proxy of world.proxies) if (proxy.listed) yield* answer(world, proxy);
      const done = world.jobs
        .filter((job) => job.rotation === 'DRAINING' && world.now > job.lastReadyAt + job.fate.sessionMs)
        .map(({ id }) => id);
      if (done.length > 0 || world.now >= end || underWay.aborted) return done;
      yield 200;
    }
  }
  return perform(world, underWay, effect, (done) => {
    for (const job of world.jobs)
      if (job.rotation === 'DRAINING' && done.includes(job.id)) job.rotation = 'OUT';
  });
}

function* answer(world: World, proxy: SimProxy): Doing<void> {
  if (proxy.serving && world.now >= proxy.answersFrom) return;
  yield 300;
  throw new Trouble(`${proxy.id} does not answer`);
}

function getProxy({ proxies }: World, proxyId: string): SimProxy {
  const proxy = proxies.find(({ id }) => id === proxyId);
  if (proxy === undefined) throw new Trouble(`${proxyId} has gone`);
  return proxy;
}

/** Jobs that a request through this proxy may reach. */
export function readyJobs({ jobs }: World, { memory }: SimProxy): string[] {
  const listed = memory.services.flatMap(({ servers }) => servers).filter(({ state }) => state === 'READY');
  return listed.map(({ jobId }) => jobId).filter((id) => jobs.some((job) => job.id === id));
}

export function healthyReady(world: World, proxy: SimProxy): number {
  const ready = readyJobs(world, proxy);
  return world.jobs.filter((job) => ready.includes(job.id) && isReallyHealthy(job, world.now)).length;
}

export function textOf({ services }: ProxyRotation): string {
  return services.flatMap(({ servers }) => servers.map(({ jobId, state }) => `${jobId} ${state}`)).join(', ');
}
