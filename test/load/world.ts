// A world with a load's application in it: an environment with its service proxy, behind a pod's edge of its own, and a
// code service of scale 2 that runs app.ts. Its redeploys are by OVERLAP.
import { request } from 'node:http';
import { createEnvironment } from '../../src/control/environments.ts';
import { updateService } from '../../src/control/update-service.ts';
import { listJobsById, listJobsToCompare } from '../../src/postgres/jobs.ts';
import { findOpenRedeploys, type RedeployRow } from '../../src/postgres/redeploys.ts';
import { listServicesOf } from '../../src/postgres/services.ts';
import { edgeSettings } from '../support/free-ports.ts';
import { newRelease, openWorld, redeployed, until, type World } from '../support/world.ts';
import { appCommand, buildAppImage } from './image.ts';
import { usualLoad } from './load.ts';
import type { LoadOptions } from './load-main.ts';

export interface LoadWorld {
  readonly world: World;
  readonly environmentId: string;
  readonly serviceId: string;
  readonly proxyId: string;
  readonly host: string;
  /** The ways in, for a load: through the environment's proxy, and through the edge before it. */
  readonly throughProxy: LoadOptions;
  readonly throughEdge: LoadOptions;
  close(): Promise<void>;
}

const namespace = 'shop';
const domain = 'test.local';
export const scale = 2;

export async function openLoadWorld(url: string): Promise<LoadWorld> {
  const edge = await edgeSettings();
  const world = await openWorld(url, { settings: { included: ['SERVICE_PROXY'], domain, edge } });
  try {
    return await furnish(world, edge.httpPort);
  } catch (error) {
    await world.close();
    throw error;
  }
}

async function furnish(world: World, edgePort: number): Promise<LoadWorld> {
  const imageId = await buildAppImage(world.engine.id);
  const { ids } = await createEnvironment(world.control, world.caller, {
    name: 'Shop',
    namespace,
    kind: 'SANDBOX',
    services: [{ type: 'CODE', label: 'web', scale, size: { memoryMiB: 128, cpuMillis: 1_000 } }],
  });
  const { environmentId } = ids;
  const services = await listServicesOf(world.control.store.db, environmentId);
  const idOf = (type: string) => services.find((row) => row.type === type)?.id ?? '';
  const [serviceId, proxyId] = [idOf('CODE'), idOf('SERVICE_PROXY')];
  await newRelease(world, serviceId, { web: appCommand }, imageId);
  const first = await redeployed(world, serviceId);
  if (first.state !== 'SUCCEEDED') throw new Error(`the first redeploy: ${first.state}`);
  const host = `${namespace}.${domain}`;
  const throughProxy = { ...usualLoad, host, address: await proxyAddress(world, proxyId), port: 8080 };
  const throughEdge = { ...usualLoad, host, address: '127.0.0.1', port: edgePort };
  for (const way of [throughProxy, throughEdge]) await untilAnswered(way);
  return {
    ...{ world, environmentId, serviceId, proxyId, host, throughProxy, throughEdge },
    close: () => world.close(),
  };
}

export async function untilAnswered({ address, port, host }: LoadOptions): Promise<void> {
  const ask = () =>
    new Promise<string>((resolve) => {
      const asking = request({ host: address, port, headers: { host }, agent: false }, (response) => {
        response.resume();
        resolve(String(response.statusCode));
      });
      asking.on('error', (error) => resolve(error.message));
      asking.end();
    });
  await until(`an answer from ${address}:${port}`, ask, (status) => status === '200', 60_000);
}

/** Once it is deployed. */
async function proxyAddress({ control }: World, proxyId: string): Promise<string> {
  const { db } = control.store;
  await until(
    'the proxy is deployed',
    () => findOpenRedeploys(db, [proxyId]),
    (open) => open.size === 0,
    120_000,
  );
  const running = (await listJobsToCompare(db)).filter((job) => job.serviceId === proxyId);
  const [job] = await listJobsById(
    db,
    running.map((each) => each.id),
  );
  if (job?.address == null) throw new Error('the proxy has no address');
  return job.address;
}

/** One redeploy by OVERLAP, whose old jobs overlap for so long; throws unless it succeeds. */
export async function redeployByOverlap(
  { world, serviceId }: LoadWorld,
  overlapSeconds: number,
): Promise<RedeployRow> {
  await updateService(world.control, world.caller, { serviceId, overlapSeconds });
  const redeploy = await redeployed(world, serviceId);
  const { state, strategy, cause } = redeploy;
  if (state !== 'SUCCEEDED' || strategy !== 'OVERLAP')
    throw new Error(`the redeploy by ${strategy}: ${state} ${JSON.stringify(cause)}`);
  return redeploy;
}
