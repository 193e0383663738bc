// Volumes on Docker Engine, all of its `local` driver.
import type Docker from 'dockerode';
import { type Engine, pathOf } from './docker-call.ts';
import { assertOurs } from './docker-view.ts';
import { EngineFault, labels, type VolumeSpec } from './runtime.ts';

export async function ensureVolume(engine: Engine, spec: VolumeSpec): Promise<void> {
  // Creating answers with the one that is there already, whosever it is.
  const volume =
    (await findVolume(engine, spec.name)) ??
    (await engine.ask<Docker.VolumeInspectInfo>({
      operation: `create volume ${spec.name}`,
      method: 'POST',
      path: '/volumes/create',
      body: { Name: spec.name, Driver: 'local', Labels: spec.labels },
      deadlineMs: engine.deadlines.change,
    }));
  assertOurs(spec.name, volume.Labels, spec.labels[labels.installation] ?? '');
}

/** One that a container still holds stays, and that is an EngineFault (409). */
export async function removeVolume(engine: Engine, name: string, installation: string): Promise<void> {
  const volume = await findVolume(engine, name);
  if (!volume) return;
  assertOurs(name, volume.Labels, installation);
  await engine.askIfThere({
    operation: `remove volume ${name}`,
    method: 'DELETE',
    path: pathOf`/volumes/${name}`,
    deadlineMs: engine.deadlines.remove,
  });
}

export async function getVolume(engine: Engine, name: string): Promise<Docker.VolumeInspectInfo> {
  const volume = await findVolume(engine, name);
  if (volume) return volume;
  const operation = `inspect volume ${name}`;
  throw new EngineFault(operation, `${operation}: there is none.`, 404);
}

export async function listVolumes(
  engine: Engine,
  installation: string,
): Promise<{ name: string; labels: Record<string, string> }[]> {
  const { Volumes } = await engine.ask<{ Volumes: Docker.VolumeInspectInfo[] | null }>({
    operation: 'list volumes',
    method: 'GET',
    path: '/volumes',
    query: { filters: { label: [`${labels.installation}=${installation}`] } },
    deadlineMs: engine.deadlines.look,
  });
  return (Volumes ?? []).map((volume) => ({ name: volume.Name, labels: volume.Labels ?? {} }));
}

function findVolume(engine: Engine, name: string): Promise<Docker.VolumeInspectInfo | undefined> {
  return engine.askIfThere<Docker.VolumeInspectInfo>({
    operation: `inspect volume ${name}`,
    method: 'GET',
    path: pathOf`/volumes/${name}`,
    deadlineMs: engine.deadlines.look,
  });
}
