// What people, engine and platform do in a simulated world, by the deeds of its scenario.

import { createService } from '../../src/control/create-service.ts';
import { deleteService, stopService } from '../../src/control/delete-service.ts';
import { createEnvironment, deleteEnvironment } from '../../src/control/environments.ts';
import { runTask, startJob, stopJob } from '../../src/control/jobs.ts';
import { disableMaintenance, enableMaintenance } from '../../src/control/maintenance.ts';
import { cancelRedeploy, redeployService } from '../../src/control/redeploy.ts';
import { updateService } from '../../src/control/update-service.ts';
import { setVariables } from '../../src/control/variables.ts';
import { deployWorker, scaleWorker } from '../../src/control/workers.ts';
import { Refusal } from '../../src/errors.ts';
import { newId } from '../../src/ids.ts';
import { listEnvironmentsById } from '../../src/postgres/environments.ts';
import { insertRelease } from '../../src/postgres/redeploys.ts';
import {
  listServicesOf,
  type ServiceRow,
  saveWorkerCount,
  updateService as writeService,
} from '../../src/postgres/services.ts';
import { jobs } from '../../src/postgres/tables/jobs.ts';
import { redeploys } from '../../src/postgres/tables/redeploys.ts';
import { labels } from '../../src/runtime/runtime.ts';
import type { Container } from './engine.ts';
import type { Deed, Release, ServicePlan } from './scenario.ts';
import { die, leave, openPlane, type Plane, tell, type World } from './world.ts';

export interface Place {
  readonly environmentId: string;
}

/** An environment with its services, deployed for the first time. */
export async function settle(world: World): Promise<Place> {
  const { control, caller, scenario } = world;
  const namespace = `sim${scenario.seed}`;
  const made = await createEnvironment(control, caller, { name: namespace, namespace, kind: 'SANDBOX' });
  const { environmentId } = made.ids;
  for (const [index, plan] of scenario.services.entries())
    await addService(world, environmentId, plan, index);
  return { environmentId };
}

async function addService(
  world: World,
  environmentId: string,
  { kind, scale, workers, overlapSeconds, rollBack }: ServicePlan,
  index: number,
): Promise<void> {
  const { control, caller } = world;
  const label = `s${index}`;
  if (kind === 'DATABASE') {
    await createService(control, caller, { environmentId, type: 'DATABASE', runtime: 'POSTGRESQL', label });
    return;
  }
  const input = {
    environmentId,
    type: 'CODE' as const,
    label,
    scale,
    workerLimit: 5,
    size: { memoryMiB: 64 },
  };
  const { serviceId } = (await createService(control, caller, input)).ids;
  await updateService(control, caller, { serviceId, overlapSeconds, rollBack });
  if (workers > 0)
    await control.store.db.transaction((tx) => saveWorkerCount(tx, serviceId, 'worker', workers));
  await push(world, serviceId, world.scenario.first);
  await redeployService(control, caller, { serviceId });
}

/** What a good build leaves behind, and an image that may not be there any more. */
async function push(world: World, serviceId: string, release: Release): Promise<void> {
  const number = world.releases.push(release) - 1;
  const commit = `${number}`.padStart(40, '0');
  const imageId = world.engine.addImage(`app ${number}`, release.refused ? [] : ['CMD app']);
  if (release.imageMissing) world.engine.images.delete(imageId);
  const commands: Record<string, string> = release.refused
    ? { worker: `worker ${number}` }
    : { web: `web ${number}`, worker: `worker ${number}` };
  await world.control.store.db.transaction(async (tx) => {
    const row = { id: newId(), serviceId, commit, subject: 'A test', imageId, language: 'Test', commands };
    await insertRelease(tx, { ...row, buildJobId: newId() });
    await writeService(tx, serviceId, { releaseId: row.id });
  });
}

