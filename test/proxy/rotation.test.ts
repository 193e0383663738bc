// From what is shown to what is wanted, as a table of cases and by properties over a model of HAProxy: the order keeps every
// service reachable, and doing it once leaves nothing to do.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ProxyRotation, RotationServer } from '../../src/model/rotation.ts';
import type { ProxySpec } from '../../src/model/sites.ts';
import { paths } from '../../src/proxy/layout.ts';
import { siteMaps } from '../../src/proxy/maps.ts';
import {
  type MapEntry,
  type RuntimeCommand,
  rotationCommands,
  type ShownRotation,
  type ShownServer,
} from '../../src/proxy/rotation.ts';
import { UnfitForProxy } from '../../src/proxy/words.ts';
import { rotation, site } from './bench.ts';

const spec = {
  sites: [site('s1', 'one.example', 'app'), site('s2', 'two.example', 'app')],
  certificates: [],
};

const server = (jobId: string, state: 'READY' | 'DRAIN', address = '10.0.0.2'): RotationServer => ({
  jobId,
  address,
  port: 80,
  state,
});

function shownOf(
  servers: Readonly<Record<string, readonly ShownServer[]>>,
  maintenance: readonly string[] = [],
  challenges: Readonly<Record<string, string>> = {},
  of: ProxySpec = spec,
): ShownRotation {
  return {
    servers: new Map(Object.entries(servers)),
    maps: new Map<string, readonly MapEntry[]>([
      ...siteMaps(of),
      [paths.maintenance, maintenance.map((one) => [one, '1'])],
      [paths.challenges, Object.entries(challenges)],
    ]),
  };
}

const shownServer = (name: string, state: ShownServer['state'], address = '10.0.0.2'): ShownServer => ({
  name,
  address,
  port: 80,
  state,
});

const texts = (shown: ShownRotation, wanted: ProxyRotation): string[] =>
  rotationCommands(shown, wanted, spec).map((one) => (one.kind === 'REPLACE' ? one.map : one.text));

test('a new job is added and takes requests in every site of its service before the old one drains', () => {
  const shown = shownOf({
    'site-s1': [shownServer('old', 'READY')],
    'site-s2': [shownServer('old', 'READY')],
  });
  expect(texts(shown, rotation({ app: [server('new', 'READY'), server('old', 'DRAIN')] }))).toEqual([
    'add server site-s1/new 10.0.0.2:80',
    'set server site-s1/new state ready',
    'add server site-s2/new 10.0.0.2:80',
    'set server site-s2/new state ready',
    'set server site-s1/old state drain',
    'set server site-s2/old state drain',
  ]);
});

test.each<[string, ShownServer[], RotationServer[], string[]]>([
  [
    'a job that is back takes requests again',
    [shownServer('a', 'DRAIN')],
    [server('a', 'READY')],
    ['set server site-s1/a state ready'],
  ],
  [
    'a job that left is put aside and removed',
    [shownServer('a', 'DRAIN')],
    [],
    ['set server site-s1/a state maint', 'del server site-s1/a'],
  ],
  ['one that couldn’t be removed is tried again', [shownServer('a', 'MAINT')], [], ['del server site-s1/a']],
  [
    'one that couldn’t be removed and is wanted again is used',
    [shownServer('a', 'MAINT')],
    [server('a', 'READY')],
    ['set server site-s1/a state ready'],
  ],
  [
    'a job with another address gets it before it takes requests',
    [shownServer('a', 'MAINT')],
    [server('a', 'READY', '10.0.0.3')],
    ['set server site-s1/a addr 10.0.0.3 port 80', 'set server site-s1/a state ready'],
  ],
  ['a job that drains and isn’t known stays unknown', [], [server('a', 'DRAIN')], []],
  [
    'a job that drains and takes no requests is left so',
    [shownServer('a', 'MAINT')],
    [server('a', 'DRAIN')],
    [],
  ],
  ['what is as wanted gives nothing', [shownServer('a', 'READY')], [server('a', 'READY')], []],
])('%s', (_what, shown, wanted, expected) => {
  const single = { ...spec, sites: spec.sites.slice(0, 1) };
  const commands = rotationCommands(
    shownOf({ 'site-s1': shown }, [], {}, single),
    rotation({ app: wanted }),
    single,
  );
  expect(commands.map((one) => (one.kind === 'REPLACE' ? one.map : one.text))).toEqual(expected);
});

test('maintenance and challenges come and go by their maps', () => {
  const shown = shownOf({}, ['gone'], { old: 'old.x', changed: 'changed.1' });
  const wanted = rotation(
    { app: [] },
    { maintenance: ['app'], challenges: { changed: 'changed.2', new: 'new.y' } },
  );
  expect(texts(shown, wanted)).toEqual([
    `add map ${paths.maintenance} app 1`,
    `del map ${paths.maintenance} gone`,
    `set map ${paths.challenges} changed changed.2`,
    `add map ${paths.challenges} new new.y`,
    `del map ${paths.challenges} old`,
  ]);
});

