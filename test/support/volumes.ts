// Volumes of a deleted environment, which go a moment after it where nothing is kept.
import type Docker from 'dockerode';
import { labels } from '../../src/runtime/runtime.ts';
import { until } from './server.ts';

const patienceMs = 30_000;

export async function volumesGone(docker: Docker, environmentId: string): Promise<void> {
  const filters = { label: [`${labels.environment}=${environmentId}`] };
  await until('the removal of its volumes', patienceMs, async () => {
    const { Volumes } = await docker.listVolumes({ filters });
    return (Volumes ?? []).length === 0 ? true : undefined;
  });
}
