// What people ask for within a simulation, written down as the control room writes it.
import { isAlive } from '../../src/model/jobs.ts';
import { openStates } from '../../src/model/redeploy.ts';
import type { Spec } from '../../src/model/spec.ts';
import type { Action, Asked, World } from './simulation.ts';

export function act(world: World, asked: Action | Asked | undefined): void {
  if (asked === undefined) return;
  if ('do' in asked) disturb(world, asked);
  else askForRedeploy(world, asked);
}

function disturb(world: World, asked: Action): void {
  const alive = world.jobs.filter(isAlive);
  if (asked.do === 'CANCEL' && world.open) world.open.view.cancelRequested = true;
  if (asked.do === 'STOP_A_JOB') {
    const job = alive[asked.number % Math.max(1, alive.length)];
    if (job !== undefined) job.stopRequested = true;
  }
  if (asked.do === 'SCALE_WORKERS' && 'mailer' in world.workers) {
    world.workers = { mailer: asked.number % 4 };
    world.mostWanted = Math.max(world.mostWanted, world.scenario.scale + (asked.number % 4));
  }
  if (asked.do === 'STOP_SERVICE') {
    supersede(world, 'CANCELED');
    world.stopped = true;
  }
}

function askForRedeploy(world: World, asked: Asked): void {
  supersede(world, 'SUPERSEDED');
  const id = `redeploy-${world.redeploys.length}`;
  const spec = specOf(world.scenario);
  world.open = {
    ...{ id, asked, spec, wanted: [], pullDoneAt: null, ends: [] },
    view: {
      ...{ id, state: 'QUEUED', spec, phases: [], cancelRequested: false, cause: null, lastGood: null },
      imageFound: false,
      previousId: null,
      deadlineAt: new Date(world.now + asked.deadlineSeconds * 1000),
    },
  };
  world.redeploys.push(world.open);
  Object.assign(world, { stopped: false, failing: 0, budgetFrom: null });
}

function supersede(world: World, state: 'SUPERSEDED' | 'CANCELED'): void {
  if (world.open === undefined) return;
  if (!openStates.includes(world.open.view.state)) throw new Error('an ended redeploy is open');
  world.open.ends.push({ state, at: world.now });
  world.open = undefined;
}

export function specOf(scenario: Pick<World['scenario'], 'scale' | 'volume' | 'rollBack'>): Spec {
  return {
    image: { kind: 'CATALOGUE', runtime: 'REDIS', version: '8', reference: 'redis:8' },
    size: { memoryMiB: 64, cpuMillis: 100, storageGiB: null },
    strategy: 'RECREATE',
    variables: {},
    commands: { mailer: 'node mailer.js' },
    dnsName: 'shop',
    healthCheck: null,
    overlapSeconds: 0,
    proxy: null,
    ...scenario,
  };
}
