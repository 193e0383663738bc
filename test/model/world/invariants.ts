// What must hold after every single step, at every end of a redeploy, and when the world has come to rest. The names S1 to
// S8 are those of the platform's invariants.
import { isLeaving, wantedJobs } from '../../../src/model/job-steps.ts';
import { isAlive, type JobState, jobMoves } from '../../../src/model/jobs.ts';
import { type EndState, type PhaseName, undoUntil } from '../../../src/model/redeploy.ts';
import { healthyReady, readyJobs } from './proxy-work.ts';
import { isReallyHealthy, type SimRedeploy, type World } from './world.ts';

export function checkAlways(world: World): void {
  const { jobs, faults, redeploys, open, mostWanted, floor } = world;
  const most = 2 * mostWanted + 1;
  const alive = jobs.filter(isAlive).length;
  const containers = jobs.filter(({ container }) => container === 'RUNNING').length;
  if (alive > most || containers > most)
    faults.add(`S2: ${Math.max(alive, containers)} jobs where at most ${most} may be`);
  if (redeploys.filter(({ end }) => end === undefined).length > 1) faults.add('S8: two redeploys are open');
  if (open !== undefined && world.now > open.view.deadlineAt.getTime() + 15_000)
    faults.add(`S6: ${open.id} has not ended by its deadline and 15 s`);
  if (floor !== undefined && inRotation(world) < floor)
    faults.add(`S1: ${inRotation(world)} healthy jobs in rotation where there were ${floor}`);
  checkMoves(world);
  checkUnswitched(world);
}

function checkMoves({ jobs, faults, states }: World): void {
  for (const { id, state } of jobs) {
    const before: JobState = states.get(id) ?? 'SCHEDULED';
    if (before === state) continue;
    if (!jobMoves[before].includes(state)) faults.add(`S7: ${id} moved from ${before} to ${state}`);
    states.set(id, state);
  }
}

/** Jobs of a redeploy by OVERLAP get no requests before its switch; never, when it didn't come so far. */
function checkUnswitched(world: World): void {
  const unswitched = world.redeploys
    .filter(({ view }) => view.spec.strategy === 'OVERLAP')
    .filter(({ view }) => !view.phases.some(({ phase }) => phase === 'SWITCH'));
  const ids = new Set(unswitched.map(({ id }) => id));
  const early = world.jobs.filter((job) => job.redeployId !== null && ids.has(job.redeployId));
  const reached = early.some(
    (job) =>
      (job.rotation !== 'OUT' && job.rotation !== null) ||
      world.proxies.some((proxy) => readyJobs(world, proxy).includes(job.id)),
  );
  if (reached) world.faults.add('a new job is in rotation before the switch');
}

/** Healthy jobs that requests reach, by the proxy that knows the fewest. */
export function inRotation(world: World): number {
  const { jobs, now } = world;
  const serving = world.proxies.filter((proxy) => proxy.serving);
  if (serving.length > 0) return Math.min(...serving.map((proxy) => healthyReady(world, proxy)));
  if (world.scenario.proxies > 0) return Number.POSITIVE_INFINITY;
  return jobs.filter((job) => job.rotation === 'IN' && isReallyHealthy(job, now)).length;
}

const order: readonly PhaseName[] = [
  'PREPARE',
  'PULL_IMAGE',
  'START_NEW',
  'VERIFY',
  'SWITCH',
  'OVERLAP',
  'DRAIN',
];

/** When a phase is entered: its place in the order, and what it begins with. */
export function checkPhases(world: World, { view }: SimRedeploy): void {
  if (view.spec.strategy === 'RECREATE') {
    world.floor = undefined;
    return;
  }
  const names = view.phases.map(({ phase }) => phase);
  const forward = names.filter((phase) => phase !== 'RESTORE');
  const restored = names.at(-1) === 'RESTORE' && forward.includes('SWITCH') && !forward.includes('DRAIN');
  if (forward.some((phase, index) => phase !== order[index]) || (forward.length < names.length && !restored))
    world.faults.add(`S7: phases ${names.join(', ')}`);
  if (names.length === 1) world.floor = floorOf(world, view.spec.scale);
}

