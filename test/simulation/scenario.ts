// What is to happen to an environment, made from a seed: its services, what becomes of the jobs of each release, and what
// people, engine and platform do to them and when. All troubles end; what comes after is looked at, too.
import { type Chance, chanceOf } from '../model/world/chance.ts';

/** What becomes of a job's container. */
export interface Fate {
  readonly listensAfterMs: number | undefined;
  readonly ends:
    | { readonly afterMs: number; readonly exitCode: number; readonly outOfMemory: boolean }
    | undefined;
  readonly stopsAfterMs: number | undefined;
}

/** Of a release: its jobs' fates in turn. */
export interface Release {
  readonly imageMissing: boolean;
  readonly refused: boolean;
  readonly fates: readonly Fate[];
}

export interface ServicePlan {
  readonly kind: 'CODE' | 'DATABASE';
  readonly scale: number;
  readonly workers: number;
  readonly overlapSeconds: number | null;
  readonly rollBack: boolean;
}

const ofPeople = [
  'REDEPLOY',
  'REDEPLOY',
  'REDEPLOY',
  'CANCEL',
  'SCALE',
  'WORKERS',
  'STOP_JOB',
  'START_JOB',
  'STOP_SERVICE',
  'SET_VARIABLE',
  'RUN_TASK',
  'MAINTENANCE',
  'DELETE_SERVICE',
  'DELETE_ENVIRONMENT',
] as const;
const ofEngine = [
  'KILL',
  'REMOVE',
  'REMOVE',
  'SICKEN',
  'SQUAT',
  'FORGE',
  'ENGINE_AWAY',
  'ENGINE_RESTARTS',
  'EVENTS_LOST',
  'NETWORK_GOES',
  'PROXIES_AWAY',
] as const;
const ofPlatform = ['DIE', 'DIE', 'DIE_AT_POINT', 'DIE_AT_POINT', 'DIE_AT_POINT', 'HANG', 'CLOSE'] as const;

export interface Deed {
  readonly atMs: number;
  readonly do: (typeof ofPeople)[number] | (typeof ofEngine)[number] | (typeof ofPlatform)[number];
  /** Which one, how many, how long: whatever the deed needs. */
  readonly number: number;
  readonly ms: number;
  readonly release: Release;
}

export interface Scenario {
  readonly seed: number;
  /** Nobody and nothing harms a job that serves: not one healthy job fewer may be in rotation by any redeploy. */
  readonly gentle: boolean;
  readonly services: readonly ServicePlan[];
  readonly proxied: boolean;
  readonly replicas: number;
  /** How often a request to the engine comes to grief, and a nudge is lost. */
  readonly troubleRate: number;
  readonly nudgesLost: number;
  readonly first: Release;
  readonly deeds: readonly Deed[];
  readonly deletedAfterwards: boolean;
  /** How long requests last. */
  readonly sessionMs: number;
}

export const goodFate: Fate = { listensAfterMs: 300, ends: undefined, stopsAfterMs: 200 };
export const goodRelease: Release = { imageMissing: false, refused: false, fates: [goodFate] };

export function scenarioOf(seed: number): Scenario {
  const chance = chanceOf(seed);
  if (chance.happens(0.35)) return gentleOf(seed, chance);
  const services = Array.from({ length: chance.of([1, 1, 1, 2]) }, () => serviceOf(chance));
  const rough = chance.happens(0.6);
  const deeds = Array.from({ length: chance.between(2, 7) }, () => deedOf(chance, rough));
  return {
    ...{
      seed,
      gentle: false,
      sessionMs: chance.of([0, 0, 800, 2_500]),
      services,
      proxied: chance.happens(0.4),
      replicas: chance.of([1, 1, 1, 2]),
    },
    troubleRate: chance.happens(0.5) ? 0 : chance.between(1, 8) / 100,
    nudgesLost: chance.happens(0.7) ? 0 : chance.between(1, 10) / 10,
    first: rough && chance.happens(0.3) ? releaseOf(chance) : goodRelease,
    deeds: deeds.sort((a, b) => a.atMs - b.atMs),
    deletedAfterwards: chance.happens(0.15),
  };
}

