// The ways on which the orchestrator passes its named points, each as a service in a state and a wish that sets it going.
// A point is counted on the way where it occurs by nature.
import { randomBytes } from 'node:crypto';
import Docker from 'dockerode';
import { deleteService } from '../../src/control/delete-service.ts';
import { deployWorker } from '../../src/control/workers.ts';
import { newId } from '../../src/ids.ts';
import { containerName, isAlive } from '../../src/model/jobs.ts';
import { restartBudget } from '../../src/model/steady.ts';
import type { StepName } from '../../src/orchestrator/points.ts';
import { insertJobs, listJobsToJudge } from '../../src/postgres/jobs.ts';
import { listRedeploysById } from '../../src/postgres/redeploys.ts';
import { listServicesById } from '../../src/postgres/services.ts';
import {
  askRedeploy,
  endOfRedeploy,
  goodCommands,
  lateCommands,
  newRelease,
  newService,
  redeployed,
  type Service,
  until,
  type World,
} from '../support/world.ts';

export interface Witness {
  /** Answers with everything that was not as it must be. */
  end(): Promise<string[]>;
}

export interface Way {
  readonly name: string;
  readonly steps: readonly StepName[];
  /** Whether its service can go the same way again afterwards. */
  readonly lasting: boolean;
  /** How long it takes beside others. */
  readonly weight?: number;
  /** Sees what becomes of its service on the way. */
  watch?(world: World, service: Service, scale: number): Promise<Witness>;
  prepare(world: World, scale: number): Promise<Service>;
  /** What comes before the part of the way that the points are on. */
  approach?(world: World, service: Service): Promise<string>;
  /** Sets it going. */
  begin(world: World, service: Service, redeployId: string | undefined): Promise<string | undefined>;
  /** While nobody is there to carry anything out. */
  meanwhile?(world: World, redeployId: string | undefined): Promise<void>;
  /** Checks the end, beyond what the oracle checks. */
  end(world: World, service: Service, redeployId: string | undefined): Promise<void>;
}

/** On the way of every redeploy. */
export const stepsToNew: readonly StepName[] = [
  'BEGIN',
  'PREPARE',
  'OBTAIN_IMAGE',
  'ENTER_START_NEW',
  'START_JOB',
  'ENTER_VERIFY',
  'VERIFY_JOB',
];

/** Unlike sites, whose jobs are seen healthy along with their start. */
export async function runningService(world: World, scale: number): Promise<Service> {
  const service = await newService(world, { scale, commands: lateCommands });
  const { serviceId } = service;
  await redeployed(world, serviceId);
  await deployWorker(world.control, world.caller, { serviceId, target: 'worker', count: 1 });
  return service;
}

export async function expectState(
  world: World,
  redeployId: string | undefined,
  state: string,
): Promise<void> {
  await endOfRedeploy(world, redeployId ?? '', 60_000);
  const [row] = await listRedeploysById(world.control.store.db, [redeployId ?? '']);
  if (row?.state !== state)
    throw new Error(`It should end ${state} and has ended ${row?.state}: ${row?.cause?.message}`);
}

export const succeeding: Way = {
  name: 'success',
  steps: [...stepsToNew, 'STOP_JOB', 'CLEAN_JOB', 'END'],
  lasting: true,
  prepare: runningService,
  begin: (world, { serviceId }) => askRedeploy(world, serviceId),
  end: (world, _service, redeployId) => expectState(world, redeployId, 'SUCCEEDED'),
};

const failing: Way = {
  name: 'failure',
  steps: ['FAIL', 'ENTER_RESTORE'],
  lasting: true,
  prepare: runningService,
  begin: async (world, { serviceId }) => {
    await newRelease(world, serviceId, { ...goodCommands, web: 'echo I can not; exit 4' });
    return askRedeploy(world, serviceId);
  },
  end: (world, _service, redeployId) => expectState(world, redeployId, 'ROLLED_BACK'),
};

export const unhealthy: Way = {
  ...failing,
  name: 'failing health',
  begin: async (world, { serviceId }) => {
    await newRelease(world, serviceId, { ...goodCommands, web: 'sleep 1000' });
    return askRedeploy(world, serviceId);
  },
};

