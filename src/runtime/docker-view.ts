// From what Docker Engine shows of a container to the view of the contract. Pure. An inspection knows all; a list knows
// less, and what it doesn't know is undefined here.
import type Docker from 'dockerode';
import { type ContainerState, type ContainerView, ForeignObject, labels } from './runtime.ts';

/** Throws ForeignObject unless the labels carry this installation. */
export function assertOurs(
  name: string,
  found: Record<string, string> | undefined,
  installation: string,
): void {
  if (found?.[labels.installation] !== installation) throw new ForeignObject(name);
}

/** The view of an inspected container. */
export function viewOfInspection(container: Docker.ContainerInspectInfo): ContainerView {
  const neverRan = failedToStart(container.State);
  const state = neverRan ? 'EXITED' : stateOf(container.State.Status);
  return {
    id: container.Id,
    name: container.Name.slice(1),
    labels: container.Config.Labels ?? {},
    imageId: container.Image,
    state,
    exitCode: state === 'EXITED' ? container.State.ExitCode : undefined,
    outOfMemory: container.State.OOMKilled,
    address: state === 'RUNNING' ? addressOf(container.NetworkSettings.Networks) : undefined,
    startedAt: timeOf(container.State.StartedAt),
    finishedAt: state === 'EXITED' ? timeOf(container.State.FinishedAt) : undefined,
  };
}

/**
 * The view of a listed container. A list tells neither times nor whether memory ran out (`outOfMemory` is false), and shows
 * one whose program couldn't be started as CREATED.
 */
export function viewOfListed(container: Docker.ContainerInfo): ContainerView {
  const state = stateOf(container.State);
  const exitCode = /^Exited \((\d+)\)/.exec(container.Status)?.[1];
  return {
    id: container.Id,
    // A container has further names, with two slashes, in others that link to it.
    name: (container.Names.find((name) => name.lastIndexOf('/') === 0) ?? '').slice(1),
    labels: container.Labels,
    imageId: container.ImageID,
    state,
    exitCode: state === 'EXITED' && exitCode !== undefined ? Number(exitCode) : undefined,
    outOfMemory: false,
    address: state === 'RUNNING' ? addressOf(container.NetworkSettings?.Networks) : undefined,
    startedAt: undefined,
    finishedAt: undefined,
  };
}

/** The engine's codes when it found no program in the image, or one that can't be executed. */
const imageFaultCodes = [126, 127];
/** What the engine says, with a code for anything, of an image whose user or working folder isn't in it. */
const imageFaultWords = /unable to find (user|group)|no matching entries in|chdir to cwd/;

/**
 * The engine leaves a container that couldn't be started as created, with a code and its own words. Trying again helps only
 * when it wasn't the image's fault.
 */
function failedToStart(state: Docker.ContainerInspectInfo['State']): boolean {
  if (state.Status !== 'created' || state.Error === '') return false;
  return imageFaultCodes.includes(state.ExitCode) || imageFaultWords.test(state.Error);
}

function stateOf(status: string): ContainerState {
  if (status === 'created') return 'CREATED';
  return status === 'exited' || status === 'dead' || status === 'removing' ? 'EXITED' : 'RUNNING';
}

function addressOf(networks: Record<string, { IPAddress?: string }> | undefined): string | undefined {
  return Object.values(networks ?? {}).find((network) => network.IPAddress)?.IPAddress;
}

/** The engine says year 1 for "not yet". */
function timeOf(text: string): Date | undefined {
  const time = new Date(text);
  return time.getTime() > 0 ? time : undefined;
}
