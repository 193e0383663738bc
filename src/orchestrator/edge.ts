// The pod's edge: one container on the machine's own network that holds the public ports, looked after by one replica for
// all. It is no service: nobody redeploys it, it has nothing of anybody's, and it runs on while the control plane is away.
// Where connections go is kept as for service proxies: what may become untrue is noted first, then it is written where the
// edge starts from, then told at runtime, then noted. What it shows is compared with that now and then.

import { waitForAny } from '../clock.ts';
import { type EdgeRotation, sameEdge } from '../model/edge.ts';
import { changedServices } from '../model/rotation.ts';
import { change } from '../postgres/change.ts';
import { hasDuty, takeDuty } from '../postgres/duties.ts';
import { doubtEdge, findEdge, readEdgeRotation, saveEdge, touchEdge } from '../postgres/edges.ts';
import { LeaseLost } from '../postgres/replicas.ts';
import { endDraining } from '../postgres/rotation.ts';
import { markDue } from '../postgres/services.ts';
import { edgeCommands, edgeMaps, edgePrefix, edgeRotationFiles } from '../proxy/edge.ts';
import type { RuntimeCommand } from '../proxy/rotation.ts';
import { type Deps, leaseFrom } from './deps.ts';
import { givePlaces } from './edge-places.ts';
import {
  assertKept,
  channelTo,
  ensureRunning,
  environmentsOf,
  inputOf,
  type Keeping,
  nameOf,
  ownerOf,
} from './edge-start.ts';
import { tellTroubles } from './edge-troubles.ts';
import { performTask } from './points.ts';

/** The container and the duty are looked at this often; where connections go, whenever somebody asks. */
const lookEveryMs = 5_000;
const drainingMs = 200;
const pauseMs = 1_000;
/** What it shows is compared this often. One that wasn't seen for three times so long is waited for by nobody. */
const compareEverySeconds = 10;

export async function keepEdge(deps: Deps, asked: () => Promise<void>, signal: AbortSignal): Promise<void> {
  const { edge } = deps.settings;
  if (edge === undefined) return;
  const troubles = tellTroubles(deps, signal);
  let lookedAt = Number.NEGATIVE_INFINITY;
  let keeping: Keeping | undefined;
  while (!signal.aborted) {
    const wakened = asked();
    let draining = false;
    try {
      if (deps.clock.now() - lookedAt >= lookEveryMs) {
        const duty = leaseFrom(deps.clock.now());
        keeping = (await takeDuty(deps.store, deps.replica, 'EDGE')) ? { deps, edge, duty } : undefined;
        if (keeping !== undefined) await look(keeping, signal, troubles.unplaced);
        lookedAt = deps.clock.now();
      }
      if (keeping !== undefined) draining = await follow(keeping);
      troubles.over();
    } catch (error) {
      lookedAt = Number.NEGATIVE_INFINITY;
      await troubles.failed(error);
      await deps.clock.sleep(pauseMs, signal).catch(() => {});
    }
    await waitForAny(
      keeping === undefined ? [] : [wakened],
      draining ? drainingMs : lookEveryMs,
      signal,
      deps.clock,
    );
  }
}

async function look(keeping: Keeping, signal: AbortSignal, tell: (without: number) => void): Promise<void> {
  tell(await givePlaces(keeping.deps));
  await ensureRunning(keeping, signal, async () => {
    const { store, installation } = keeping.deps;
    const wanted = await readEdgeRotation(store.db, installation.podId);
    await noteDoubt(keeping, Object.keys(wanted.places));
  });
}

/** True while proxies finish what they have begun. */
async function follow(keeping: Keeping): Promise<boolean> {
  const { store, installation } = keeping.deps;
  const [wanted, seen] = await Promise.all([
    readEdgeRotation(store.db, installation.podId),
    findEdge(store.db, installation.podId),
  ]);
  const applied = seen?.applied ?? null;
  if (!sameEdge(applied, wanted)) {
    if (applied !== null) await noteDoubt(keeping, changedServices(applied, wanted));
    await apply(keeping, wanted, await commandsTo(keeping, wanted));
  } else if ((seen?.ageSeconds ?? 0) > compareEverySeconds) await compare(keeping, wanted);
  return finishDrained(keeping, wanted);
}

/** Whatever a foreign hand has changed, or an edge has forgotten, it is told again. */
async function compare(keeping: Keeping, wanted: EdgeRotation): Promise<void> {
  const { store, installation, logger } = keeping.deps;
  const commands = await commandsTo(keeping, wanted);
  // What only waits to be removed takes no connections.
  if (commands.every((command) => command.kind === 'REMOVE')) return touchEdge(store.db, installation.podId);
  logger.warn({ commands: commands.length }, 'the edge has not what it was told; it is told again');
  await noteDoubt(keeping, Object.keys(wanted.places));
  await apply(keeping, wanted, commands);
}

async function commandsTo(keeping: Keeping, wanted: EdgeRotation): Promise<RuntimeCommand[]> {
  const shown = await channelTo(keeping).show(edgePrefix, edgeMaps);
  return edgeCommands(shown, environmentsOf(wanted));
}

/** What is wanted may become what it was before again while it is being told, or when we are gone. */
async function noteDoubt(keeping: Keeping, serviceIds: readonly string[]): Promise<void> {
  const { deps } = keeping;
  await change(deps, async ({ tx }) => {
    if (!(await hasDuty(tx, deps.replica, 'EDGE')))
      throw new LeaseLost('the duty to look after the edge has passed to another');
    await doubtEdge(tx, deps.installation.podId, serviceIds);
  });
}

async function apply(
  keeping: Keeping,
  wanted: EdgeRotation,
  commands: readonly RuntimeCommand[],
): Promise<void> {
  const { deps, edge } = keeping;
  const files = edgeRotationFiles(inputOf(edge, wanted));
  const effect = async () => {
    assertKept(keeping);
    await deps.runtime.putFiles(nameOf(deps), deps.installation.id, files, ownerOf(edge));
    await channelTo(keeping).apply(commands, () => assertKept(keeping));
  };
  await performTask(deps, 'TELL_EDGE', effect, () => note(deps, wanted));
}

/** The service proxies wait for this. */
async function note(deps: Deps, wanted: EdgeRotation): Promise<void> {
  await change(deps, async (current) => {
    if (!(await hasDuty(current.tx, deps.replica, 'EDGE'))) return;
    await saveEdge(current.tx, deps.installation.podId, wanted);
    await markDue(current.tx, Object.keys(wanted.places));
    current.nudge('due');
  });
}

async function finishDrained(keeping: Keeping, wanted: EdgeRotation): Promise<boolean> {
  const { deps } = keeping;
  const draining = wanted.services.flatMap(({ servers }) =>
    servers.filter((server) => server.state === 'DRAIN').map(({ jobId }) => jobId),
  );
  if (draining.length === 0) return false;
  const sessions = await channelTo(keeping).sessions(edgePrefix);
  const done = draining.filter((jobId) => (sessions.get(jobId) ?? 0) === 0);
  if (done.length > 0)
    await change(deps, async (current) => {
      if (!(await hasDuty(current.tx, deps.replica, 'EDGE'))) return;
      // One that only fails its check stays wanted.
      if ((await endDraining(current.tx, done)).length > 0) current.nudge('due');
    });
  return true;
}
