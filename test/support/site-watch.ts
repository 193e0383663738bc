// A site watched every 100 ms by what HAProxy itself shows: how many healthy jobs get requests (S1), that nothing foreign
// does (S5), and how many containers its service has (S2).
import { setTimeout as sleep } from 'node:timers/promises';
import { eq } from 'drizzle-orm';
import { containerName } from '../../src/model/jobs.ts';
import { webPort } from '../../src/model/service-types/code.ts';
import type { JobRow } from '../../src/postgres/jobs.ts';
import { listWorkers } from '../../src/postgres/services.ts';
import { jobs } from '../../src/postgres/tables/jobs.ts';
import type { ShownServer } from '../../src/proxy/rotation.ts';
import { labels } from '../../src/runtime/runtime.ts';
import { type Channels, channelOf, runningJobs, type Site } from './site.ts';
import type { World } from './world.ts';

export interface SiteWatch {
  /** Everything that was not as it must be, and how often was looked. */
  end(): Promise<{ readonly looks: number; readonly breaches: readonly string[] }>;
}

export interface Expected {
  /** So many healthy jobs must get requests at any time. */
  readonly least: number;
  readonly scale: number;
}

export function watchSite(world: World, site: Site, expected: Expected): SiteWatch {
  const breaches = new Set<string>();
  let looks = 0;
  let running = true;
  const watching = (async () => {
    while (running) {
      const pause = sleep(100);
      for (const breach of await lookOnce(world, site, expected)) breaches.add(breach);
      looks += 1;
      await pause;
    }
  })();
  return {
    end: async () => {
      running = false;
      await watching;
      return { looks, breaches: [...breaches] };
    },
  };
}

/** What one proxy shows of all its backends. */
export async function shownBy(channels: Channels, proxy: JobRow): Promise<readonly ShownServer[]> {
  const { servers } = await (await channelOf(channels, proxy)).showRotation();
  return [...servers.values()].flat();
}

async function lookOnce(world: World, site: Site, { least, scale }: Expected): Promise<string[]> {
  const proxies = await runningJobs(world, site.proxyId);
  const before = await jobsOf(world, site);
  const shown = await Promise.all(proxies.map((proxy) => shownBy(world.control, proxy)));
  const after = await jobsOf(world, site);
  return [
    ...(proxies.length === 0 ? ['S1 no proxy runs'] : []),
    ...shown.flatMap((servers) => countBreaches(servers, [...before, ...after], least)),
    ...shown.flatMap((servers) => servers.flatMap((server) => foreignBreaches(server, after))),
    ...(await containerBreaches(world, site, scale)),
  ];
}

function jobsOf(world: World, { serviceId }: Site): Promise<JobRow[]> {
  return world.control.store.db.select().from(jobs).where(eq(jobs.serviceId, serviceId));
}

function countBreaches(servers: readonly ShownServer[], rows: readonly JobRow[], least: number): string[] {
  const good = new Set(
    rows.filter((job) => job.state === 'RUNNING' && job.health === 'HEALTHY').map((job) => job.id),
  );
  const ready = servers.filter((server) => server.state === 'READY' && good.has(server.name));
  return ready.length < least ? [`S1 only ${ready.length} of ${least} healthy jobs get requests`] : [];
}

function foreignBreaches({ name, address, port }: ShownServer, rows: readonly JobRow[]): string[] {
  const job = rows.find((row) => row.id === name && row.type === 'DEPLOY');
  return job?.address === address && port === webPort ? [] : [`S5 ${name} is routed to ${address}:${port}`];
}

async function containerBreaches(world: World, { serviceId }: Site, scale: number): Promise<string[]> {
  const { containers } = await world.runtime.inventory(world.engine.id);
  const workers = (await listWorkers(world.control.store.db, [serviceId])).get(serviceId) ?? {};
  const wanted = Object.values(workers).reduce((sum, count) => sum + count, scale);
  const alive = containers.filter(
    ({ name, state, labels: own }) =>
      own[labels.service] === serviceId &&
      name === containerName(own[labels.job] ?? '') &&
      state !== 'EXITED',
  );
  return alive.length > 2 * wanted + 1 ? [`S2 ${alive.length} containers for ${wanted} jobs`] : [];
}
