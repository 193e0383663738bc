// The ways of services behind a proxy, by both strategies: to success, to failing health, and back again after the switch,
// asked for while the control plane lives and while it is away. Visitors ask all the time, and what they may see beside
// good answers belongs to the way.

import { cancelRedeploy } from '../../src/control/redeploy.ts';
import { deployWorker } from '../../src/control/workers.ts';
import { Conflict } from '../../src/errors.ts';
import type { JobRow } from '../../src/postgres/jobs.ts';
import { listRedeploysById } from '../../src/postgres/redeploys.ts';
import { addressOf, openSite, runningJobs, type Site, sendVisitors, siteCommands } from '../support/site.ts';
import { askRedeploy, endOfRedeploy, newRelease, type Service, until, type World } from '../support/world.ts';
import { expectState, stepsToNew, type Way } from './paths.ts';
import { letInStranger, witness } from './witness.ts';

const overlapSeconds = 1;
/** Long enough to be met in the midst of it. */
const longOverlapSeconds = 30;

/** Between the old jobs and the new ones there is nobody to ask. */
const pausing: Way['watch'] = (world, service, scale) => witness(world, siteOf(service), ['503'], scale);
const unnoticed: Way['watch'] = (world, service, scale) => witness(world, siteOf(service), [], scale);

function siteOf(service: Service): Site {
  if (!('proxyId' in service)) throw new Error('its service is no site');
  return service as Site;
}

const overlap = (seconds: number) => ({ overlapSeconds: seconds });

async function runningSite(
  world: World,
  scale: number,
  options: { readonly overlapSeconds?: number; readonly workers?: number } = {},
): Promise<Site> {
  const { workers: count = 1, ...rest } = options;
  const site = await openSite(world, { scale, ...rest });
  const { serviceId } = site;
  if (count > 0) await deployWorker(world.control, world.caller, { serviceId, target: 'worker', count });
  await letInStranger(world, site);
  return site;
}

async function askWithRelease(world: World, { serviceId }: Service, web = siteCommands.web): Promise<string> {
  await newRelease(world, serviceId, { ...siteCommands, web });
  return askRedeploy(world, serviceId);
}

const recreating: Way = {
  name: 'RECREATE',
  steps: [
    ...stepsToNew,
    'DRAIN_JOB',
    'STOP_JOB',
    'ENTER_SWITCH',
    'SYNC_PROXY',
    'WATCH_DRAIN',
    'CLEAN_JOB',
    'END',
  ],
  lasting: true,
  watch: pausing,
  // A worker may be the last to be healthy, and then nobody is waited for to take over the rotation.
  prepare: (world, scale) => runningSite(world, scale, { workers: 0 }),
  begin: (world, service) => askWithRelease(world, service),
  end: (world, _service, redeployId) => expectState(world, redeployId, 'SUCCEEDED'),
};

const overlapping: Way = {
  name: 'OVERLAP',
  steps: [
    ...stepsToNew,
    'SWITCH',
    'ENTER_OVERLAP',
    'ENTER_DRAIN',
    'SYNC_PROXY',
    'WATCH_DRAIN',
    'STOP_JOB',
    'CLEAN_JOB',
    'END',
  ],
  lasting: true,
  watch: unnoticed,
  prepare: (world, scale) => runningSite(world, scale, overlap(overlapSeconds)),
  begin: (world, service) => askWithRelease(world, service),
  end: (world, _service, redeployId) => expectState(world, redeployId, 'SUCCEEDED'),
};

const neverListening = 'sleep 1000';

const unhealthyRecreate: Way = {
  name: 'RECREATE, failing health',
  steps: [
    ...stepsToNew,
    'DRAIN_JOB',
    'STOP_JOB',
    'SYNC_PROXY',
    'WATCH_DRAIN',
    'FAIL',
    'ENTER_RESTORE',
    'CLEAN_JOB',
    'END',
  ],
  weight: 1.6,
  lasting: true,
  watch: pausing,
  prepare: (world, scale) => runningSite(world, scale),
  begin: (world, service) => askWithRelease(world, service, neverListening),
  end: (world, _service, redeployId) => expectState(world, redeployId, 'ROLLED_BACK'),
};

