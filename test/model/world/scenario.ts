// What is to happen to a service, made from a seed: redeploys one after another, people who ask for things at bad moments,
// and troubles of jobs, engine, proxies and of the platform itself. All troubles end; what comes after is looked at, too.
import type { PhaseName } from '../../../src/model/redeploy.ts';
import { type Chance, chanceOf } from './chance.ts';

/** What becomes of a job's container. */
export interface Fate {
  readonly startMs: number;
  readonly healthyAfterMs: number | null;
  readonly crashAfterMs: number | null;
  readonly stopMs: number;
  /** How long a request lasts. */
  readonly sessionMs: number;
}

/** A redeploy that somebody asks for, with the spec as it is wanted then. */
export interface Plan {
  readonly scale: number;
  /** Null: the service is redeployed by RECREATE. */
  readonly overlapSeconds: number | null;
  readonly rollBack: boolean;
  readonly deadlineSeconds: number;
  readonly pullMs: number;
  readonly imageMissing: boolean;
  /** Of the jobs that run its spec, in turn. */
  readonly fates: readonly Fate[];
}

export type Deed =
  | { readonly do: 'REDEPLOY'; readonly plan: Plan }
  | { readonly do: 'CANCEL' | 'STOP_SERVICE' | 'LOSE_A_RECORD' }
  | { readonly do: 'SCALE_WORKERS'; readonly number: number }
  | {
      readonly do: 'STOP_A_JOB' | 'KILL_A_JOB' | 'SICKEN_A_JOB';
      readonly number: number;
      readonly ms: number;
    }
  | { readonly do: 'ENGINE_AWAY' | 'PLATFORM_DIES'; readonly ms: number }
  | {
      readonly do: 'PROXY_LAGS' | 'PROXY_RESTARTS' | 'PROXY_GOES';
      readonly number: number;
      readonly ms: number;
    };

export interface Happening {
  /** At a time, or so long after a redeploy, counted from 0, has entered a phase. */
  readonly when:
    | { readonly ms: number }
    | { readonly redeploy: number; readonly phase: PhaseName; readonly ms: number };
  readonly deed: Deed;
}

export interface Scenario {
  readonly seed: number;
  readonly mailers: number;
  readonly proxies: number;
  readonly happenings: readonly Happening[];
}

const phases = [
  'PREPARE',
  'PULL_IMAGE',
  'START_NEW',
  'VERIFY',
  'SWITCH',
  'OVERLAP',
  'DRAIN',
  'RESTORE',
] as const;
const good: Fate = { startMs: 400, healthyAfterMs: 800, crashAfterMs: null, stopMs: 600, sessionMs: 1_500 };

export function scenarioOf(seed: number): Scenario {
  const chance = chanceOf(seed);
  // In every other world jobs never fail and nobody stops one: there, not one request may find nobody.
  const kind = chance.happens(0.5) ? 'GENTLE' : 'ROUGH';
  const first: Happening = { when: { ms: 0 }, deed: { do: 'REDEPLOY', plan: planOf(chance, 'GENTLE') } };
  const redeploys = Array.from({ length: chance.between(1, 4) }, (_, number): Happening => {
    const plan = planOf(chance, kind);
    return { when: whenOf(chance, number, 30_000 * (number + 1)), deed: { do: 'REDEPLOY', plan } };
  });
  const deeds = Array.from({ length: chance.between(0, 6) }, (): Happening => {
    const when = whenOf(chance, chance.between(0, redeploys.length), chance.between(1_000, 150_000));
    return { when, deed: deedOf(chance, kind) };
  });
  const mailers = chance.happens(0.3) ? chance.between(1, 2) : 0;
  return { seed, mailers, proxies: chance.of([0, 1, 1, 2]), happenings: [first, ...redeploys, ...deeds] };
}

/** Most of all at some moment of a redeploy. */
function whenOf(chance: Chance, redeploy: number, ms: number): Happening['when'] {
  if (chance.happens(0.3)) return { ms };
  const phase = chance.of(phases);
  return { redeploy, phase, ms: chance.happens(0.4) ? chance.between(0, 200) : chance.between(0, 4_000) };
}

function planOf(chance: Chance, kind: 'GENTLE' | 'ROUGH'): Plan {
  const bad = kind === 'ROUGH' && chance.happens(0.3);
  const overlapping = chance.happens(0.85);
  return {
    scale: overlapping ? chance.between(2, 4) : chance.between(0, 3),
    overlapSeconds: overlapping ? chance.of([0, 1, 5, 20]) : null,
    rollBack: chance.happens(0.8),
    deadlineSeconds: chance.between(10, 60),
    pullMs: chance.happens(0.8) ? chance.between(0, 500) : chance.between(0, 40_000),
    imageMissing: chance.happens(0.05),
    fates: bad ? Array.from({ length: chance.between(1, 3) }, () => fateOf(chance)) : [good],
  };
}

function fateOf(chance: Chance): Fate {
  return {
    startMs: chance.between(0, 4_000),
    healthyAfterMs: chance.happens(0.7) ? chance.between(0, 15_000) : null,
    crashAfterMs: chance.happens(0.5) ? chance.between(0, 25_000) : null,
    stopMs: chance.happens(0.7) ? 600 : chance.between(0, 12_000),
    sessionMs: chance.between(0, 14_000),
  };
}

export const fateAfterTroubles = good;

function deedOf(chance: Chance, kind: 'GENTLE' | 'ROUGH'): Deed {
  const number = chance.between(0, 20);
  const ms = chance.happens(0.5) ? chance.between(200, 3_000) : chance.between(200, 30_000);
  const gentle: readonly Deed['do'][] = [
    'CANCEL',
    'LOSE_A_RECORD',
    'ENGINE_AWAY',
    'PLATFORM_DIES',
    'SCALE_WORKERS',
  ];
  const proxies: readonly Deed['do'][] = ['PROXY_LAGS', 'PROXY_RESTARTS', 'PROXY_GOES'];
  const rough: readonly Deed['do'][] = [
    'STOP_A_JOB',
    'KILL_A_JOB',
    'SICKEN_A_JOB',
    'SICKEN_A_JOB',
    'STOP_SERVICE',
  ];
  const kinds = [...gentle, ...proxies, ...(kind === 'ROUGH' ? [...rough, ...rough] : [])];
  const word = chance.of(kinds);
  return { do: word, number, ms: word === 'PLATFORM_DIES' ? Math.min(ms, 1_500) : ms } as Deed;
}