/** Undefined while what serves isn't what has proved itself, which goes in any case, or while a proxy is away. */
function floorOf(world: World, scale: number): number | undefined {
  const { proxies, scenario } = world;
  if (proxies.length < scenario.proxies || proxies.some(({ serving }) => !serving)) return undefined;
  const serving = world.jobs.filter((job) => job.rotation === 'IN');
  const proven = serving.every((job) => job.redeployId === world.running?.id);
  if (!proven) return undefined;
  const written = serving.filter((job) => job.health === 'HEALTHY' && !isLeaving(job)).length;
  return Math.min(inRotation(world), written, scale);
}

export function checkEnd(world: World, redeploy: SimRedeploy, state: EndState | 'SUPERSEDED'): void {
  const { faults, jobs, running, now } = world;
  const { view, id, canceledDuring } = redeploy;
  const alive = jobs.filter(isAlive);
  if (state === 'SUCCEEDED') {
    if (canceledDuring !== undefined) faults.add(`a cancel during ${canceledDuring} was not heeded`);
    if (now < view.deadlineAt.getTime() && alive.some((job) => job.redeployId !== id))
      faults.add('S3: SUCCEEDED while old jobs live');
    const own = alive.filter((job) => job.type === 'DEPLOY' && job.redeployId === id);
    const healthy = own.filter(({ health }) => health === 'HEALTHY').length;
    if (!world.spoiled && healthy !== view.spec.scale) faults.add(`SUCCEEDED with ${healthy} healthy jobs`);
  }
  // One may have ended since it was decided.
  const justEnded = jobs.some(({ stoppedAt }) => stoppedAt !== null && now - stoppedAt.getTime() < 200);
  if (state === 'ROLLED_BACK' && running !== undefined && !justEnded) {
    const back = alive.filter(
      (job) => job.type === 'DEPLOY' && job.redeployId === running.id && !isLeaving(job),
    );
    if (running === redeploy || back.length < running.view.spec.scale)
      faults.add('ROLLED_BACK while what ran before does not run');
  }
}

/** When troubles are over and nothing is left to do. */
export function checkRest(world: World): void {
  const { faults, jobs, running, stopped, failing, redeploys, workers } = world;
  if (world.open !== undefined) faults.add('S6: a redeploy has not ended');
  const alive = jobs.filter(isAlive);
  const wanted = running === undefined || stopped ? [] : wantedJobs(running.view.spec, workers);
  if (alive.some((job) => job.redeployId !== running?.id || stopped))
    faults.add('S3: jobs run that nobody wants');
  for (const { type, target, count } of failing ? [] : wanted) {
    const there = alive.filter((job) => job.type === type && job.target === target).length;
    if (there !== count) faults.add(`S3: ${there} jobs of ${count}`);
  }
  for (const { id, type, health, rotation } of alive)
    if (type === 'DEPLOY' && (rotation === 'IN') !== (health === 'HEALTHY') && health !== 'UNHEALTHY')
      faults.add(`S3: ${id} is ${health} and its rotation ${rotation}`);
  const serving = alive.filter(({ rotation, health }) => rotation === 'IN' && health === 'HEALTHY');
  for (const proxy of world.proxies) {
    const ready = readyJobs(world, proxy).sort().join();
    const due = serving
      .map(({ id }) => id)
      .sort()
      .join();
    if (ready !== due) faults.add(`S4: ${proxy.id} sends requests to ${ready} instead of ${due}`);
  }
  const last = redeploys.at(-1);
  if (last !== undefined) checkWinner(world, last);
}

/** What runs in the end is what the last redeploy's end says. */
function checkWinner({ running, stopped, faults, spoiled }: World, last: SimRedeploy): void {
  const state = last.end?.state;
  if (state === 'SUCCEEDED' && running !== last) faults.add('S3: what succeeded last does not run');
  if (state === 'ROLLED_BACK' && running === last) faults.add('S3: what was rolled back runs');
  if ((state !== 'FAILED' && state !== 'CANCELED') || running !== last || spoiled || stopped) return;
  // Where nothing had run before, or time was up, it stays.
  const late = (last.end?.at ?? 0) >= undoUntil(last.view).getTime();
  if (!late && last.replaced > 0 && last.view.previousId !== null) faults.add(`S3: what was ${state} runs`);
}
