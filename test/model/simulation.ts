// A service in a tiny world of its own, in which what the model decides is done: jobs take their time to start, stop and
// become healthy, crash, or never do any of it, and people ask for things at bad moments. Time is simulated, a quarter of
// a second at once. After every single step the invariants that hold at all times are looked at.

import { wantedJobs } from '../../src/model/job-steps.ts';
import { hasEnded, isAlive, type JobState, type JobView, jobMoves } from '../../src/model/jobs.ts';
import {
  type EndState,
  nextSteps,
  type RedeployStep,
  type RedeployView,
  type WantedJobs,
} from '../../src/model/redeploy.ts';
import type { Spec } from '../../src/model/spec.ts';
import { type SteadyStep, steadySteps } from '../../src/model/steady.ts';
import { act } from './simulated-people.ts';

export interface Fate {
  readonly startSeconds: number;
  readonly healthyAfter: number | null;
  readonly crashAfter: number | null;
}

export interface Asked {
  readonly at: number;
  readonly deadlineSeconds: number;
  readonly pullSeconds: number;
  readonly imageMissing: boolean;
  /** Of the jobs it starts, in turn. */
  readonly fates: readonly Fate[];
}

export type Action = {
  readonly at: number;
  readonly do: 'CANCEL' | 'STOP_A_JOB' | 'SCALE_WORKERS' | 'STOP_SERVICE';
  readonly number: number;
};

export interface Scenario {
  readonly scale: number;
  readonly mailers: number;
  readonly volume: boolean;
  readonly rollBack: boolean;
  readonly stopSeconds: number;
  readonly redeploys: readonly Asked[];
  readonly actions: readonly Action[];
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };
export type SimJob = Writable<JobView> & { fate: Fate; doneAt: number | null };

export interface SimRedeploy {
  readonly id: string;
  readonly asked: Asked;
  readonly spec: Spec;
  view: Writable<RedeployView>;
  wanted: readonly WantedJobs[];
  pullDoneAt: number | null;
  ends: { state: EndState | 'SUPERSEDED'; at: number }[];
}

export interface World {
  readonly scenario: Scenario;
  now: number;
  jobs: SimJob[];
  redeploys: SimRedeploy[];
  open: SimRedeploy | undefined;
  running: SimRedeploy | undefined;
  stopped: boolean;
  failing: number;
  budgetFrom: Date | null;
  workers: Record<string, number>;
  /** The most jobs that any spec or worker count has asked for so far. */
  mostWanted: number;
  changes: number;
  /** How often anything went on at a moment without coming to rest. */
  restless: number;
  faults: string[];
}

export const healthySeconds = 20;
const tick = 500;

/** Lets the scenario happen, and the world come to rest for as long after it. */
export function simulate(scenario: Scenario, restSeconds = 400): World {
  const world = newWorld(scenario);
  const pending = [...scenario.redeploys, ...scenario.actions].sort((a, b) => a.at - b.at);
  const last = Math.max(0, ...pending.map(({ at }) => at));
  for (; world.now <= (last + restSeconds) * 1000; world.now += tick) {
    while ((pending[0]?.at ?? Number.POSITIVE_INFINITY) * 1000 <= world.now) act(world, pending.shift());
    pass(world);
    settle(world);
  }
  return world;
}

function newWorld(scenario: Scenario): World {
  return {
    ...{ scenario, now: 0, jobs: [], redeploys: [], open: undefined, running: undefined },
    ...{ stopped: false, failing: 0, budgetFrom: null, changes: 0, restless: 0, faults: [] },
    workers: scenario.mailers > 0 ? { mailer: scenario.mailers } : {},
    mostWanted: scenario.scale + scenario.mailers,
  };
}

/** Does everything that can be done at this moment. */
function settle(world: World): void {
  for (let round = 0; round < 50; round++) {
    const steps = decide(world).filter((step) => step.do !== 'WAIT');
    const before = world.changes;
    const begun = new Set<string>();
    for (const step of steps) {
      // As the orchestrator does: of equal steps one is begun.
      const key = 'jobId' in step ? `${step.do} ${step.jobId}` : step.do;
      if (begun.has(key)) continue;
      begun.add(key);
      perform(world, step);
      checkAlways(world);
    }
    if (world.changes === before) return;
  }
  world.restless += 1;
}

