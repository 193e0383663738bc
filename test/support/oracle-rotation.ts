// The part of the oracle that asks the service proxies: what HAProxy itself shows is what is wanted, and what is wanted is
// that every healthy deploy job gets requests and nothing else does (S3, S5).
import { isAlive } from '../../src/model/jobs.ts';
import type { JobRow } from '../../src/postgres/jobs.ts';
import type { ServiceRow } from '../../src/postgres/services.ts';
import { paths, siteBackend } from '../../src/proxy/layout.ts';
import type { ShownRotation } from '../../src/proxy/rotation.ts';
import { type Channels, channelOf } from './site.ts';

export async function rotationBreaches(
  channels: Channels,
  services: readonly ServiceRow[],
  jobs: readonly JobRow[],
): Promise<string[]> {
  const proxies = services.filter((row) => row.type === 'SERVICE_PROXY' && row.deletedAt === null);
  const running = jobs.filter(
    (job) => job.state === 'RUNNING' && proxies.some((proxy) => proxy.id === job.serviceId),
  );
  const shown = await Promise.all(running.map((proxy) => shownBreaches(channels, proxy, services, jobs)));
  return [...rowBreaches(proxies, services, jobs), ...shown.flat()];
}

/** Where a proxy is, every living deploy job is wanted in rotation. */
function rowBreaches(
  proxies: readonly ServiceRow[],
  services: readonly ServiceRow[],
  jobs: readonly JobRow[],
): string[] {
  const proxied = new Set(proxies.map((proxy) => proxy.environmentId));
  const code = services.filter((row) => row.type === 'CODE' && proxied.has(row.environmentId));
  return jobs
    .filter((job) => job.type === 'DEPLOY' && code.some((row) => row.id === job.serviceId))
    .filter((job) => (job.rotation === 'IN') !== isAlive(job))
    .map((job) => `S3 job ${job.id} is ${job.state} and its rotation ${job.rotation}`);
}

async function shownBreaches(
  channels: Channels,
  proxy: JobRow,
  services: readonly ServiceRow[],
  jobs: readonly JobRow[],
): Promise<string[]> {
  const name = `proxy ${proxy.id}`;
  const shown = await (await channelOf(channels, proxy)).showRotation().catch((fault: Error) => fault);
  if (shown instanceof Error) return [`S3 ${name} can't be asked: ${shown.message}`];
  const sites = proxy.spec?.proxy?.sites ?? [];
  const breaches = sites.flatMap(({ id, serviceId }) => {
    const wanted = jobs
      .filter((job) => job.serviceId === serviceId && job.state === 'RUNNING' && job.rotation === 'IN')
      .map((job) => `${job.id} ${job.address} ${job.health === 'HEALTHY' ? 'READY' : 'DRAIN'}`);
    return differences(wanted, serversOf(shown, id));
  });
  const inMaintenance = services
    .filter((row) => row.type === 'CODE' && row.environmentId === proxy.environmentId && row.maintenance)
    .map((row) => row.id);
  const maintenance = (shown.maps.get(paths.maintenance) ?? []).map(([key]) => key);
  return [...breaches, ...differences(inMaintenance, maintenance)].map((breach) => `S3 ${name}: ${breach}`);
}

/** One in maintenance takes nothing any more and only waits to be removed. */
function serversOf(shown: ShownRotation, siteId: string): string[] {
  return (shown.servers.get(siteBackend(siteId)) ?? [])
    .filter((server) => server.state !== 'MAINT')
    .map((server) => `${server.name} ${server.address} ${server.state}`);
}

function differences(wanted: readonly string[], seen: readonly string[]): string[] {
  return [
    ...wanted.filter((each) => !seen.includes(each)).map((each) => `it lacks ${each}`),
    ...seen.filter((each) => !wanted.includes(each)).map((each) => `it shows ${each}`),
  ];
}