const unhealthyOverlap: Way = {
  name: 'OVERLAP, failing health',
  steps: [...stepsToNew, 'FAIL', 'STOP_JOB', 'CLEAN_JOB', 'END'],
  weight: 1.6,
  lasting: true,
  watch: unnoticed,
  prepare: (world, scale) => runningSite(world, scale, overlap(overlapSeconds)),
  begin: (world, service) => askWithRelease(world, service, neverListening),
  end: (world, _service, redeployId) => expectState(world, redeployId, 'FAILED'),
};

async function reachOverlap(world: World, service: Service): Promise<string> {
  const redeployId = await askWithRelease(world, service);
  await until(
    'the old jobs run beside the new ones',
    async () => (await listRedeploysById(world.control.store.db, [redeployId]))[0]?.phases,
    (phases) => phases?.at(-1)?.phase === 'OVERLAP',
    40_000,
  );
  return redeployId;
}

const canceled: Way = {
  name: 'OVERLAP, canceled after the switch',
  steps: ['FAIL', 'SWITCH_BACK', 'SYNC_PROXY', 'WATCH_DRAIN', 'STOP_JOB', 'CLEAN_JOB', 'END'],
  weight: 1.6,
  lasting: true,
  watch: unnoticed,
  prepare: (world, scale) => runningSite(world, scale, overlap(longOverlapSeconds)),
  approach: reachOverlap,
  begin: async (world, _service, redeployId = '') => {
    await cancelRedeploy(world.control, world.caller, { redeployId });
    return redeployId;
  },
  end: (world, _service, redeployId) => expectState(world, redeployId, 'CANCELED'),
};

/** From DRAIN on a cancel is refused, and then it goes on to success. */
const canceledMeanwhile: Way = {
  name: 'OVERLAP, canceled while nobody is there',
  steps: ['SWITCH', 'ENTER_OVERLAP', 'ENTER_DRAIN', 'SYNC_PROXY', 'WATCH_DRAIN'],
  lasting: true,
  watch: unnoticed,
  prepare: (world, scale) => runningSite(world, scale, overlap(overlapSeconds)),
  begin: (world, service) => askWithRelease(world, service),
  meanwhile: async (world, redeployId = '') => {
    try {
      await cancelRedeploy(world.control, world.caller, { redeployId });
    } catch (error) {
      if (!(error instanceof Conflict)) throw error;
    }
  },
  end: async (world, _service, redeployId = '') => {
    const { state, phases, cancelRequested } = await endOfRedeploy(world, redeployId, 60_000);
    const wanted = cancelRequested ? 'CANCELED' : 'SUCCEEDED';
    const beyond = phases.some(({ phase }) => phase === 'DRAIN');
    if (state !== wanted || beyond === cancelRequested)
      throw new Error(`canceled: ${cancelRequested}, drained: ${beyond}, and it has ended ${state}`);
  },
};

/** Some have begun what takes a while, so that the old jobs are still being drained when they are to stay. */
const calledOff: Way = {
  name: 'RECREATE, called off in the midst of draining',
  steps: ['FAIL', 'ENTER_RESTORE', 'PUT_IN'],
  weight: 1.6,
  lasting: true,
  watch: pausing,
  prepare: (world, scale) => runningSite(world, scale),
  begin: async (world, service) => {
    const site = siteOf(service);
    const address = await addressOf(world, site);
    const visitors = Array.from({ length: 6 }, () => sendVisitors(address, site.host));
    try {
      const redeployId = await askWithRelease(world, service);
      const draining = (rows: readonly JobRow[]) => rows.some(({ rotation }) => rotation === 'DRAINING');
      await until('an old job is drained', () => runningJobs(world, service.serviceId), draining, 20_000);
      await cancelRedeploy(world.control, world.caller, { redeployId });
      return redeployId;
    } finally {
      await Promise.all(visitors.map((each) => each.end()));
    }
  },
  end: (world, _service, redeployId) => expectState(world, redeployId, 'CANCELED'),
};

export const siteWays = {
  recreating,
  overlapping,
  unhealthyRecreate,
  unhealthyOverlap,
  canceled,
  canceledMeanwhile,
  calledOff,
} as const satisfies Readonly<Record<string, Way>>;