export function decide(world: World): (RedeployStep | SteadyStep)[] {
  const { open, running, jobs, workers } = world;
  const now = new Date(world.now);
  const lastGood = running === undefined ? null : { redeployId: running.id, spec: running.spec };
  if (open !== undefined) {
    const mine = jobs.filter((job) => isAlive(job) || [job.redeployId, job.restoredBy].includes(open.id));
    const known = { workers, proxies: 'NONE', healthySeconds, now } as const;
    return nextSteps({ redeploy: { ...open.view, lastGood }, jobs: mine, ...known });
  }
  const { stopped, failing, budgetFrom } = world;
  const situation = { stopped, failing: failing > 0, budgetFrom, running: lastGood, workers };
  return steadySteps({ ...situation, deleting: false, jobs, proxies: 'NONE', healthySeconds, now });
}

function perform(world: World, step: RedeployStep | SteadyStep): void {
  const { open } = world;
  const changed = 'jobId' in step ? performOnJob(world, step) : performOnService(world, open, step);
  if (changed) world.changes += 1;
}

function performOnService(
  world: World,
  open: SimRedeploy | undefined,
  step: RedeployStep | SteadyStep,
): boolean {
  switch (step.do) {
    case 'REPLACE':
      return schedule(world, world.running, null, [step.wanted]);
    case 'MARK_FAILING':
      world.failing += 1;
      if (world.failing > 1) world.faults.push('said twice that it is failing');
      return true;
    default:
      if (open === undefined) throw new Error(`${step.do} without an open redeploy`);
      return performOnRedeploy(world, open, step as RedeployStep);
  }
}

function performOnRedeploy(world: World, open: SimRedeploy, step: RedeployStep): boolean {
  switch (step.do) {
    case 'BEGIN':
      open.view.state = 'RUNNING';
      return enter(open, 'PREPARE');
    case 'PREPARE':
      return enter(open, 'PULL_IMAGE');
    case 'OBTAIN_IMAGE':
      open.pullDoneAt ??= world.now + open.asked.pullSeconds * 1000;
      return false;
    case 'ENTER_START_NEW':
      if (!enter(open, 'START_NEW')) return false;
      open.wanted = step.wanted;
      return schedule(world, open, null, step.wanted) || true;
    case 'ENTER_VERIFY':
      return enter(open, 'VERIFY');
    case 'FAIL': {
      const message = '';
      const canceled = step.because.kind === 'CANCELED';
      open.view.cause = canceled
        ? { kind: 'CANCELED', message }
        : { kind: 'DEADLINE_EXCEEDED', message, phase: '' };
      return true;
    }
    case 'ENTER_RESTORE':
      return enter(open, 'RESTORE') && (schedule(world, world.running, open.id, step.wanted) || true);
    case 'END':
      end(world, open, step.state);
      return true;
    default:
      throw new Error(`${step.do} is no step of a redeploy`);
  }
}

/** As the orchestrator writes an end; and what must be true of it at that very moment. */
function end(world: World, open: SimRedeploy, state: EndState): void {
  open.ends.push({ state, at: world.now });
  const stoppedOld = open.view.phases.some(({ phase }) => phase === 'STOP_OLD');
  if (state === 'SUCCEEDED') world.running = open;
  else if (state === 'FAILED' && !open.spec.rollBack && stoppedOld) world.stopped = true;
  world.open = undefined;
  if (state !== 'SUCCEEDED' && state !== 'ROLLED_BACK') return;
  const good = world.running?.id;
  const alive = world.jobs.filter(isAlive);
  if (!alive.every((job) => job.redeployId === good && job.health === 'HEALTHY'))
    world.faults.push(`${state} with a job that is another's or not healthy`);
  const wanted =
    state === 'SUCCEEDED' ? open.wanted : wantedJobs(world.running?.spec ?? open.spec, world.workers);
  for (const { type, target, count } of wanted) {
    // Workers asked for meanwhile come right after it.
    if (state === 'ROLLED_BACK' && type === 'WORKER') continue;
    const there = alive.filter((job) => job.type === type && job.target === target).length;
    if (state === 'SUCCEEDED' ? there !== count : there < count)
      world.faults.push(`${state} with ${there} of ${count} ${type} jobs`);
  }
}

