// HAProxy, as far as the orchestrator can tell: a proxy starts with what its files say, keeps what it is told in memory, and
// begins with its files again after a restart. It is asked at its address, and is the one asked for only by its name.
import type { Clock } from '../../src/clock.ts';
import { paths } from '../../src/proxy/layout.ts';
import type { MapEntry, RuntimeCommand, ShownServer } from '../../src/proxy/rotation.ts';
import {
  type ControlAddress,
  ProxyFault,
  type RuntimeApi,
  rotationMaps,
} from '../../src/proxy/runtime-api.ts';
import { type Container, type Engine, isListening } from './engine.ts';
import type { Ask } from './runtime.ts';

export interface Memory {
  readonly servers: Map<string, ShownServer[]>;
  readonly maps: Map<string, Map<string, string>>;
}

export interface Proxies {
  /** Of those that run. */
  readonly memories: ReadonlyMap<Container, Memory>;
  /** Those that were told what was wanted since they came up: no edge leads anybody to a proxy before. */
  readonly told: Set<Container>;
  /** How many requests a job has under way, by its id. */
  sessionsOf: (jobId: string, now: number) => number;
}

/** Every container that has the files of a proxy is one from its start on. */
export function openProxies(engine: Engine): Proxies {
  const memories = new Map<Container, Memory>();
  engine.begun.add((container) => {
    const backends = container.files.get(paths.backends);
    if (backends !== undefined) memories.set(container, startOf(backends, container.files));
  });
  return { memories, told: new Set(), sessionsOf: () => 0 };
}

export function openChannel(
  proxies: Proxies,
  clock: Clock,
  ask: Ask,
  { address, serverName }: Pick<ControlAddress, 'address' | 'serverName'>,
): RuntimeApi {
  function memory(): Memory {
    for (const [container, found] of proxies.memories)
      if (container.address === address && isListening(container, clock.now())) {
        if (container.spec.name === serverName) return found;
        throw new ProxyFault('connect', `The proxy is not ${serverName}.`);
      }
    throw new ProxyFault('connect', `Nobody answers at ${address}.`);
  }
  async function say<T>(what: string, work: (of: Memory) => T): Promise<T> {
    try {
      return await ask(`proxy ${what}`, () => work(memory()));
    } catch (fault) {
      throw fault instanceof ProxyFault ? fault : new ProxyFault(what, String(fault), fault);
    }
  }
  const show: RuntimeApi['show'] = (prefix, maps) =>
    say('show', (of) => ({
      servers: new Map(
        [...of.servers]
          .filter(([backend, servers]) => backend.startsWith(prefix) && servers.length > 0)
          .map(([backend, servers]) => [backend, servers.map((server) => ({ ...server }))]),
      ),
      maps: new Map(maps.map((path) => [path, [...(of.maps.get(path) ?? [])]])),
    }));
  return {
    show,
    showRotation: () => show('site-', rotationMaps),
    apply: async (commands) => {
      const stillInUse: string[] = [];
      // One conversation for what brings and another for what takes away, as over the network.
      for (const command of commands)
        await say('apply', (of) => carryOut(of, command, stillInUse, proxies, clock.now()));
      const container = [...proxies.memories.keys()].find(
        (each) => each.address === address && isListening(each, clock.now()),
      );
      if (container !== undefined) proxies.told.add(container);
      return { stillInUse };
    },
    sessions: (prefix = 'site-') =>
      say('sessions', (of) => {
        const listed = [...of.servers].filter(([backend]) => backend.startsWith(prefix));
        const names = listed.flatMap(([, servers]) => servers.map(({ name }) => name));
        return new Map(names.map((name) => [name, proxies.sessionsOf(name, clock.now())]));
      }),
    setCertificate: () => say('set certificate', () => {}),
  };
}

function startOf(backends: string, files: ReadonlyMap<string, string>): Memory {
  const servers = new Map<string, ShownServer[]>();
  let backend = '';
  for (const line of backends.split('\n')) {
    const [word, name = '', endpoint = ''] = line.trim().split(' ');
    if (word === 'backend') backend = name;
    if (word === 'backend') servers.set(backend, []);
    if (word !== 'server') continue;
    servers.get(backend)?.push({ name, ...endpointOf(endpoint), state: 'READY' });
  }
  const maps = rotationMaps.map((path) => [path, new Map(entriesOf(files.get(path) ?? ''))] as const);
  return { servers, maps: new Map(maps) };
}

function entriesOf(text: string): MapEntry[] {
  const lines = text.split('\n').filter((line) => line !== '');
  return lines.map((line) => [line.split(' ')[0] ?? '', line.slice(line.indexOf(' ') + 1)]);
}

function endpointOf(text: string): { address: string; port: number } {
  const [address = '', port = ''] = text.split(':');
  return { address, port: Number(port) };
}

function carryOut(
  { servers, maps }: Memory,
  command: RuntimeCommand,
  stillInUse: string[],
  { sessionsOf }: Proxies,
  now: number,
): void {
  if (command.kind === 'REPLACE') {
    maps.set(command.map, new Map(command.entries));
    return;
  }
  const [verb, kind, place = '', ...words] = command.text.split(' ');
  if (kind === 'map') {
    const map = maps.get(place) ?? new Map<string, string>();
    maps.set(place, map);
    const [key = '', ...value] = words;
    if (verb === 'del') map.delete(key);
    else map.set(key, value.join(' '));
    return;
  }
  const [backend = '', name = ''] = place.split('/');
  const list = servers.get(backend);
  const at = list?.findIndex((server) => server.name === name) ?? -1;
  const seen = list?.[at];
  if (list === undefined || (seen === undefined) !== (verb === 'add'))
    throw new ProxyFault(command.text, `The proxy answered "No such server." to: ${command.text}`);
  if (seen === undefined) list.push({ name, ...endpointOf(words[0] ?? ''), state: 'MAINT' });
  else if (verb === 'del') {
    if (seen.state === 'MAINT' && sessionsOf(name, now) === 0) list.splice(at, 1);
    else stillInUse.push(place);
  } else if (words[0] === 'state')
    list[at] = { ...seen, state: words[1]?.toUpperCase() as ShownServer['state'] };
  else list[at] = { ...seen, address: words[1] ?? '', port: Number(words[3]) };
}
