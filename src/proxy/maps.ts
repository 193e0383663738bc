// The map files: whatever callers named (hosts, origins, challenges) is a line here, looked up by the proxy and never read
// as configuration. Also the list of certificates with the names each is shown for. Hosts and origins change with a
// redeploy of the proxy; maintenance and challenges change at once, and these files are what it starts from.
import type { ProxyRotation } from '../model/rotation.ts';
import type { ProxySpec } from '../model/sites.ts';
import { certificatePath, type ProxyFile, paths } from './layout.ts';
import { challenge, host, id, origin } from './words.ts';

type Entry = readonly [key: string, value: string];
type MapContent = readonly [path: string, entries: readonly Entry[]];

/** Those that change with a redeploy alone. */
export function siteMaps({ sites }: ProxySpec): MapContent[] {
  const hosts = sites.map((site): Entry => [site.host, id(site.id)]);
  const origins = sites.flatMap((site) =>
    site.corsOrigins.map((one): Entry => [`${id(site.id)}|${origin(one)}`, '1']),
  );
  return [...hostMaps(hosts), [paths.origins, origins]];
}

export function siteMapFiles(spec: ProxySpec): ProxyFile[] {
  return siteMaps(spec).map(mapFile);
}

export function rotationMapFiles(rotation: ProxyRotation): ProxyFile[] {
  return [
    mapFile([paths.maintenance, maintenanceEntries(rotation)]),
    mapFile([paths.challenges, challengeEntries(rotation)]),
  ];
}

/** Where each host leads. The longest suffix is asked first: HAProxy takes the first that fits. */
export function hostFiles(entries: readonly Entry[]): ProxyFile[] {
  return hostMaps(entries).map(mapFile);
}

function hostMaps(entries: readonly Entry[]): MapContent[] {
  return [
    [paths.hosts, exactHosts(entries)],
    [paths.wildcards, wildcardHosts(entries)],
  ];
}

export function exactHosts(entries: readonly Entry[]): Entry[] {
  return entries.filter(([name]) => !name.startsWith('.')).map(([name, value]) => [host(name), value]);
}

export function wildcardHosts(entries: readonly Entry[]): Entry[] {
  return entries
    .filter(([name]) => name.startsWith('.'))
    .map(([name, value]): Entry => [host(name), value])
    .toSorted(([one], [other]) => other.length - one.length || (one < other ? -1 : 1));
}

/** Services in maintenance; the value says nothing. */
export function maintenanceEntries(rotation: ProxyRotation): Entry[] {
  return rotation.services.filter((one) => one.maintenance).map((one) => [id(one.serviceId), '1']);
}

export function challengeEntries(rotation: ProxyRotation): Entry[] {
  return Object.entries(rotation.challenges).map(([token, answer]) => [challenge(token), challenge(answer)]);
}

/**
 * Each certificate under the hosts of the sites that name it, so that two that cover a name don't compete for it. A domain
 * with all below it comes last and once more without names: then those in the certificate serve for what lies deeper.
 */
export function certificateList({ sites }: ProxySpec): ProxyFile {
  const secured = sites.flatMap((site) =>
    site.certificateId === null
      ? []
      : [{ host: host(site.host), path: certificatePath(id(site.certificateId)) }],
  );
  const exact = secured.filter((one) => !one.host.startsWith('.'));
  const domains = secured.filter((one) => one.host.startsWith('.'));
  const lines = [
    ...exact.map((one) => `${one.path} ${one.host}`),
    ...domains.map((one) => `${one.path} ${one.host.slice(1)} *${one.host}`),
    ...new Set(domains.map((one) => one.path)),
  ];
  return { path: paths.certificateList, content: lines.map((line) => `${line}\n`).join(''), mode: 0o600 };
}

function mapFile([path, entries]: MapContent): ProxyFile {
  return { path, content: entries.map(([key, value]) => `${key} ${value}\n`).join(''), mode: 0o600 };
}
