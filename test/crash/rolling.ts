// Three replicas on one database, restarted one after the other without end, each stopped cleanly or killed, while two sites
// are redeployed by both strategies, visited all the time, and followed by clients who turn to another replica when theirs
// goes away. All mutations go through the API of whichever replica answers, by a key, so that asking again asks for nothing.
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { writeGlobalId } from '../../src/graphql/global-id.ts';
import { expectPeace } from '../support/oracle.ts';
import { allCursors, ask, decode, type ServerProcess, startServer } from '../support/server.ts';
import { openSite, type Site } from '../support/site.ts';
import { endOfRedeploy, openWorld, type World } from '../support/world.ts';
import { carriers, type Listener, listen } from './listener.ts';
import { witness } from './witness.ts';

const replicaCount = 3;
const scale = 2;
const startMs = 30_000;
const askAgainMs = 100;
const askBoundMs = 30_000;
const endBoundMs = 120_000;
/** Between the return of one replica and the end of the next. */
const pauseMs = 300;

interface Fleet {
  /** Undefined while it is away. */
  readonly replicas: (ServerProcess | undefined)[];
  /** One that is there, another each time. */
  next(): ServerProcess;
  restart(number: number, how: 'stop' | 'kill'): Promise<void>;
  end(): Promise<void>;
}

export async function rollThrough(
  url: string,
  redeploys: number,
  say: (line: string) => void,
): Promise<void> {
  const world = await openWorld(url, { orchestrate: false });
  const fleet = await openFleet(world).catch(async (error: unknown) => {
    await world.close();
    throw error;
  });
  try {
    const sites = [await openSite(world, { scale, overlapSeconds: 1 }), await openSite(world, { scale })];
    const [overlap, recreate] = sites as [Site, Site];
    const seeing = [await witness(world, overlap, [], scale), await witness(world, recreate, ['503'], scale)];
    const listeners = await listenTo(fleet, sites);
    const failures: string[] = [];
    const restarts = await whileRestarting(fleet, async () => {
      for (let round = 0; round < redeploys; round++) {
        const site = round % 2 === 0 ? overlap : recreate;
        const begun = performance.now();
        const state = await redeployed(world, fleet, site).catch((error: Error) => error.message);
        if (state !== 'SUCCEEDED') failures.push(`redeploy ${round + 1} has ended: ${state}`);
        say(`redeploy ${round + 1}: ${state} in ${Math.round(performance.now() - begun)} ms`);
      }
    });
    for (const each of seeing) failures.push(...(await each.end()));
    for (const each of listeners) {
      const { cuts, oddities } = await each.end();
      say(`a listener was cut ${cuts} times`);
      failures.push(...oddities, ...(cuts === 0 ? ['a listener was never cut'] : []));
    }
    say(`${restarts} restarts`);
    if (failures.length > 0) throw new Error(failures.join('\n'));
    await expectPeace(world);
  } finally {
    await fleet.end();
    await world.close();
  }
}

async function openFleet(world: World): Promise<Fleet> {
  const environment = {
    DATABASE_URL: world.url,
    BERTH_KEY_FILE: join(world.dataDirectory, 'keys', 'key'),
    BERTH_SUBNETS: '10.211.0.0/16',
    BERTH_HELLO: 'no',
    BERTH_SETTLE_SECONDS: '0.3',
    BERTH_HEALTHY_SECONDS: '20',
  };
  const start = () => startServer(world.dataDirectory, environment, startMs);
  const replicas: (ServerProcess | undefined)[] = [];
  for (let number = 0; number < replicaCount; number++) replicas.push(await start());
  let turn = 0;
  return {
    replicas,
    next: () => {
      const there = replicas.filter((each) => each !== undefined);
      const chosen = there[turn++ % there.length];
      if (chosen === undefined) throw new Error('no replica is there');
      return chosen;
    },
    restart: async (number, how) => {
      const leaving = replicas[number];
      replicas[number] = undefined;
      await leaving?.[how]();
      replicas[number] = await start();
    },
    end: async () => {
      for (const replica of replicas.splice(0)) await replica?.kill();
    },
  };
}

/** Two clients for each site, one by each carrier. */
async function listenTo(fleet: Fleet, sites: readonly Site[]): Promise<Listener[]> {
  const listeners: Listener[] = [];
  for (const { environmentId } of sites) {
    const [from = ''] = await allCursors(fleet.next(), writeGlobalId('Environment', environmentId));
    for (const read of Object.values(carriers)) listeners.push(listen(read, environmentId, fleet.next, from));
  }
  return listeners;
}

/** Each replica at least once, and on until the work is done; answers with how often. */
async function whileRestarting(fleet: Fleet, work: () => Promise<void>): Promise<number> {
  let done = false;
  let restarts = 0;
  const restarting = (async () => {
    for (; !done || restarts < replicaCount; restarts++) {
      await sleep(pauseMs);
      await fleet.restart(restarts % replicaCount, restarts % 2 === 0 ? 'kill' : 'stop');
    }
  })();
  await Promise.all([
    restarting,
    work().finally(() => {
      done = true;
    }),
  ]);
  return restarts;
}

interface Asked {
  readonly redeployService: { readonly redeploy?: { readonly id: string }; readonly message?: string };
}

async function redeployed(world: World, fleet: Fleet, { serviceId }: Site): Promise<string> {
  const query = `mutation { redeployService(input: {
    serviceId: "${writeGlobalId('Service', serviceId)}", idempotencyKey: "${randomUUID()}" }) {
    ... on RedeployServicePayload { redeploy { id } } ... on UserError { message } } }`;
  const { redeployService } = await askAny<Asked>(fleet, query);
  if (redeployService.redeploy === undefined) return `refused: ${redeployService.message}`;
  return (await endOfRedeploy(world, decode(redeployService.redeploy.id), endBoundMs)).state;
}

async function askAny<T>(fleet: Fleet, query: string): Promise<T> {
  for (const end = performance.now() + askBoundMs; ; ) {
    try {
      return await ask<T>(fleet.next(), query);
    } catch (error) {
      if (performance.now() > end) throw error;
      await sleep(askAgainMs);
    }
  }
}