test('what somebody else has done to it is undone: hosts, keys and servers that nobody asked for', () => {
  const shown = shownOf({ 'site-s1': [shownServer('who:is.this', 'READY')] }, ['odd;key']);
  const hosts = new Map([...shown.maps, [paths.hosts, [['one.example', 's1']]]]);
  expect(texts({ ...shown, maps: hosts as ShownRotation['maps'] }, rotation({ app: [] }))).toEqual([
    paths.hosts,
    paths.maintenance,
    'set server site-s1/who:is.this state maint',
    'del server site-s1/who:is.this',
  ]);
});

test.each([
  rotation({ app: [server('a;shutdown', 'READY')] }),
  rotation({ app: [server('a\ndisable', 'READY')] }),
  rotation({ app: [server('a', 'READY', 'evil.example')] }),
  rotation({ app: [{ ...server('a', 'READY'), port: 0 }] }),
  rotation({ app: [] }, { challenges: { 'a b': 'c' } }),
  rotation({ app: [] }, { challenges: { a: 'c;d' } }),
])('what isn’t ours never becomes a command (case %#)', (wanted) => {
  expect(() => texts(shownOf({}), wanted)).toThrow(UnfitForProxy);
});

/** HAProxy as far as it matters here; a server with sessions can't be removed. */
function perform(
  shown: ShownRotation,
  commands: readonly RuntimeCommand[],
  busy: ReadonlySet<string>,
): ShownRotation {
  const servers = new Map([...shown.servers].map(([name, list]) => [name, [...list]]));
  const maps = new Map([...shown.maps].map(([path, entries]) => [path, new Map(entries)]));
  for (const command of commands) {
    if (command.kind === 'REPLACE') throw new Error('not for this proxy');
    const [verb, what, place = '', ...rest] = command.text.split(' ');
    if (what === 'map') {
      const [key = '', value = ''] = rest;
      if (verb === 'del') maps.get(place)?.delete(key);
      else maps.get(place)?.set(key, value);
      continue;
    }
    const [backend = '', name = ''] = place.split('/');
    const list = servers.get(backend) ?? [];
    const at = list.findIndex((one) => one.name === name);
    const one = list[at];
    if (verb === 'add') {
      if (one) throw new Error('Already exists');
      const [address = '', port] = (rest[0] ?? '').split(':');
      list.push({ name, address, port: Number(port), state: 'MAINT' });
    } else if (!one) throw new Error('No such server');
    else if (verb === 'del') {
      if (one.state !== 'MAINT') throw new Error('Only servers in maintenance mode can be deleted.');
      if (!busy.has(name)) list.splice(at, 1);
    } else if (rest[0] === 'addr') list[at] = { ...one, address: rest[1] ?? '', port: Number(rest[3]) };
    else
      list[at] = {
        ...one,
        state: ({ ready: 'READY', drain: 'DRAIN', maint: 'MAINT' } as const)[rest[1] as 'ready'],
      };
    servers.set(backend, list);
  }
  return { servers, maps: new Map([...maps].map(([path, entries]) => [path, [...entries]])) };
}

const jobs = ['a', 'b', 'c', 'd'];
const anyWanted = fc
  .record({
    servers: fc.uniqueArray(
      fc.record({
        jobId: fc.constantFrom(...jobs),
        address: fc.constantFrom('10.0.0.2', '10.0.0.3'),
        port: fc.constant(80),
        state: fc.constantFrom('READY' as const, 'DRAIN' as const),
      }),
      { selector: (one) => one.jobId },
    ),
    maintenance: fc.boolean(),
    challenges: fc.dictionary(fc.constantFrom('t1', 't2'), fc.constantFrom('x.y', 'z')),
  })
  .map(
    ({ servers, maintenance, challenges }): ProxyRotation => ({
      services: [{ serviceId: 'app', maintenance, servers }],
      challenges,
      certificates: {},
    }),
  );

const ready = (shown: ShownRotation, backend: string): string[] =>
  (shown.servers.get(backend) ?? []).filter((one) => one.state === 'READY').map((one) => one.name);

test('whatever is shown, once is enough, the wanted jobs take requests, and there is no moment with fewer than before or after', () => {
  fc.assert(
    fc.property(fc.array(anyWanted, { minLength: 1, maxLength: 5 }), fc.subarray(jobs), (history, inUse) => {
      const busy = new Set(inUse);
      let shown = shownOf({});
      for (const wanted of history) {
        const commands = rotationCommands(shown, wanted, spec);
        const target =
          wanted.services[0]?.servers.filter((one) => one.state === 'READY').map((one) => one.jobId) ?? [];
        for (const backend of ['site-s1', 'site-s2']) {
          const least = Math.min(ready(shown, backend).length, target.length);
          for (let at = 0; at <= commands.length; at++) {
            const there = ready(perform(shown, commands.slice(0, at), busy), backend);
            expect(there.length).toBeGreaterThanOrEqual(least);
          }
        }
        shown = perform(shown, commands, busy);
        expect(ready(shown, 'site-s1').toSorted()).toEqual(target.toSorted());
        const left = rotationCommands(shown, wanted, spec);
        expect(left.filter((one) => one.kind !== 'REMOVE')).toEqual([]);
        expect(rotationCommands(perform(shown, left, new Set()), wanted, spec)).toEqual([]);
      }
    }),
  );
});
