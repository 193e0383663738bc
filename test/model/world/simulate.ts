// Lets a scenario happen: the model decides, the steps that can be begun are begun as the orchestrator begins them (of equal
// steps one, one at a time for one job, later again what failed), and time goes on to whatever comes next. After every
// single step the invariants are looked at.

import { isAlive } from '../../../src/model/jobs.ts';
import type { ProxyStep } from '../../../src/model/proxy-steps.ts';
import { nextSteps, type RedeployStep } from '../../../src/model/redeploy.ts';
import { type SteadyStep, steadySteps } from '../../../src/model/steady.ts';
import { checkAlways, checkRest } from './invariants.ts';
import { putIn, startJob, stopJob, verifyJob } from './job-work.ts';
import { happen } from './people.ts';
import { type Doing, Trouble, type UnderWay } from './performing.ts';
import { readyJobs, standing, stepsOfProxies, syncProxy, watchDrain } from './proxy-work.ts';
import { move } from './records.ts';
import { markUnhealthy, workOn } from './redeploy-work.ts';
import type { Scenario } from './scenario.ts';
import { type Decide, isReallyHealthy, newWorld, spoilt, tell, type World } from './world.ts';

type Step = RedeployStep | SteadyStep | ProxyStep;

const healthySeconds = 20;
const lookEveryMs = 1_000;
/** The longest back-off of restarts, and a redeploy with a long deadline, fit into it. */
const restMs = 400_000;

export function simulate(scenario: Scenario, story?: string[], decideOn: Decide = nextSteps): World {
  const world = newWorld(scenario, decideOn, story);
  world.happen = (deed) => happen(world, deed);
  for (const happening of scenario.happenings) {
    const { when, deed } = happening;
    if ('phase' in when) world.waiting.push(happening);
    else world.due.push({ at: when.ms, deed: () => world.happen(deed) });
  }
  for (let lookedAt = 0; !isOver(world); ) {
    if (world.now - lookedAt >= lookEveryMs) {
      lookedAt = world.now;
      look(world);
    }
    pass(world);
    goOn(world);
    if (world.faults.size > 0) return world;
    world.now = nextTime(world, lookedAt + lookEveryMs);
  }
  checkRest(world);
  return world;
}

/** When everything has happened that was to, troubles end; then the world has to come to rest. */
function isOver(world: World): boolean {
  const { due, begun, open } = world;
  if (due.length > 0) return false;
  if (open === undefined && begun.size === 0 && world.now >= world.platformFrom) {
    if (world.calmFrom > world.now) {
      // What still waits for a phase that never came happens now.
      const [next] = world.waiting.splice(0, 1);
      if (next !== undefined) world.happen(next.deed);
      else world.calmFrom = world.now;
      return false;
    }
    const troubled = Math.max(
      world.engineFrom,
      ...world.proxies.map((proxy) => Math.max(proxy.answersFrom, proxy.servesFrom)),
    );
    if (world.now >= troubled && world.now > world.calmFrom + 2_500 && decide(world).length === 0)
      return true;
  }
  if (world.now > world.calmFrom + restMs || world.now > 3_600_000) {
    world.faults.add('it never comes to rest');
    return true;
  }
  return false;
}

function nextTime(world: World, lookAt: number): number {
  let next = lookAt;
  for (const { at } of world.due) next = Math.min(next, at);
  for (const { at } of world.begun.values()) next = Math.min(next, at);
  for (const { fate, container, ranAt } of world.jobs)
    if (container === 'RUNNING' && fate.crashAfterMs !== null)
      next = Math.min(next, ranAt + fate.crashAfterMs);
  return Math.max(world.now + 1, next);
}

/** What happens by itself, and what people do. */
function pass(world: World): void {
  for (const job of world.jobs) {
    const { crashAfterMs } = job.fate;
    if (job.container !== 'RUNNING' || crashAfterMs === null || world.now < job.ranAt + crashAfterMs)
      continue;
    job.container = 'EXITED';
    spoilt(world);
    tell(world, () => `${job.id} of ${job.redeployId} crashes`);
  }
  for (const proxy of world.proxies)
    if (!proxy.serving && world.now >= proxy.servesFrom)
      Object.assign(proxy, { serving: true, memory: proxy.files });
  const soon = world.due.filter(({ at }) => at <= world.now).sort((a, b) => a.at - b.at);
  world.due = world.due.filter(({ at }) => at > world.now);
  for (const { deed } of soon) deed();
  checkAlways(world);
}