/** A refusal is an answer; anything else that is thrown is a fault. */
export async function happen(world: World, place: Place, deed: Deed): Promise<void> {
  tell(world, `— ${deed.do} ${deed.number} ${deed.ms} ms`);
  try {
    await perform(world, place, deed);
  } catch (error) {
    if (error instanceof Refusal) tell(world, `  refused: ${error.message}`);
    else world.faults.add(`${deed.do} threw ${error instanceof Error ? error.stack : error}`);
  }
}

async function perform(world: World, place: Place, deed: Deed): Promise<void> {
  const { control, caller } = world;
  const { db } = control.store;
  const { number, ms } = deed;
  const pick = <T>(list: readonly T[]): T | undefined => list[number % Math.max(1, list.length)];
  const services = (await listServicesOf(db, place.environmentId)).filter((row) => row.deletedAt === null);
  const service = pick(services.filter((row) => row.type !== 'SERVICE_PROXY'));
  const allOfRedeploys = () => db.select().from(redeploys).orderBy(redeploys.id);
  const allOfJobs = () => db.select().from(jobs).orderBy(jobs.id);
  switch (deed.do) {
    case 'REDEPLOY':
      if (service !== undefined) await redeploy(world, service, deed);
      return;
    case 'CANCEL': {
      const redeployId = (await allOfRedeploys()).at(-1 - (number % 2))?.id;
      if (redeployId !== undefined) await cancelRedeploy(control, caller, { redeployId });
      return;
    }
    case 'SCALE':
      if (service?.type === 'CODE')
        await updateService(control, caller, { serviceId: service.id, scale: number % 4 });
      return;
    case 'WORKERS':
      if (service?.type === 'CODE') await changeWorkers(world, service, number % 3);
      return;
    case 'STOP_JOB':
    case 'START_JOB': {
      const jobId = pick((await allOfJobs()).slice(-6))?.id;
      const ask = deed.do === 'STOP_JOB' ? stopJob : startJob;
      if (jobId !== undefined) await ask(control, caller, { jobId });
      return;
    }
    case 'STOP_SERVICE':
      if (service !== undefined) await stopService(control, caller, { serviceId: service.id });
      return;
    case 'SET_VARIABLE':
      if (service !== undefined)
        await setVariables(control, caller, {
          serviceId: service.id,
          variables: [{ name: 'SOMETHING', value: `${number}` }],
        });
      return;
    case 'RUN_TASK':
      if (service !== undefined) await runTask(control, caller, { serviceId: service.id, command: ['task'] });
      return;
    case 'MAINTENANCE': {
      const change = number % 2 === 0 ? enableMaintenance : disableMaintenance;
      if (service?.type === 'CODE') await change(control, caller, { serviceId: service.id });
      return;
    }
    case 'DELETE_SERVICE':
      if (service !== undefined)
        await deleteService(control, caller, { serviceId: service.id, confirm: service.label });
      return;
    case 'DELETE_ENVIRONMENT':
      await goAway(world, place);
      return;
    default:
      await befall(world, deed, ms, pick);
  }
}

export async function goAway({ control, caller }: World, { environmentId }: Place): Promise<void> {
  const [environment] = await listEnvironmentsById(control.store.db, [environmentId]);
  if (environment === undefined) return;
  await deleteEnvironment(control, caller, { environmentId, confirm: environment.namespace });
}

async function redeploy(world: World, service: ServiceRow, { number, release }: Deed): Promise<void> {
  const { control, caller } = world;
  if (service.type === 'CODE') await push(world, service.id, release);
  const deadlineSeconds = 10 + (number % 5);
  await redeployService(control, caller, { serviceId: service.id, deadlineSeconds });
}

async function changeWorkers({ control, caller }: World, { id }: ServiceRow, count: number): Promise<void> {
  const input = { serviceId: id, target: 'worker', count };
  try {
    await scaleWorker(control, caller, input);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    await deployWorker(control, caller, { ...input, count: count + 1 });
  }
}