const dying: Way = {
  name: 'death',
  steps: ['OBSERVE', 'REPLACE'],
  lasting: false,
  prepare: runningService,
  begin: async (world, service) => {
    await removeOne(world, service);
    return undefined;
  },
  end: async () => {},
};

/** Service → the second after which its jobs no longer listen. */
const lastSeconds = new Map<string, number>();
const now = async () => Math.floor(Date.now() / 1000);

/** Replaced jobs never listen, because the time for that is over. */
const neverHealthyAgain: Way = {
  name: 'unhealthy replacement',
  steps: ['MARK_UNHEALTHY'],
  lasting: false,
  prepare: async (world) => {
    const last = (await now()) + 4;
    const web = `[ $(date +%s) -le ${last} ] && httpd -p 8080 -h /tmp; sleep 1000`;
    const service = await newService(world, { commands: { web } });
    lastSeconds.set(service.serviceId, last);
    const row = await redeployed(world, service.serviceId);
    if (row.state !== 'SUCCEEDED') throw new Error(`It was not healthy in time: ${row.cause?.message}`);
    return service;
  },
  begin: async (world, service) => {
    await until('the time is over', now, (second) => second > (lastSeconds.get(service.serviceId) ?? 0));
    await removeOne(world, service);
    return undefined;
  },
  end: async (world, { serviceId }) => {
    await until(
      'its replacement is unhealthy',
      () => jobsToJudge(world, serviceId),
      (jobs) => jobs.some((job) => job.health === 'UNHEALTHY'),
    );
    // Peace again, for the oracle wants healthy jobs.
    await newRelease(world, serviceId, goodCommands);
    await redeployed(world, serviceId);
  },
};

/** The deaths before the last one are written down instead of waited for. */
const givenUp: Way = {
  name: 'given up',
  steps: ['MARK_FAILING'],
  lasting: false,
  prepare: async (world) => {
    const service = await newService(world);
    await redeployed(world, service.serviceId);
    return service;
  },
  begin: async (world, service) => {
    await writeDeaths(world, service, restartBudget.deaths);
    await removeOne(world, service);
    return undefined;
  },
  end: async (world, { serviceId }) => {
    await until(
      'the service is failing',
      async () => (await listServicesById(world.control.store.db, [serviceId]))[0],
      (service) => service?.failingSince != null,
    );
  },
};

const deleting: Way = {
  name: 'deletion',
  steps: ['CLEAR_AWAY'],
  lasting: false,
  prepare: async (world) => {
    const service = await newService(world);
    await redeployed(world, service.serviceId);
    return service;
  },
  begin: async (world, { serviceId, label }) => {
    await deleteService(world.control, world.caller, { serviceId, confirm: label });
    return undefined;
  },
  end: async () => {},
};

/** Of services that no proxy leads to. */
export const ways: readonly Way[] = [succeeding, failing, dying, neverHealthyAgain, givenUp, deleting];

function jobsToJudge(world: World, serviceId: string) {
  return listJobsToJudge(world.control.store.db, serviceId, [], 3_600);
}

export async function removeOne(world: World, { serviceId }: Service): Promise<void> {
  const jobs = await jobsToJudge(world, serviceId);
  const job = jobs.find((each) => isAlive(each) && each.type === 'DEPLOY');
  await new Docker().getContainer(containerName(job?.id ?? '')).remove({ force: true });
}

async function writeDeaths(world: World, service: Service, count: number): Promise<void> {
  const { environmentId, serviceId } = service;
  const [row] = await listServicesById(world.control.store.db, [serviceId]);
  const now = new Date();
  const dead = Array.from({ length: count }, () => ({
    id: newId(),
    environmentId,
    serviceId,
    redeployId: row?.runningRedeployId ?? null,
    type: 'DEPLOY' as const,
    state: 'FAILED' as const,
    image: `sha256:${randomBytes(32).toString('hex')}`,
    cleaned: true,
    stoppedAt: now,
  }));
  await world.control.store.db.transaction((tx) => insertJobs(tx, dead));
}