/** What the platform sees by looking at jobs: those that have ended, and whether the others are healthy. */
function look(world: World): void {
  if (world.now < world.platformFrom) return;
  for (const job of world.jobs) {
    if (job.state !== 'RUNNING') continue;
    if (job.container === 'EXITED' && world.now >= world.engineFrom) move(world, job, 'FAILED');
    if (job.type !== 'DEPLOY' || (job.health !== 'HEALTHY' && job.health !== 'UNHEALTHY')) continue;
    job.against = isReallyHealthy(job, world.now) === (job.health === 'HEALTHY') ? 0 : job.against + 1;
    if (job.against < 2) continue;
    Object.assign(job, { against: 0, health: job.health === 'HEALTHY' ? 'UNHEALTHY' : 'HEALTHY' });
    tell(world, () => `${job.id} of ${job.redeployId} is ${job.health}`);
  }
}

/** Goes on with everything that can go on at this moment. */
function goOn(world: World): void {
  for (let round = 0; round < 100; round++) {
    if (world.now < world.platformFrom) return;
    begin(
      world,
      decide(world).filter((step) => step.do !== 'WAIT'),
    );
    const due = [...world.begun.values()].filter(({ at }) => at <= world.now);
    if (due.length === 0) return;
    for (const each of due) {
      if (world.begun.get(each.key) === each) resume(world, each);
      noteReady(world);
      checkAlways(world);
    }
  }
  world.faults.add('it goes on at one moment without an end');
}

function noteReady(world: World): void {
  for (const proxy of world.proxies)
    for (const id of proxy.serving ? readyJobs(world, proxy) : []) {
      const job = world.jobs.find((each) => each.id === id);
      if (job !== undefined) job.lastReadyAt = world.now;
    }
}

function decide(world: World): Step[] {
  const { open, running, jobs, workers, stopped, failing } = world;
  const now = new Date(world.now);
  const lastGood = running === undefined ? null : { redeployId: running.id, spec: running.view.spec };
  const proxies = standing(world);
  const proxying = stepsOfProxies(world);
  if (open === undefined) {
    const situation = { stopped, failing, running: lastGood, workers, jobs, proxies, healthySeconds, now };
    return [...steadySteps({ ...situation, deleting: false, budgetFrom: null }), ...proxying];
  }
  const mine = jobs.filter((job) => isAlive(job) || [job.redeployId, job.restoredBy].includes(open.id));
  const situation = { jobs: mine, workers, proxies, healthySeconds, now };
  return [...world.decideOn({ ...situation, redeploy: { ...open.view, lastGood } }), ...proxying];
}

function begin(world: World, steps: readonly Step[]): void {
  const wanted = new Map(steps.map((step) => [keyOf(step), step]));
  for (const [key, { underWay }] of world.begun) if (!wanted.has(key)) underWay.aborted = true;
  for (const [key, step] of wanted) {
    const jobId = 'jobId' in step ? step.jobId : undefined;
    const busy = [...world.begun.values()].some(
      (each) => each.key === key || (jobId !== undefined && each.jobId === jobId),
    );
    if (busy || (world.retries.get(key)?.at ?? 0) > world.now) continue;
    const underWay = { aborted: false };
    world.begun.set(key, { key, jobId, underWay, work: workFor(world, step, underWay), at: world.now });
  }
}

function resume(world: World, each: NonNullable<ReturnType<World['begun']['get']>>): void {
  try {
    const { done, value } = each.work.next();
    if (done !== true) {
      each.at = world.now + Number(value);
      return;
    }
    world.retries.delete(each.key);
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    const times = (world.retries.get(each.key)?.times ?? 0) + 1;
    if (!each.underWay.aborted)
      world.retries.set(each.key, { times, at: world.now + Math.min(5_000, 250 * 2 ** (times - 1)) });
    tell(world, () => `${each.key}: ${error.message}`);
  }
  world.begun.delete(each.key);
}

function workFor(world: World, step: Step, underWay: UnderWay): Doing<void> {
  if (step.do === 'SYNC_PROXY') return syncProxy(world, step.proxyId, underWay);
  if (step.do === 'WATCH_DRAIN') return watchDrain(world, underWay);
  if (step.do === 'WAIT' || step.do === 'CLEAR_AWAY') throw new Error(`${step.do} is not to be done here`);
  if (!('jobId' in step)) return workOn(world, step, underWay);
  const job = world.jobs.find(({ id }) => id === step.jobId);
  if (job === undefined) throw new Error(`a step for a job that is not there: ${JSON.stringify(step)}`);
  switch (step.do) {
    case 'START_JOB':
      return startJob(world, job, underWay);
    case 'STOP_JOB':
      return stopJob(world, job, underWay);
    case 'PUT_IN':
      return putIn(world, job, underWay);
    case 'VERIFY_JOB':
      return verifyJob(world, job, step.until, underWay);
    default:
      return markUnhealthy(world, job, underWay);
  }
}

function keyOf(step: Step): string {
  const of = 'jobId' in step ? step.jobId : 'proxyId' in step ? step.proxyId : '';
  return `${step.do} ${of}`.trim();
}
