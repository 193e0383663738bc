// Containers on Docker Engine after their start: looking at them, stopping, removing, waiting for their end. Whatever acts
// looks first whose the container is, unless it was given its id, and then acts on its id: the name may have passed to
// another meanwhile. Starting is in docker-start.ts.
import { setTimeout as sleep } from 'node:timers/promises';
import type Docker from 'dockerode';
import { type Engine, isStatus, pathOf } from './docker-call.ts';
import { assertOurs, viewOfInspection, viewOfListed } from './docker-view.ts';
import { type ContainerView, EngineFault, labels } from './runtime.ts';

/** How often a container that hasn't been started yet is looked at again while waiting for its end. */
const lookAgainMs = 200;

export async function inspectContainer(
  engine: Engine,
  name: string,
  installation: string,
): Promise<ContainerView | undefined> {
  const view = await lookAt(engine, name);
  if (view) assertOurs(name, view.labels, installation);
  return view;
}

export async function stopContainer(
  engine: Engine,
  name: string,
  installation: string,
  graceSeconds: number,
  knownId?: string,
): Promise<ContainerView | undefined> {
  const id = knownId ?? (await inspectContainer(engine, name, installation))?.id;
  if (id === undefined) return undefined;
  await engine.askIfThere({
    operation: `stop container ${name}`,
    method: 'POST',
    path: pathOf`/containers/${id}/stop`,
    query: { t: graceSeconds },
    deadlineMs: graceSeconds * 1000 + engine.deadlines.stopBeyondGrace,
  });
  return lookAtId(engine, name, id);
}

/** Removes it with the volumes that the engine made for it alone; one that still runs is killed. */
export async function removeContainer(
  engine: Engine,
  name: string,
  installation: string,
  beforeRemoval: () => void = () => {},
): Promise<void> {
  const found = await inspectContainer(engine, name, installation);
  if (!found) return;
  beforeRemoval();
  await engine.askIfThere({
    operation: `remove container ${name}`,
    method: 'DELETE',
    path: pathOf`/containers/${found.id}`,
    query: { force: true, v: true },
    deadlineMs: engine.deadlines.remove,
  });
}

/** Answers when there is no container of this name, when it has exited, or when the signal fires. */
export async function waitContainer(engine: Engine, name: string, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const view = await lookAt(engine, name);
    if (view === undefined || view.state === 'EXITED') return;
    if (view.state === 'RUNNING') await waitAwhile(engine, view, signal);
    else await sleep(lookAgainMs, undefined, { signal }).catch(() => undefined);
  }
}

/** The engine's own wait, given up after a while: on a dead connection it would be for ever. */
async function waitAwhile(engine: Engine, view: ContainerView, signal: AbortSignal): Promise<void> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(engine.deadlines.wait)]);
  const operation = `wait for container ${view.name}`;
  const path = pathOf`/containers/${view.id}/wait`;
  const { deadlines } = engine;
  try {
    const response = await engine.stream(
      { operation, method: 'POST', path, deadlineMs: deadlines.look },
      limit,
    );
    for await (const _ of response);
  } catch (cause) {
    if (limit.aborted || isStatus(cause, 404)) return;
    if (cause instanceof EngineFault) throw cause;
    throw new EngineFault(operation, `${operation}: the answer broke off`);
  }
}

/** Every container with the installation's label, by one call. */
export async function listContainers(engine: Engine, installation: string): Promise<ContainerView[]> {
  const found = await engine.ask<Docker.ContainerInfo[]>({
    operation: 'list containers',
    method: 'GET',
    path: '/containers/json',
    query: { all: true, filters: { label: [`${labels.installation}=${installation}`] } },
    deadlineMs: engine.deadlines.look,
  });
  return found.map(viewOfListed);
}

/** The container of exactly this name, whosever it is. */
export async function lookAt(engine: Engine, name: string): Promise<ContainerView | undefined> {
  const view = await lookAtId(engine, name, name);
  // The engine also takes the beginning of an id for a name.
  return view?.name === name ? view : undefined;
}

export async function lookAtId(engine: Engine, name: string, id: string): Promise<ContainerView | undefined> {
  const found = await engine.askIfThere<Docker.ContainerInspectInfo>({
    operation: `inspect container ${name}`,
    method: 'GET',
    path: pathOf`/containers/${id}/json`,
    deadlineMs: engine.deadlines.look,
  });
  return found && viewOfInspection(found);
}
