// The simulated world of one seed: the real Postgres by its own clock, an engine and proxies in memory, the orchestrator's own
// code as one or more processes that die and come back, and a control room where people ask for things. What happens is told
// in its story; what must not is found in `faults`.

import type { Repositories } from '../../src/build/git.ts';
import type { Control } from '../../src/control/control.ts';
import { newId } from '../../src/ids.ts';
import type { Log } from '../../src/log.ts';
import type { Caller } from '../../src/model/callers.ts';
import { startOrchestrator } from '../../src/orchestrator/orchestrator.ts';
import type { Point } from '../../src/orchestrator/points.ts';
import type { EventLog } from '../../src/postgres/event-log.ts';
import type { Nudges, Topic } from '../../src/postgres/nudges.ts';
import type { Installation } from '../../src/postgres/organizations.ts';
import type { Replica } from '../../src/postgres/replicas.ts';
import type { ResultLog } from '../../src/postgres/result-log.ts';
import type { Vault } from '../../src/postgres/vault.ts';
import type { ContainerSpec, Runtime } from '../../src/runtime/runtime.ts';
import { type Chance, chanceOf } from '../model/world/chance.ts';
import { quickSettings } from '../support/plane.ts';
import { clockOf, newClock, type SimulatedClock } from './clock.ts';
import type { SimulatedDatabase } from './database.ts';
import { type Engine, isListening, newEngine, type Program } from './engine.ts';
import { openChannel, openProxies, type Proxies } from './proxies.ts';
import { openRuntime } from './runtime.ts';
import { goodFate, type Release, type Scenario } from './scenario.ts';
import { askWith, type Process, type Troubles } from './troubles.ts';

/** What outlives every world. */
export interface Ground {
  readonly database: SimulatedDatabase;
  readonly installation: Installation;
  readonly vault: Vault;
}

export interface Plane extends Process {
  readonly number: number;
  readonly replica: Replica;
  /** So many points later it dies. */
  pointsLeft: number;
  /** Answers when it has closed in peace or is dead. */
  close(): Promise<void>;
  readonly gone: PromiseWithResolvers<void>;
}

export interface World extends Ground {
  readonly scenario: Scenario;
  readonly chance: Chance;
  readonly clock: SimulatedClock;
  readonly engine: Engine;
  readonly runtime: Runtime;
  readonly proxies: Proxies;
  readonly control: Control;
  readonly caller: Caller;
  readonly troubles: Troubles;
  readonly planes: Plane[];
  /** By the number that stands in a job's command. */
  readonly releases: Release[];
  readonly sick: Map<string, number>;
  readonly faults: Set<string>;
  readonly story: string[];
  /** What the engine is asked to do to containers, by whom. */
  onDestructive: (plane: Plane, containerName: string) => void;
  /** No troubles from then on. */
  calm: boolean;
  /** How long, in seconds, it may be that nobody carried out anything. */
  awaySeconds: number;
}

const settings = {
  ...quickSettings,
  ...{ healthySeconds: 4, settleSeconds: 1, deadlineSeconds: 12, compareSeconds: 10 },
  volumeRetentionSeconds: 3,
};
const beginning = new Date('2030-01-01T00:00:00Z');
const nudgeMs = 5;

export function newWorld(ground: Ground, scenario: Scenario): World {
  const { database, installation, vault } = ground;
  const clock = newClock(beginning);
  database.follow(clock);
  const chance = chanceOf(scenario.seed + 1_000_000);
  const engine = newEngine({ clock, programOf: (spec) => programOf(world, spec) });
  const runtime = openRuntime(engine);
  const listeners = new Set<(topic: string | undefined) => void>();
  const control: Control = {
    ...{ store: database.store, vault, installation },
    nudges: nudgesOf(() => world, listeners),
    log: {} as EventLog,
    results: {} as ResultLog,
    settings: { ...settings, included: scenario.proxied ? ['SERVICE_PROXY'] : [] },
    output: async function* () {},
    engine: () => runtime.info(),
  };
  const world: World = {
    ...{ ...ground, scenario, chance, clock, engine, runtime, control, proxies: openProxies(engine) },
    caller: {
      ...{ tokenId: newId(), tokenName: 'Somebody', organizationId: installation.organizationId },
      ...{ environmentId: null, operator: true, address: undefined },
      scopes: ['read', 'deploy', 'secrets:read', 'admin'],
    },
    troubles: { rate: scenario.troubleRate, awayUntil: 0, proxiesAwayUntil: 0 },
    ...{ planes: [], releases: [], sick: new Map(), faults: new Set(), story: [] },
    ...{ onDestructive: () => {}, calm: false, awaySeconds: 0 },
  };
  return world;
}

export function tell({ clock, story }: World, line: string): void {
  story.push(`${(clock.now() / 1000).toFixed(3).padStart(8)} s  ${line}`);
}

/** A hint that is lost by chance, while there are troubles. */
function nudgesOf(world: () => World, listeners: Set<(topic: string | undefined) => void>): Nudges {
  let waiting = new Set<Topic>();
  const deliver = () => {
    const topics = waiting;
    waiting = new Set();
    for (const topic of topics) for (const listener of [...listeners]) listener(topic);
  };
  return {
    send: (topics: Iterable<Topic>) => {
      const { clock, chance, scenario, calm } = world();
      // Nobody listens for anything else here.
      const all = [...topics].filter((topic) => topic === 'due' || topic === 'deletions');
      if (all.length === 0 || (!calm && chance.happens(scenario.nudgesLost))) return;
      if (waiting.size === 0) void clock.sleep(nudgeMs).then(deliver);
      for (const topic of all) waiting.add(topic);
    },
    listen: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close: async () => {},
  };
}

