// Which redeploys go through which calls to the engine: those of the crash matrix, and some of services that it doesn't
// have: a database, whose volume no two may write to, and the service proxy itself.
import { createService } from '../../src/control/create-service.ts';
import { deleteEnvironment } from '../../src/control/environments.ts';
import { updateService } from '../../src/control/update-service.ts';
import { volumeName } from '../../src/model/jobs.ts';
import { listEnvironmentsById } from '../../src/postgres/environments.ts';
import { expectState, succeeding, unhealthy, type Way, type Witness } from '../crash/paths.ts';
import { siteWays } from '../crash/site-paths.ts';
import { openSite } from '../support/site.ts';
import { askRedeploy, endOfRedeploy, newEnvironment, type Service, type World } from '../support/world.ts';
import { watchWriters } from '../support/writers.ts';
import type { CallName } from './calls.ts';

export interface Road {
  readonly way: Way;
  readonly calls: readonly CallName[];
}

async function newDatabase(world: World): Promise<Service & { readonly redeployId: string }> {
  const environmentId = await newEnvironment(world);
  const kind = { type: 'DATABASE', runtime: 'POSTGRESQL', version: '15', label: 'db' } as const;
  const { ids } = await createService(world.control, world.caller, { ...kind, environmentId });
  if (!('redeployId' in ids)) throw new Error('a new database is deployed at once');
  return { ...kind, environmentId, serviceId: ids.serviceId, redeployId: ids.redeployId };
}

/** S15. */
async function watchVolume(_world: World, { serviceId }: Service): Promise<Witness> {
  const writers = watchWriters(volumeName(serviceId));
  return {
    end: async () => {
      const { most, samples } = await writers.stop();
      return [
        ...(most > 1 ? [`S15 ${most} jobs had the volume at once`] : []),
        ...(samples < 5 ? [`S15 was looked at only ${samples} times`] : []),
      ];
    },
  };
}

const keepingData: Way = {
  name: 'database',
  steps: [],
  lasting: true,
  watch: watchVolume,
  prepare: async (world) => {
    const service = await newDatabase(world);
    await endOfRedeploy(world, service.redeployId);
    return service;
  },
  begin: (world, { serviceId }) => askRedeploy(world, serviceId),
  end: (world, _service, redeployId) => expectState(world, redeployId, 'SUCCEEDED'),
};

/** The first of all in an environment of its own, which goes with it afterwards. */
const firstOfAll: Way = {
  name: 'first redeploy',
  steps: [],
  weight: 2,
  lasting: false,
  prepare: async () => ({ environmentId: '', serviceId: '', label: '' }),
  begin: async (world) => (await newDatabase(world)).redeployId,
  end: async (world, _service, redeployId) => {
    await expectState(world, redeployId, 'SUCCEEDED');
    const { environmentId } = await endOfRedeploy(world, redeployId ?? '');
    const [environment] = await listEnvironmentsById(world.control.store.db, [environmentId]);
    const confirm = environment?.namespace ?? '';
    await deleteEnvironment(world.control, world.caller, { environmentId, confirm });
  },
};

const ofProxy: Way = {
  name: 'service proxy',
  steps: [],
  weight: 1.5,
  lasting: true,
  prepare: async (world) => {
    const { environmentId, proxyId: serviceId, label } = await openSite(world, { scale: 1 });
    // So little that HAProxy's check of its configuration takes a while: else it may be over before it is waited for.
    await updateService(world.control, world.caller, { serviceId, size: { cpuMillis: 100 } });
    return { environmentId, serviceId, label };
  },
  begin: (world, { serviceId }) => askRedeploy(world, serviceId),
  end: (world, _service, redeployId) => expectState(world, redeployId, 'SUCCEEDED'),
};

const ofEvery: readonly CallName[] = [
  'find network',
  'inspect image',
  'create container',
  'start container',
  'inspect container',
  'stop container',
  'read log',
  'remove container',
];
const beneath: readonly CallName[] = ['list containers', 'list networks', 'list volumes', 'listen to events'];

/** Those that succeed when the fault is over. */
export const roads: readonly Road[] = [
  { way: succeeding, calls: [...ofEvery, ...beneath] },
  { way: siteWays.recreating, calls: [...ofEvery, ...beneath, 'put files'] },
  { way: siteWays.overlapping, calls: [...ofEvery, ...beneath, 'put files'] },
  { way: keepingData, calls: [...ofEvery, 'inspect volume'] },
  {
    way: firstOfAll,
    calls: [
      'find network',
      'create network',
      'inspect volume',
      'create volume',
      'create container',
      'start container',
    ],
  },
  { way: ofProxy, calls: [...ofEvery, 'inspect network', 'put files', 'wait for container'] },
];

/** Those that are undone, or brought back from a failure. */
export const roadsBack: readonly Road[] = [
  { way: unhealthy, calls: [...ofEvery, ...beneath] },
  { way: siteWays.unhealthyRecreate, calls: [...ofEvery, 'put files'] },
  { way: siteWays.unhealthyOverlap, calls: ofEvery },
  {
    way: siteWays.canceled,
    calls: ['inspect container', 'stop container', 'put files', 'read log', 'remove container'],
  },
];
