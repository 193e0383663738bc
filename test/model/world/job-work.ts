// The steps that concern one job: starting, verifying, stopping it.
import { drainSeconds } from '../../../src/model/overlap.ts';
import { type Doing, engine, nothing, perform, type UnderWay } from './performing.ts';
import { standing } from './proxy-work.ts';
import { move } from './records.ts';
import { isReallyHealthy, type SimJob, type SimRedeploy, tell, type World } from './world.ts';

const settleMs = 1_000;
const noteEveryMs = 5_000;

export function startJob(world: World, job: SimJob, underWay: UnderWay): Doing<void> {
  if (job.state === 'SCHEDULED') move(world, job, 'STARTING');
  function* effect(): Doing<void> {
    yield* engine(world);
    if (job.container !== 'NONE') return;
    yield job.fate.startMs;
    yield* engine(world);
    run(world, job);
  }
  return perform(world, underWay, effect, () => {
    if (job.container === 'EXITED') return void move(world, job, 'FAILED');
    if (move(world, job, 'RUNNING'))
      Object.assign(job, { health: 'STARTING', startedAt: new Date(world.now), address: `10.0.0.${job.id}` });
  });
}

export function run(world: World, job: SimJob): void {
  if (job.container !== 'NONE') return;
  job.container = 'RUNNING';
  job.ranAt = world.now;
}

export function verifyJob(world: World, job: SimJob, until: Date, underWay: UnderWay): Doing<void> {
  const { open } = world;
  const end = Math.min(until.getTime(), world.now + noteEveryMs);
  function* effect(): Doing<boolean> {
    for (;;) {
      if (job.container !== 'RUNNING') return false;
      if (isSeenHealthy(world, job)) return true;
      if (world.now >= end || underWay.aborted) return false;
      yield 250;
    }
  }
  return perform(world, underWay, effect, (healthy) => {
    if (healthy) markHealthy(world, job, open);
    else if (job.container === 'EXITED' && job.state === 'RUNNING') move(world, job, 'FAILED');
  });
}

function isSeenHealthy(world: World, job: SimJob): boolean {
  return job.type === 'WORKER' ? world.now >= job.ranAt + settleMs : isReallyHealthy(job, world.now);
}

/** With OVERLAP the new jobs of a redeploy get requests all at once, when it switches. */
function markHealthy(world: World, job: SimJob, open: SimRedeploy | undefined): void {
  if (job.state !== 'RUNNING' || job.health === 'HEALTHY') return;
  job.health = 'HEALTHY';
  tell(world, () => `${job.id} of ${job.redeployId} is healthy`);
  const waits = open?.view.spec.strategy === 'OVERLAP' && job.redeployId === open.id;
  if (waits && !open.view.phases.some(({ phase }) => phase === 'SWITCH')) return;
  if (job.rotation === 'OUT') job.rotation = 'IN';
}

/** Not while a switch has come between. */
export function putIn(world: World, job: SimJob, underWay: UnderWay): Doing<void> {
  return perform(world, underWay, nothing, () => {
    if (job.state !== 'RUNNING' || job.health !== 'HEALTHY' || job.stopRequested) return;
    if (job.redeployId !== world.running?.id) return;
    job.rotation = 'IN';
    job.drainUntil = null;
  });
}

/** One more look at a job whose time is over; answers whether it is as bad as it was said to be. */
export function* lookOnceMore(world: World, job: SimJob): Doing<boolean> {
  yield* engine(world);
  if (job.container === 'RUNNING' && isSeenHealthy(world, job)) markHealthy(world, job, world.open);
  return job.state === 'RUNNING' && job.health !== 'HEALTHY';
}

export function* stopJob(world: World, job: SimJob, underWay: UnderWay): Doing<void> {
  const drains = job.state === 'RUNNING' && (job.rotation === 'IN' || job.rotation === 'DRAINING');
  if (drains && standing(world) !== 'NONE') {
    yield world.chance.between(1, 60);
    if (underWay.aborted) return;
    if (job.rotation === 'IN' || job.rotation === 'DRAINING') {
      job.rotation = 'DRAINING';
      job.drainUntil ??= world.now + drainSeconds * 1000;
    }
    while (isDraining(world, job)) {
      yield 100;
      if (underWay.aborted) return;
    }
  }
  if (job.state !== 'STOPPING') move(world, job, 'STOPPING');
  function* effect(): Doing<void> {
    yield* engine(world);
    if (job.container === 'RUNNING') yield job.fate.stopMs;
    job.container = 'EXITED';
  }
  yield* perform(world, underWay, effect, () => void move(world, job, 'STOPPED'));
}

function isDraining(world: World, { rotation, drainUntil, state }: SimJob): boolean {
  return rotation === 'DRAINING' && state === 'RUNNING' && (drainUntil ?? 0) > world.now;
}
