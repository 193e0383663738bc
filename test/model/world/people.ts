// What people ask for, and what befalls jobs, engine, proxies and platform.
import { isAlive } from '../../../src/model/jobs.ts';
import { secondsAfterSwitch } from '../../../src/model/overlap.ts';
import { strategyOf } from '../../../src/model/spec.ts';
import { specOf } from '../simulated-people.ts';
import { run } from './job-work.ts';
import { wanted } from './proxy-work.ts';
import { endRedeploy, noteMost } from './records.ts';
import type { Deed, Plan } from './scenario.ts';
import { type SimRedeploy, spoilt, tell, type World } from './world.ts';

export function happen(world: World, deed: Deed): void {
  tell(world, () => `— ${JSON.stringify(deed)}`);
  switch (deed.do) {
    case 'REDEPLOY':
      askForRedeploy(world, deed.plan);
      break;
    case 'CANCEL':
      cancel(world);
      break;
    case 'STOP_SERVICE':
      if (world.open !== undefined) endRedeploy(world, world.open, 'CANCELED');
      Object.assign(world, { stopped: true, floor: undefined });
      break;
    case 'SCALE_WORKERS':
      if (!('mailer' in world.workers)) break;
      world.workers = { mailer: deed.number % 4 };
      for (const redeploy of world.redeploys) noteMost(world, redeploy);
      break;
    case 'LOSE_A_RECORD':
      world.recordsToLose += 1;
      break;
    case 'ENGINE_AWAY':
      world.engineFrom = world.now + deed.ms;
      break;
    case 'PLATFORM_DIES':
      die(world, deed.ms);
      break;
    case 'PROXY_LAGS':
    case 'PROXY_RESTARTS':
    case 'PROXY_GOES':
      troubleProxy(world, deed.do, deed.number, deed.ms);
      break;
    default:
      spoil(world, deed);
  }
}

function askForRedeploy(world: World, plan: Plan): void {
  const number = world.redeploys.length;
  const id = `redeploy-${number}`;
  const { scale, overlapSeconds, rollBack, deadlineSeconds } = plan;
  const base = specOf({ scale, rollBack, volume: false });
  const spec = {
    ...base,
    strategy: strategyOf({ type: 'CODE', scale, overlapSeconds, strategy: null }),
    overlapSeconds: overlapSeconds ?? 0,
  };
  const deadline = deadlineSeconds + secondsAfterSwitch(spec);
  const redeploy: SimRedeploy = {
    ...{ id, number, plan, end: undefined, canceledDuring: undefined, replaced: 0 },
    view: {
      ...{ id, spec, state: 'QUEUED', phases: [], imageFound: false, previousId: null, cause: null },
      ...{ lastGood: null, cancelRequested: false, deadlineAt: new Date(world.now + deadline * 1000) },
    },
  };
  if (world.open !== undefined) endRedeploy(world, world.open, 'SUPERSEDED');
  world.redeploys.push(redeploy);
  noteMost(world, redeploy);
  Object.assign(world, { open: redeploy, stopped: false, failing: false });
}

/** Refused from DRAIN on, as the control room does. */
function cancel({ open }: World): void {
  const phase = open?.view.phases.at(-1)?.phase;
  if (open === undefined || phase === 'DRAIN') return;
  open.view.cancelRequested = true;
  open.canceledDuring ??= phase ?? 'QUEUED';
}

type Spoiling = Extract<Deed, { do: 'STOP_A_JOB' | 'KILL_A_JOB' | 'SICKEN_A_JOB' }>;

function spoil(world: World, deed: Spoiling): void {
  const alive = world.jobs.filter(isAlive);
  const job = alive[deed.number % Math.max(1, alive.length)];
  if (job === undefined) return;
  tell(world, () => `  ${job.id}`);
  spoilt(world);
  if (deed.do === 'STOP_A_JOB') job.stopRequested = true;
  else if (deed.do === 'SICKEN_A_JOB') job.sickUntil = world.now + deed.ms;
  else if (job.container === 'RUNNING') job.container = 'EXITED';
}

/** What it was doing may or may not have reached the engine. */
function die(world: World, ms: number): void {
  for (const { key, jobId } of world.begun.values()) {
    const job = world.jobs.find(({ id }) => id === jobId);
    if (job === undefined || world.now < world.engineFrom || world.chance.happens(0.5)) continue;
    if (key.startsWith('START_JOB')) run(world, job);
    if (key.startsWith('STOP_JOB') && job.state === 'STOPPING') job.container = 'EXITED';
  }
  world.begun.clear();
  world.retries.clear();
  world.platformFrom = world.now + ms;
}

function troubleProxy(
  world: World,
  trouble: 'PROXY_LAGS' | 'PROXY_RESTARTS' | 'PROXY_GOES',
  number: number,
  ms: number,
): void {
  const index = number % Math.max(1, world.proxies.length);
  const proxy = world.proxies[index];
  if (proxy === undefined) return;
  if (trouble === 'PROXY_LAGS') proxy.answersFrom = world.now + ms;
  else if (trouble === 'PROXY_RESTARTS') Object.assign(proxy, { serving: false, servesFrom: world.now + ms });
  else {
    world.proxies.splice(index, 1);
    // Its successor is started from what was wanted a moment before it serves.
    world.due.push({ at: world.now + ms, deed: () => startProxy(world, `${proxy.id}'`) });
  }
}

function startProxy(world: World, id: string): void {
  const rotation = wanted(world);
  const has = { files: rotation, memory: rotation, applied: rotation };
  const up = { id, listed: true, serving: true, answersFrom: 0, servesFrom: 0 };
  world.due.push({ at: world.now + 500, deed: () => void world.proxies.push({ ...up, ...has }) });
}
