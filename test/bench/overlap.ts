// Redeploys of two jobs under load: Berth by OVERLAP, Docker Swarm start-first, docker-compose; for an application that
// finishes its answers when it is told to stop, and for one that ends at once. And the redeploy of a service proxy itself
// behind the edge, counted for new connections and for kept ones.
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openEmbeddedPostgres } from '../../src/postgres/embedded.ts';
import { migrate } from '../../src/postgres/open.ts';
import { buildAppImage, obtain } from '../load/image.ts';
import { startLoad } from '../load/load.ts';
import { type LoadWorld, openLoadWorld, redeployByOverlap } from '../load/world.ts';
import { newInstallation } from '../support/engine.ts';
import { newRelease, redeployed } from '../support/world.ts';
import { openCompose } from './overlap-compose.ts';
import { appWords, type Contestant, type Images, measure, sentence } from './overlap-contest.ts';
import { openSwarm } from './overlap-swarm.ts';

type Say = (line: string) => void;

export async function benchOverlap(say: Say, redeploys: number): Promise<void> {
  say(
    `${redeploys} redeploys of two jobs each, under 50 requests a second, a web socket and a stream of events`,
  );
  const own = newInstallation();
  const images = { app: await buildAppImage(own.id), haproxy: await obtain('docker.io/library/haproxy:2.6') };
  try {
    await withBerth(async (world) => {
      for (const abrupt of [false, true]) {
        say(` An application that ${abrupt ? 'ends at once' : 'finishes its answers'} when told to stop`);
        await contest(say, redeploys, await openBerth(world, images, abrupt));
        await contest(say, redeploys, await openSwarm(images, abrupt));
        await contest(say, redeploys, await openCompose(images, abrupt));
      }
      await benchProxy(say, redeploys, world);
    });
  } finally {
    await own.removeAll();
  }
}

/** A string: why it is left out. */
async function contest(say: Say, redeploys: number, contestant: Contestant | string): Promise<void> {
  if (typeof contestant === 'string') return say(`  left out: ${contestant}`);
  try {
    say(sentence(contestant.name, await measure(contestant, redeploys)));
  } finally {
    await contestant.close();
  }
}

async function withBerth(work: (world: LoadWorld) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'berth-bench-'));
  // The database's account has to pass.
  await chmod(directory, 0o711);
  const server = await openEmbeddedPostgres({ directory: join(directory, 'db') });
  try {
    await migrate(server.url);
    const world = await openLoadWorld(server.url);
    await work(world).finally(() => world.close());
  } finally {
    await server.stop();
    await rm(directory, { recursive: true, force: true });
  }
}

async function openBerth(load: LoadWorld, images: Images, abrupt: boolean): Promise<Contestant> {
  await newRelease(load.world, load.serviceId, { web: `exec ${appWords(abrupt).join(' ')}` }, images.app);
  await redeployByOverlap(load, 0);
  return {
    name: 'Berth, OVERLAP',
    way: load.throughProxy,
    within: [],
    redeploy: async () => void (await redeployByOverlap(load, 0)),
    close: async () => {},
  };
}

async function benchProxy(
  say: Say,
  redeploys: number,
  { world, proxyId, throughEdge }: LoadWorld,
): Promise<void> {
  say(' The redeploy of a service proxy, seen through the edge');
  const load = startLoad(throughEdge);
  for (let round = 0; round < redeploys; round++) {
    const { state } = await redeployed(world, proxyId);
    if (state !== 'SUCCEEDED') throw new Error(`the proxy's redeploy: ${state}`);
  }
  const { requests, socket, events } = await load.end();
  for (const [kind, { asked, failed }] of Object.entries(requests.byKind))
    say(`  ${kind}: failed ${failed} of ${asked}`);
  for (const [kind, { opened, failures }] of Object.entries({ 'web socket': socket, events }))
    say(`  ${kind}: broken off or refused ${failures.length} of ${opened}`);
  const whys = Object.groupBy(requests.failures, ({ why }) => why);
  for (const [why, all] of Object.entries(whys)) say(`    ${why}: ${all?.length}`);
}
