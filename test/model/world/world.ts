// A service in a tiny world: what is written down of it, what really is on the engine and in the proxies, and the steps
// that are under way. No behaviour stands here.
import type { JobState, JobView } from '../../../src/model/jobs.ts';
import type { EndState, RedeploySituation, RedeployStep, RedeployView } from '../../../src/model/redeploy.ts';
import type { AppliedRotation, ProxyRotation } from '../../../src/model/rotation.ts';
import { type Chance, chanceOf } from './chance.ts';
import type { Deed, Fate, Happening, Plan, Scenario } from './scenario.ts';

export type Writable<T> = { -readonly [K in keyof T]: T[K] };

export interface SimJob extends Writable<JobView> {
  readonly fate: Fate;
  address: string | null;
  drainUntil: number | null;
  /** Looks in a row that speak against its health as it is written. */
  against: number;
  /** What really is. */
  container: 'NONE' | 'RUNNING' | 'EXITED';
  ranAt: number;
  sickUntil: number;
  /** When a proxy last had it as one to send requests to. */
  lastReadyAt: number;
}

export interface SimRedeploy {
  readonly id: string;
  readonly number: number;
  readonly plan: Plan;
  readonly view: Writable<RedeployView>;
  end: { readonly state: EndState | 'SUPERSEDED'; readonly at: number } | undefined;
  /** In which phase somebody asked to cancel it. */
  canceledDuring: string | undefined;
  /** How many old jobs it could go back to when it switched. */
  replaced: number;
}

export interface SimProxy {
  id: string;
  /** Its job is written as running. */
  listed: boolean;
  serving: boolean;
  /** Until then its control port doesn't answer; it serves on as it was told last. */
  answersFrom: number;
  servesFrom: number;
  files: ProxyRotation;
  memory: ProxyRotation;
  applied: AppliedRotation | null;
}

/** A step under way: goes on at a time, until it is done. */
export interface Begun {
  readonly key: string;
  readonly jobId: string | undefined;
  readonly work: Generator<number, void>;
  readonly underWay: { aborted: boolean };
  at: number;
}

export interface World {
  readonly scenario: Scenario;
  readonly chance: Chance;
  readonly decideOn: (situation: RedeploySituation) => RedeployStep[];
  readonly story: string[] | undefined;
  readonly faults: Set<string>;
  now: number;
  jobs: SimJob[];
  readonly redeploys: SimRedeploy[];
  open: SimRedeploy | undefined;
  running: SimRedeploy | undefined;
  stopped: boolean;
  failing: boolean;
  workers: Record<string, number>;
  readonly proxies: SimProxy[];
  readonly begun: Map<string, Begun>;
  readonly retries: Map<string, { readonly times: number; readonly at: number }>;
  /** What has still to happen, soonest first; and what waits for a phase. */
  due: { readonly at: number; readonly deed: () => void }[];
  waiting: Happening[];
  happen: (deed: Deed) => void;
  engineFrom: number;
  platformFrom: number;
  recordsToLose: number;
  /** Jobs made from then on live. */
  calmFrom: number;
  /** The most jobs that any spec with its workers has asked for. */
  mostWanted: number;
  /** As many healthy jobs every proxy has had before, and must go on having; undefined when people or jobs spoiled it. */
  floor: number | undefined;
  /** A job failed, was made to, or was stopped by somebody. */
  spoiled: boolean;
  /** The states that jobs were last seen in. */
  readonly states: Map<string, JobState>;
}

export type Decide = World['decideOn'];

export function newWorld(scenario: Scenario, decideOn: Decide, story: string[] | undefined): World {
  const nobody: ProxyRotation = {
    services: [{ serviceId: 'shop', maintenance: false, servers: [] }],
    challenges: {},
    certificates: {},
  };
  const proxies = Array.from(
    { length: scenario.proxies },
    (_, number): SimProxy => ({
      ...{ id: `proxy-${number}`, listed: true, serving: true, answersFrom: 0, servesFrom: 0 },
      ...{ files: nobody, memory: nobody, applied: nobody },
    }),
  );
  return {
    ...{ scenario, decideOn, story, proxies, chance: chanceOf(scenario.seed + 1_000_000), now: 0 },
    ...{ jobs: [], redeploys: [], open: undefined, running: undefined, stopped: false, failing: false },
    workers: scenario.mailers > 0 ? { mailer: scenario.mailers } : {},
    ...{
      begun: new Map(),
      retries: new Map(),
      due: [],
      waiting: [],
      happen: () => {},
      engineFrom: 0,
      platformFrom: 0,
    },
    ...{ recordsToLose: 0, calmFrom: Number.POSITIVE_INFINITY, mostWanted: 0, floor: undefined },
    ...{ spoiled: false, states: new Map() },
    faults: new Set(),
  };
}

export function tell(world: World, line: () => string): void {
  world.story?.push(`${(world.now / 1000).toFixed(2).padStart(8)} s  ${line()}`);
}

export function isReallyHealthy({ container, fate, ranAt, sickUntil }: SimJob, now: number): boolean {
  if (container !== 'RUNNING' || now < sickUntil) return false;
  return fate.healthyAfterMs !== null && now >= ranAt + fate.healthyAfterMs;
}

/** From here on there may be fewer healthy jobs than before, until a redeploy begins anew. */
export function spoilt(world: World): void {
  world.floor = undefined;
  world.spoiled = true;
}
