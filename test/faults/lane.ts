// One combination after the other in a world of its own, whose control plane reaches the engine through a socket that fails:
// each redeploy ends as it must, the oracle looks, and a stranger that bears copied labels is as it was.
import { setTimeout as sleep } from 'node:timers/promises';
import Docker from 'dockerode';
import { listRedeploysById } from '../../src/postgres/redeploys.ts';
import type { Deadlines } from '../../src/runtime/docker-call.ts';
import { labels, type Runtime } from '../../src/runtime/runtime.ts';
import { removeOne } from '../crash/paths.ts';
import { letInStranger } from '../crash/witness.ts';
import { type FaultySocket, openFaultySocket } from '../support/faulty-socket.ts';
import { expectPeace } from '../support/oracle.ts';
import {
  askRedeploy,
  endOfRedeploy,
  newService,
  openWorld,
  redeployed,
  type Service,
  type World,
} from '../support/world.ts';
import { calls, dispensable } from './calls.ts';
import { type Combination, isLasting, nameOf } from './combinations.ts';
import { roadsBack } from './roads.ts';

/** Short, so that what the engine never answers to costs little. */
const deadlines: Partial<Deadlines> = {
  look: 1_500,
  change: 4_000,
  remove: 3_000,
  stopBeyondGrace: 1_000,
  silence: 1_500,
};
const longestGraceSeconds = 3;
const settings = { settleSeconds: 0.3, compareSeconds: 1 };
/** Long where all are to become healthy in spite of the fault, short where that is waited for in vain. */
const healthySeconds = { good: 30, failing: 6 };
const scale = 2;
/** From the end of the faults on. */
const peaceMs = 30_000;
/** Of a redeploy under a fault that lasts. */
const deadlineSeconds = 15;
/** S6: so long after its deadline it may end. */
const overtimeMs = 15_000;
const hitMs = 2_500;
/** Whether some calls are made is a matter of moments: nobody waits for a container that has ended already. */
const mostRedeploys = 10;

interface Lane {
  readonly world: World;
  readonly socket: FaultySocket;
  readonly kept: Map<string, Service>;
}

export async function runLane(
  url: string,
  combinations: readonly Combination[],
  say: (line: string) => void = () => {},
  /** Past it no other combination is begun, and it fails. */
  patienceMs = Number.POSITIVE_INFINITY,
): Promise<void> {
  const end = performance.now() + patienceMs;
  const socket = await openFaultySocket();
  const failing = combinations.some(({ road }) => roadsBack.includes(road));
  const world = await openWorld(url, {
    dockerHost: socket.host,
    deadlines,
    settings: { ...settings, healthySeconds: failing ? healthySeconds.failing : healthySeconds.good },
    runtime: withShortGrace,
  });
  const lane: Lane = { world, socket, kept: new Map() };
  try {
    const bystander = await newService(world, { scale: 1 });
    await redeployed(world, bystander.serviceId);
    await letInStranger(world, bystander);
    for (const combination of combinations) {
      const began = performance.now();
      if (began > end) throw new Error(`${nameOf(combination)}: not begun within ${patienceMs} ms`);
      await endure(lane, combination);
      say(`${nameOf(combination)}: ${Math.round(performance.now() - began)} ms`);
    }
  } finally {
    socket.heal();
    await world.close();
    await socket.close();
  }
}

function withShortGrace(runtime: Runtime): Runtime {
  return {
    ...runtime,
    stopContainer: (name, installation, grace, id) =>
      runtime.stopContainer(name, installation, Math.min(grace, longestGraceSeconds), id),
  };
}

async function endure(lane: Lane, combination: Combination): Promise<void> {
  const { world } = lane;
  try {
    const service = await serviceFor(lane, combination);
    await expectPeace(world);
    const strangers = await listStrangers(world);
    const failures = [...(await meet(lane, combination, service)), ...(await restAfter(lane))];
    const after = await listStrangers(world);
    if (strangers.some((stranger) => !after.includes(stranger)))
      failures.push(`S5 strangers were ${strangers} and are ${after}`);
    if (failures.length > 0) throw new Error(failures.join('\n'));
  } catch (error) {
    throw new Error(`${nameOf(combination)}: ${error instanceof Error ? error.message : error}`, {
      cause: error,
    });
  }
}

async function serviceFor({ world, kept }: Lane, { road: { way } }: Combination): Promise<Service> {
  const service = kept.get(way.name) ?? (await way.prepare(world, scale));
  if (way.lasting) kept.set(way.name, service);
  return service;
}

/** Redeploys under the fault; answers with everything that was not as it must be. */
async function meet(lane: Lane, combination: Combination, service: Service): Promise<string[]> {
  const { world, socket } = lane;
  const { road, call, fault, times } = combination;
  const ofStream = fault === 'DEAD_STREAM' || fault === 'REPEATED';
  const failures: string[] = [];
  for (let redeploys = 1; redeploys <= mostRedeploys && failures.length === 0; redeploys++) {
    const seeing = await road.way.watch?.(world, service, scale);
    const approached = await road.way.approach?.(world, service);
    socket.fail({ fault, calls: calls[call], ...(ofStream ? {} : { times }) });
    // One that is open already meets nothing else.
    if (call === 'listen to events' && !ofStream) socket.cut(calls[call]);
    const redeploying = isLasting(combination)
      ? redeployInTime(world, service, combination)
      : road.way
          .begin(world, service, approached)
          .then((redeployId) => road.way.end(world, service, redeployId));
    await redeploying.catch((error: Error) => failures.push(error.message));
    const isMet = await isHit(socket);
    failures.push(...((await seeing?.end()) ?? []));
    if (!isMet) continue;
    // What the events would tell at once is found in time without them, and done once when they tell it twice.
    if (call === 'listen to events') await removeOne(world, service);
    return failures;
  }
  return [...failures, 'the fault was never met'];
}

/** While the fault lasts. */
async function redeployInTime(world: World, { serviceId }: Service, { call }: Combination): Promise<void> {
  const redeployId = await askRedeploy(world, serviceId, { deadlineSeconds });
  const [asked] = await listRedeploysById(world.control.store.db, [redeployId]);
  const latest = (asked?.deadlineAt.getTime() ?? 0) + overtimeMs;
  const { state, cause } = await endOfRedeploy(world, redeployId, latest - Date.now());
  const ends = dispensable.includes(call) ? ['SUCCEEDED'] : ['SUCCEEDED', 'FAILED', 'ROLLED_BACK'];
  if (!ends.includes(state)) throw new Error(`It has ended ${state}: ${cause?.message}`);
}

/** Some calls are made after the end. */
async function isHit(socket: FaultySocket): Promise<boolean> {
  for (const end = performance.now() + hitMs; performance.now() < end; await sleep(20))
    if (socket.hits() > 0) return true;
  return false;
}

async function restAfter({ world, socket }: Lane): Promise<string[]> {
  socket.heal();
  try {
    await expectPeace(world, peaceMs);
    return [];
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)];
  } finally {
    // Streams that died stay dead till here.
    socket.cut();
  }
}

/** Containers that only bear copies of our labels, as they run. */
async function listStrangers(world: World): Promise<string[]> {
  const engine = new Docker();
  const filters = { label: [`${labels.installation}=${world.engine.id}`], name: ['stranger-'] };
  const found = await engine.listContainers({ all: true, filters });
  const seen = await Promise.all(found.map(({ Id }) => engine.getContainer(Id).inspect()));
  return seen.map(({ Id, State, RestartCount }) => `${Id} ${State.StartedAt} ${State.Pid} ${RestartCount}`);
}
