// The steps that concern the whole redeploy or the whole service, written down as the orchestrator writes them.
import { isAlive } from '../../../src/model/jobs.ts';
import type { EndState, FailReason, RedeployStep, WantedJobs } from '../../../src/model/redeploy.ts';
import type { SteadyStep } from '../../../src/model/steady.ts';
import { lookOnceMore } from './job-work.ts';
import { type Doing, engine, nothing, perform, type UnderWay } from './performing.ts';
import { standing } from './proxy-work.ts';
import { endRedeploy, enter, move, type Seen, schedule, see, unmoved } from './records.ts';
import { type SimJob, type SimRedeploy, tell, type World } from './world.ts';

type Step = Exclude<RedeployStep | SteadyStep, { jobId: string } | { do: 'WAIT' | 'CLEAR_AWAY' }>;

export function workOn(world: World, step: Step, underWay: UnderWay): Doing<void> {
  const seen = see(world);
  const record = (write: () => void) => perform(world, underWay, nothing, write);
  switch (step.do) {
    case 'REPLACE':
      return record(() => world.running && schedule(world, world.running, null, [step.wanted]));
    case 'MARK_FAILING':
      return record(() => {
        world.failing = true;
      });
    case 'BEGIN':
      return record(() => {
        const begun = enter(world, seen, 'PREPARE');
        if (begun !== undefined) begun.view.state = 'RUNNING';
      });
    case 'PREPARE':
      return perform(
        world,
        underWay,
        () => engine(world),
        () => void enter(world, seen, 'PULL_IMAGE'),
      );
    case 'OBTAIN_IMAGE':
      return obtainImage(world, seen, underWay);
    case 'ENTER_START_NEW':
      return record(() => {
        const entered = enter(world, seen, 'START_NEW');
        if (entered !== undefined) schedule(world, entered, null, step.wanted);
      });
    case 'SWITCH':
      return switchToNew(world, seen, underWay);
    case 'SWITCH_BACK':
      return switchBack(world, seen, underWay);
    case 'FAIL':
      return fail(world, seen, step.because, underWay);
    case 'ENTER_RESTORE':
      return restore(world, seen, step.wanted, underWay);
    case 'END':
      return record(() => end(world, seen, step.state));
    default:
      return record(() => void enter(world, seen, step.do.slice('ENTER_'.length) as never));
  }
}

function obtainImage(world: World, seen: Seen, underWay: UnderWay): Doing<void> {
  function* effect(): Doing<void> {
    yield* engine(world);
    yield seen.redeploy?.plan.pullMs ?? 0;
  }
  return perform(world, underWay, effect, () => {
    const redeploy = unmoved(world, seen);
    if (redeploy === undefined) return;
    if (redeploy.plan.imageMissing)
      redeploy.view.cause = { kind: 'IMAGE_UNAVAILABLE', reference: '', message: '' };
    else if (redeploy.view.spec.strategy === 'OVERLAP') redeploy.view.imageFound = true;
    else if (enter(world, seen, 'STOP_OLD') !== undefined)
      for (const job of world.jobs)
        if (job.state === 'RUNNING' && !hasToDrain(world, job)) move(world, job, 'STOPPING');
  });
}

function hasToDrain(world: World, { rotation }: SimJob): boolean {
  return (rotation === 'IN' || rotation === 'DRAINING') && standing(world) !== 'NONE';
}

/** Who is new and who is old is decided from what was known when the step was begun. */
function switchToNew(world: World, seen: Seen, underWay: UnderWay): Doing<void> {
  const { fresh, old } = partition(world, seen.redeploy);
  const { running } = world;
  return perform(world, underWay, nothing, () => {
    const redeploy = enter(world, seen, 'SWITCH');
    if (redeploy === undefined) return;
    redeploy.view.previousId = running?.id ?? null;
    for (const job of fresh) job.rotation = 'IN';
    for (const job of old) job.rotation = 'DRAINING';
    redeploy.replaced = old.length;
    world.running = redeploy;
  });
}

function switchBack(world: World, seen: Seen, underWay: UnderWay): Doing<void> {
  const { fresh, old } = partition(world, seen.redeploy);
  const previous = world.redeploys.find(({ id }) => id === seen.redeploy?.view.previousId);
  return perform(world, underWay, nothing, () => {
    if (enter(world, seen, 'RESTORE') === undefined) return;
    for (const job of old) job.rotation = 'IN';
    for (const job of fresh) job.rotation = 'DRAINING';
    if (previous !== undefined) world.running = previous;
  });
}

function partition({ jobs }: World, redeploy: SimRedeploy | undefined): { fresh: SimJob[]; old: SimJob[] } {
  const deploys = jobs.filter((job) => job.type === 'DEPLOY' && isAlive(job) && !job.stopRequested);
  const fresh = deploys.filter((job) => job.redeployId === redeploy?.id);
  return { fresh, old: deploys.filter((job) => !fresh.includes(job)) };
}

function fail(world: World, seen: Seen, because: FailReason, underWay: UnderWay): Doing<void> {
  function* effect(): Doing<boolean> {
    if (because.kind !== 'NOT_HEALTHY') return true;
    const job = world.jobs.find(({ id }) => id === because.jobId);
    if (job === undefined) throw new Error('the failing job is not there');
    return yield* lookOnceMore(world, job);
  }
  return perform(world, underWay, effect, (bad) => {
    const redeploy = bad ? unmoved(world, seen) : undefined;
    if (redeploy === undefined) return;
    tell(world, () => `${redeploy.id} fails: ${JSON.stringify(because)}`);
    redeploy.view.cause =
      because.kind === 'CANCELED'
        ? { kind: 'CANCELED', message: '' }
        : { kind: 'DEADLINE_EXCEEDED', message: '', phase: '' };
  });
}

function restore(world: World, seen: Seen, wanted: readonly WantedJobs[], underWay: UnderWay): Doing<void> {
  const { running } = world;
  return perform(world, underWay, nothing, () => {
    const redeploy = enter(world, seen, 'RESTORE');
    if (redeploy !== undefined && running !== undefined) schedule(world, running, redeploy.id, wanted);
  });
}

function end(world: World, seen: Seen, state: EndState): void {
  const redeploy = unmoved(world, seen);
  if (redeploy !== undefined) endRedeploy(world, redeploy, state);
}

export function markUnhealthy(world: World, job: SimJob, underWay: UnderWay): Doing<void> {
  return perform(
    world,
    underWay,
    () => lookOnceMore(world, job),
    (bad) => {
      if (bad && job.state === 'RUNNING') job.health = 'UNHEALTHY';
    },
  );
}