function enter(redeploy: SimRedeploy, phase: RedeployView['phases'][number]['phase']): boolean {
  if (redeploy.view.phases.at(-1)?.phase === phase) return false;
  const entered = { phase, state: 'RUNNING' as const, startedAt: '', endedAt: null, message: '' };
  redeploy.view.phases = [...redeploy.view.phases, entered];
  return true;
}

function schedule(
  world: World,
  of: SimRedeploy | undefined,
  restoredBy: string | null,
  wanted: readonly WantedJobs[],
): boolean {
  if (of === undefined) throw new Error('jobs of no spec');
  for (const { type, target, count } of wanted)
    for (let made = 0; made < count; made++) {
      const number = world.jobs.length;
      const fate = of.asked.fates[number % of.asked.fates.length];
      if (fate === undefined) throw new Error('no fate');
      world.jobs.push({
        ...{ id: `job-${String(number).padStart(6, '0')}`, type, target, redeployId: of.id, restoredBy },
        ...{ state: 'SCHEDULED', health: null, stopRequested: false, createdAt: new Date(world.now) },
        ...{ startedAt: null, stoppedAt: null, cleaned: false, rotation: null, fate, doneAt: null },
      });
    }
  return wanted.length > 0;
}

function performOnJob(world: World, step: { readonly do: string; readonly jobId: string }): boolean {
  const job = world.jobs.find(({ id }) => id === step.jobId);
  if (job === undefined) throw new Error(`a step for a job that is not there: ${JSON.stringify(step)}`);
  const before = `${job.state} ${job.health}`;
  if (step.do === 'STOP_JOB' && job.state === 'SCHEDULED') move(world, job, 'STOPPED');
  else if (step.do === 'STOP_JOB' && job.state !== 'STOPPING') {
    move(world, job, 'STOPPING');
    job.doneAt = world.now + world.scenario.stopSeconds * 1000;
  } else if (step.do === 'START_JOB' && job.state === 'SCHEDULED') {
    move(world, job, 'STARTING');
    job.doneAt = world.now + job.fate.startSeconds * 1000;
  } else if (step.do === 'MARK_UNHEALTHY') job.health = 'UNHEALTHY';
  return before !== `${job.state} ${job.health}`;
}

export function move(world: World, job: SimJob, state: JobState): void {
  if (!jobMoves[job.state].includes(state)) world.faults.push(`a job moved from ${job.state} to ${state}`);
  job.state = state;
  job.health = null;
  if (state === 'RUNNING') Object.assign(job, { health: 'STARTING', startedAt: new Date(world.now) });
  if (hasEnded(state)) job.stoppedAt = new Date(world.now);
}

/** What happens by itself as time passes. */
function pass(world: World): void {
  for (const job of world.jobs) {
    if (job.state === 'STARTING' && world.now >= (job.doneAt ?? 0)) move(world, job, 'RUNNING');
    if (job.state === 'STOPPING' && world.now >= (job.doneAt ?? 0)) move(world, job, 'STOPPED');
    const age = job.state === 'RUNNING' ? (world.now - (job.startedAt?.getTime() ?? 0)) / 1000 : -1;
    if (job.fate.crashAfter !== null && age >= job.fate.crashAfter) move(world, job, 'FAILED');
    else if (job.fate.healthyAfter !== null && age >= job.fate.healthyAfter) job.health = 'HEALTHY';
  }
  const { open } = world;
  if (open?.pullDoneAt == null || world.now < open.pullDoneAt || open.view.cause !== null) return;
  if (open.view.phases.at(-1)?.phase !== 'PULL_IMAGE') return;
  if (!open.asked.imageMissing) enter(open, 'STOP_OLD');
  else open.view.cause = { kind: 'IMAGE_UNAVAILABLE', reference: '', message: '' };
}

function checkAlways(world: World): void {
  const alive = world.jobs.filter(isAlive);
  const most = world.mostWanted * 2 + 1;
  if (alive.length > most) world.faults.push(`${alive.length} jobs where at most ${most} may be`);
  const mounted = alive.filter(({ type, state }) => type === 'DEPLOY' && state !== 'SCHEDULED');
  if (world.scenario.volume && mounted.length > 1) world.faults.push('two jobs have the volume');
}