const harmless: readonly Deed['do'][] = [
  ...['CANCEL', 'CANCEL', 'SET_VARIABLE', 'WORKERS'],
  ...['ENGINE_AWAY', 'ENGINE_RESTARTS', 'EVENTS_LOST', 'FORGE', 'PROXIES_AWAY', ...ofPlatform],
] as const;

/** One service that is redeployed by OVERLAP behind its proxy; new jobs may never become healthy, but none ends. */
function gentleOf(seed: number, chance: Chance): Scenario {
  const overlapSeconds = chance.of([0, 1, 3]);
  const service = { kind: 'CODE', scale: chance.of([2, 2, 3]), overlapSeconds } as const;
  const deeds = Array.from({ length: chance.between(2, 6) }, (): Deed => {
    const deed = deedOf(chance, false);
    const fates = [
      { ...goodFate, listensAfterMs: chance.happens(0.5) ? chance.between(0, 3_000) : undefined },
    ];
    const release = chance.happens(0.3) ? { ...goodRelease, fates } : goodRelease;
    return {
      ...deed,
      atMs: deed.atMs + 2_500,
      do: chance.happens(0.5) ? 'REDEPLOY' : chance.of(harmless),
      release,
    };
  });
  return {
    ...{ seed, gentle: true, proxied: true, replicas: chance.of([1, 1, 2]) },
    services: [{ ...service, workers: chance.of([0, 0, 1]), rollBack: chance.happens(0.8) }],
    troubleRate: chance.happens(0.5) ? 0 : chance.between(1, 8) / 100,
    nudgesLost: chance.happens(0.7) ? 0 : chance.between(1, 10) / 10,
    first: goodRelease,
    deeds: deeds.sort((a, b) => a.atMs - b.atMs),
    deletedAfterwards: false,
    sessionMs: chance.of([0, 500, 2_500, 12_000]),
  };
}

function serviceOf(chance: Chance): ServicePlan {
  const kind = chance.happens(0.15) ? 'DATABASE' : 'CODE';
  const scale = chance.of([1, 1, 2, 2, 3]);
  return {
    ...{ kind, scale: kind === 'CODE' ? scale : 1, workers: chance.of([0, 0, 1, 2]) },
    overlapSeconds: chance.of([null, 0, 1, 3]),
    rollBack: chance.happens(0.8),
  };
}

/** Most of them while the first redeploys are under way. */
function deedOf(chance: Chance, rough: boolean): Deed {
  const atMs = chance.happens(0.6) ? chance.between(300, 3_000) : chance.between(300, 8_000);
  const word = chance.happens(0.6)
    ? chance.of(ofPeople)
    : chance.happens(0.5)
      ? chance.of(ofEngine)
      : chance.of(ofPlatform);
  const rare = word.startsWith('DELETE') && chance.happens(0.6);
  return {
    ...{ atMs, do: rare ? 'REDEPLOY' : word, number: chance.between(0, 99) },
    ms: chance.happens(0.6) ? chance.between(50, 1_500) : chance.between(1_000, 5_000),
    release: rough && chance.happens(0.4) ? releaseOf(chance) : goodRelease,
  };
}

function releaseOf(chance: Chance): Release {
  return {
    imageMissing: chance.happens(0.08),
    refused: chance.happens(0.08),
    fates: Array.from({ length: chance.between(1, 3) }, () => fateOf(chance)),
  };
}

function fateOf(chance: Chance): Fate {
  const ends = {
    afterMs: chance.happens(0.4) ? 0 : chance.between(50, 5_000),
    exitCode: chance.of([0, 1, 137]),
    outOfMemory: chance.happens(0.3),
  };
  return {
    listensAfterMs: chance.happens(0.75) ? chance.between(0, 3_000) : undefined,
    ends: chance.happens(0.45) ? ends : undefined,
    stopsAfterMs: chance.happens(0.8) ? chance.between(0, 2_000) : undefined,
  };
}