/** What happens to engine and platform by itself. */
async function befall(
  world: World,
  deed: Deed,
  ms: number,
  pick: <T>(list: readonly T[]) => T | undefined,
): Promise<void> {
  const { engine, clock, troubles, installation } = world;
  const ours = [...engine.containers.values()].filter(
    ({ spec: { labels: own } }) => own[labels.installation] === installation.id && own.test === undefined,
  );
  const victim = pick(ours.filter(({ state }) => state === 'RUNNING'));
  const plane = pick(world.planes);
  switch (deed.do) {
    case 'KILL':
      if (victim !== undefined) engine.finish(victim, 137, deed.number % 2 === 0);
      return;
    case 'REMOVE':
      if (victim !== undefined) engine.remove(victim);
      return;
    case 'SICKEN':
      if (victim !== undefined) world.sick.set(victim.spec.name, clock.now() + 2 * ms + 5_000);
      return;
    case 'SQUAT':
      if (victim !== undefined) squat(world, victim);
      return;
    case 'FORGE':
      if (victim !== undefined) forge(world, victim, deed.number);
      return;
    case 'ENGINE_AWAY':
      troubles.awayUntil = clock.now() + ms;
      return;
    case 'PROXIES_AWAY':
      // Often for longer than a drain takes at most.
      troubles.proxiesAwayUntil = clock.now() + (deed.number % 2 === 0 ? ms : 10_000 + 2 * ms);
      return;
    case 'ENGINE_RESTARTS':
      troubles.awayUntil = clock.now() + ms;
      for (const listener of [...engine.listeners]) listener(undefined);
      return;
    case 'EVENTS_LOST':
      engine.listeners.clear();
      return;
    case 'NETWORK_GOES': {
      const busy = ours.some(({ state }) => state === 'RUNNING');
      if (!busy)
        for (const name of engine.networks.keys()) if (name !== 'theirs') engine.networks.delete(name);
      return;
    }
    default:
      if (plane !== undefined) await befallPlatform(world, plane, deed);
  }
}

/** Somebody else takes the name of a container of ours. */
function squat({ engine }: World, { spec }: Container): void {
  const ours = engine.containers.get(spec.name);
  if (ours !== undefined) engine.remove(ours);
  const { files: _none, volume: _nothing, ...rest } = spec;
  const others = { test: 'squatter', [labels.installation]: 'another' };
  engine.start(engine.create({ ...rest, labels: others, networkMode: 'NONE' }));
}

/** Somebody else copies every label of ours, under a name of their own. */
function forge({ engine }: World, { spec }: Container, number: number): void {
  const { files: _none, volume: _nothing, ...rest } = spec;
  const name = `forged-${number}-${engine.containers.size}`;
  const network = 'theirs';
  engine.networks.set(network, { name: network, labels: {} });
  engine.start(engine.create({ ...rest, name, network, labels: { ...spec.labels, test: 'forged' } }));
}

async function befallPlatform(world: World, plane: Plane, { do: what, number, ms }: Deed): Promise<void> {
  const { clock } = world;
  if (what === 'DIE_AT_POINT') {
    plane.pointsLeft = 1 + (number % 40);
    return;
  }
  if (what === 'HANG') {
    const hangMs = 8_000 + 2 * ms;
    tell(world, `process ${plane.number} is stopped`);
    world.awaySeconds += hangMs / 1000 + 20;
    plane.stopped = clock.sleep(hangMs).then(() => {
      plane.stopped = undefined;
      tell(world, `process ${plane.number} goes on`);
    });
    return;
  }
  if (what === 'CLOSE') await close(world, plane);
  else die(world, plane, 'by itself');
}

async function close(world: World, plane: Plane): Promise<void> {
  tell(world, `process ${plane.number} closes`);
  leave(world, plane);
  await plane.close();
  die(world, plane, 'in peace');
}

/** As many processes as there should be, each a while after the last has gone. */
export async function keepAlive(world: World, isOver: () => boolean): Promise<void> {
  const { clock, chance, scenario } = world;
  while (!isOver()) {
    if (world.planes.length < scenario.replicas) {
      const pause = chance.between(10, 1_500);
      await clock.sleep(pause);
      world.awaySeconds += pause / 1000 + 1;
      await openPlane(world);
    }
    await clock.sleep(250);
  }
}
