// From what HAProxy shows and what is wanted to the commands that lead from one to the other. Pure. Who is new takes
// requests before anybody stops taking them, and drains before it goes; a job in use can't be removed yet and is left for
// the next look. What is as wanted gives no command, so that looking twice changes nothing.
import type { ProxyRotation, RotationServer } from '../model/rotation.ts';
import type { ProxySpec } from '../model/sites.ts';
import { serversOf } from './backends.ts';
import { paths, siteBackend } from './layout.ts';
import { challengeEntries, maintenanceEntries, siteMaps } from './maps.ts';
import { address, endpoint, id, whole } from './words.ts';

export interface ShownServer {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  /** MAINT takes no requests; what it has begun goes on, and when that has ended it can be removed. */
  readonly state: 'READY' | 'DRAIN' | 'MAINT';
}

export type MapEntry = readonly [key: string, value: string];

/** What HAProxy has in its memory now. */
export interface ShownRotation {
  /** Backend → its servers. A backend without any isn't shown. */
  readonly servers: ReadonlyMap<string, readonly ShownServer[]>;
  /** Path of a map → its entries, in HAProxy's order. */
  readonly maps: ReadonlyMap<string, readonly MapEntry[]>;
}

/** `kind` says which answer means success. */
export type RuntimeCommand =
  | { readonly kind: 'ADD' | 'SET' | 'REMOVE'; readonly text: string }
  /** All entries at once and in this order; a visitor sees the old ones or the new ones. */
  | { readonly kind: 'REPLACE'; readonly map: string; readonly entries: readonly MapEntry[] };

export interface WantedServer extends RotationServer {
  /** Further words of the server's line, ours. */
  readonly options?: string;
}

/** `spec` is what this proxy was deployed with: it says which backends it has. */
export function rotationCommands(
  shown: ShownRotation,
  wanted: ProxyRotation,
  spec: ProxySpec,
): RuntimeCommand[] {
  const backends = new Map(
    spec.sites.map((site) => [siteBackend(id(site.id)), serversOf(wanted, site.serviceId)]),
  );
  return ordered(shown, backends, [
    // As its redeploy left them, unless somebody else was there.
    ...siteMaps(spec).flatMap(([map, entries]) => wholeMapCommands(shown, map, entries)),
    ...mapCommands(shown, paths.maintenance, maintenanceEntries(wanted)),
    ...mapCommands(shown, paths.challenges, challengeEntries(wanted)),
  ]);
}

/** Adds and enables, then maps, then drains, then removals, each for all backends. */
export function ordered(
  shown: ShownRotation,
  backends: ReadonlyMap<string, readonly WantedServer[]>,
  maps: readonly RuntimeCommand[],
): RuntimeCommand[] {
  const each = [...backends].map(([backend, wanted]) => ({
    backend,
    wanted,
    shown: shown.servers.get(backend) ?? [],
  }));
  return [...each.flatMap(addsAndEnables), ...maps, ...each.flatMap(drains), ...each.flatMap(removals)];
}

interface Backend {
  readonly backend: string;
  readonly wanted: readonly WantedServer[];
  readonly shown: readonly ShownServer[];
}

function addsAndEnables({ backend, wanted, shown }: Backend): RuntimeCommand[] {
  return wanted.flatMap((server): RuntimeCommand[] => {
    const place = `${backend}/${id(server.jobId)}`;
    const seen = shown.find((one) => one.name === server.jobId);
    if (seen === undefined) {
      // Who drains has nothing to end on a proxy that doesn't know it.
      if (server.state === 'DRAIN') return [];
      const line = [`add server ${place} ${endpoint(server.address, server.port)}`, server.options ?? ''];
      return [{ kind: 'ADD', text: line.join(' ').trim() }, setState(place, 'ready')];
    }
    const moved = seen.address !== server.address || seen.port !== server.port;
    return [
      ...(moved ? [setAddress(place, server)] : []),
      ...(server.state === 'READY' && seen.state !== 'READY' ? [setState(place, 'ready')] : []),
    ];
  });
}

function drains({ backend, wanted, shown }: Backend): RuntimeCommand[] {
  const draining = wanted.filter((server) => server.state === 'DRAIN').map((server) => server.jobId);
  return shown
    .filter((server) => server.state === 'READY' && draining.includes(server.name))
    .map((server) => setState(`${backend}/${id(server.name)}`, 'drain'));
}

function removals({ backend, wanted, shown }: Backend): RuntimeCommand[] {
  const kept = wanted.map((server) => server.jobId);
  return shown
    .filter((server) => !kept.includes(server.name))
    .flatMap((server): RuntimeCommand[] => {
      const place = `${backend}/${shownName(server.name)}`;
      return [
        ...(server.state === 'MAINT' ? [] : [setState(place, 'maint')]),
        { kind: 'REMOVE', text: `del server ${place}` },
      ];
    });
}

/** Of what may be somebody else's; the form that HAProxy itself allows. */
function shownName(name: string): string {
  if (!/^[A-Za-z0-9_.:-]{1,200}$/.test(name)) throw new Error(`A server has an impossible name: ${name}`);
  return name;
}

function setState(place: string, state: 'ready' | 'drain' | 'maint'): RuntimeCommand {
  return { kind: 'SET', text: `set server ${place} state ${state}` };
}

function setAddress(place: string, server: RotationServer): RuntimeCommand {
  const port = whole(server.port, 1, 65_535);
  return { kind: 'SET', text: `set server ${place} addr ${address(server.address)} port ${port}` };
}

/** For maps where the order of entries says nothing. */
export function mapCommands(
  shown: ShownRotation,
  map: string,
  wanted: readonly MapEntry[],
): RuntimeCommand[] {
  const there = new Map(shown.maps.get(map) ?? []);
  const gone = [...there.keys()].filter((key) => !wanted.some(([one]) => one === key));
  if (gone.some((key) => !ourKey.test(key))) return [{ kind: 'REPLACE', map, entries: wanted }];
  return [
    ...wanted.flatMap(([key, value]): RuntimeCommand[] => {
      const seen = there.get(key);
      if (seen === value) return [];
      return [{ kind: 'SET', text: `${seen === undefined ? 'add' : 'set'} map ${map} ${key} ${value}` }];
    }),
    ...gone.map((key): RuntimeCommand => ({ kind: 'SET', text: `del map ${map} ${key}` })),
  ];
}

/** Others were put there by somebody else, and aren't said back to HAProxy. */
const ourKey = /^[A-Za-z0-9._|-]{1,520}$/;

/** For maps where the first entry that fits is taken, so a change replaces all of them at once. */
export function wholeMapCommands(
  shown: ShownRotation,
  map: string,
  wanted: readonly MapEntry[],
): RuntimeCommand[] {
  const there = shown.maps.get(map) ?? [];
  const same =
    there.length === wanted.length &&
    there.every(([key, value], at) => key === wanted[at]?.[0] && value === wanted[at]?.[1]);
  return same ? [] : [{ kind: 'REPLACE', map, entries: wanted }];
}