/** What its release says of its jobs in turn; after the troubles, that all is well. */
function programOf(world: World, { command = [], labels }: ContainerSpec): Program {
  if (labels.test !== undefined) return asProgram(goodFate);
  if (command[0] === 'haproxy')
    return command[1] === '-c'
      ? { ends: { afterMs: 100, exitCode: 0 } }
      : { listensAfterMs: 100, stopsAfterMs: 300 };
  const [, number] = /^(?:web|worker) (\d+)$/.exec(command.at(-1) ?? '') ?? [];
  if (command[0] === 'task') return { ends: { afterMs: 700, exitCode: 0 }, stopsAfterMs: 100 };
  const release = number === undefined ? undefined : world.releases[Number(number)];
  if (release === undefined || world.calm) return asProgram(goodFate);
  return asProgram(world.chance.of(release.fates));
}

function asProgram({ listensAfterMs, ends, stopsAfterMs }: typeof goodFate): Program {
  return {
    ...(listensAfterMs === undefined ? {} : { listensAfterMs }),
    ...(ends === undefined ? {} : { ends }),
    ...(stopsAfterMs === undefined ? {} : { stopsAfterMs }),
    says: ['begun'],
  };
}

/** Another process of the platform: the orchestrator's own code, with a world that it reaches in its own way. */
export async function openPlane(world: World): Promise<Plane> {
  const { database, control, engine, proxies, chance, troubles, vault, installation } = world;
  const process: Process = { dead: false, stopped: undefined };
  const clock = clockOf(world.clock, process);
  const asking = askWith(clock, chance, troubles, process);
  const ask: typeof asking = (operation, effect) => {
    const [, name] = /^(?:start|stop|remove) container (\S+)$/.exec(operation) ?? [];
    if (name !== undefined) world.onDestructive(plane, name);
    return asking(operation, effect);
  };
  const replica = await database.newReplica();
  const gone = Promise.withResolvers<void>();
  const orchestrator = startOrchestrator({
    ...{ store: database.storeOf(process), vault, installation, replica, settings, clock },
    nudges: { ...control.nudges, listen: (listener) => control.nudges.listen(unlessDead(process, listener)) },
    runtime: openRuntime(engine, ask),
    images: {
      obtain: async (reference, onProgress) => {
        onProgress({ text: `Looking for ${reference}.` });
        const imageId = await ask(`obtain ${reference}`, () => engine.addImage(reference, ['CMD standard']));
        return { imageId, origin: 'PRESENT' };
      },
    },
    controlKeys: {
      authority: { certificate: pem, privateKey: pem },
      client: { chain: pem, privateKey: pem },
    },
    issueServerKey: async () => pem,
    probeHealth: async ({ address }, timeoutMs) => {
      const asked = [...engine.containers.values()].find(
        (each) =>
          each.address === address && isListening(each, clock.now()) && !isSick(world, each.spec.name),
      );
      const answers = asked !== undefined;
      await clock.sleep(answers || chance.happens(0.9) ? chance.between(1, 5) : timeoutMs);
      return { healthy: answers, output: answers ? 'It answers.' : 'It does not answer.' };
    },
    webhookBody: () => '{}',
    openRuntimeApi: (control) => openChannel(proxies, clock, ask, control),
    logger: loggerOf(world, () => plane),
    repositories: {} as Repositories,
    certificateAuthority: undefined,
    forgetService: async () => {},
    at: (point) => reach(world, plane, point),
  });
  const plane: Plane = Object.assign(process, {
    ...{ number: replica.number, replica, pointsLeft: Number.POSITIVE_INFINITY, gone },
    close: () => Promise.race([orchestrator.close(), gone.promise]),
  });
  world.planes.push(plane);
  tell(world, `process ${plane.number} begins`);
  return plane;
}

/** At this very moment; its sign of life falls with it. */
export function die(world: World, plane: Plane, how: string): void {
  if (plane.dead) return;
  plane.dead = true;
  plane.gone.resolve();
  leave(world, plane);
  tell(world, `process ${plane.number} dies ${how}`);
  void plane.replica.close();
}

/** From here on another may take its place. */
export function leave({ planes }: World, plane: Plane): void {
  if (planes.includes(plane)) planes.splice(planes.indexOf(plane), 1);
}

function reach(world: World, plane: Plane, point: Point): void {
  if (!plane.dead && --plane.pointsLeft === 0) die(world, plane, `at ${point}`);
  if (plane.dead) throw new Error('This process is dead.');
}

function unlessDead<T extends unknown[]>(process: Process, work: (...given: T) => void) {
  return (...given: T) => {
    if (!process.dead) work(...given);
  };
}

function isSick({ sick, clock }: World, name: string): boolean {
  return (sick.get(name) ?? 0) > clock.now();
}

/** What a living process holds to be an error is one: everything that may happen here is expected. */
function loggerOf(world: World, plane: () => Plane): Log {
  const write = (level: string) => (fields: { readonly err?: unknown }, text: string) => {
    if (plane().dead) return;
    const { err } = fields;
    const words = err instanceof Error ? `${err.message}${err.cause ? ` (${err.cause})` : ''}` : '';
    tell(world, `process ${plane().number} logs ${level}: ${text} ${words}`);
    if (level === 'error') world.faults.add(`an error was logged: ${text} ${words.slice(0, 300)}`);
  };
  const quiet = () => {};
  return { error: write('error'), warn: write('warn'), info: quiet, debug: quiet } as unknown as Log;
}

const pem = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';
