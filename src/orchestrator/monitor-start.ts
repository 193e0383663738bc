// What a monitoring service's job starts from: its volume, which outlives it, and a key for this start.
import { containerName, volumeName } from '../model/jobs.ts';
import { monitoringAgent } from '../model/monitoring/agent.ts';
import type { JobRow } from '../postgres/jobs.ts';
import { readClock } from '../postgres/open.ts';
import type { ContainerSpec } from '../runtime/runtime.ts';
import type { Deps } from './deps.ts';

const { dataPath: path, files, userId } = monitoringAgent;

export async function monitorParts(
  { store, controlKeys, issueServerKey }: Deps,
  job: JobRow,
): Promise<Partial<ContainerSpec>> {
  const serverPem = await issueServerKey(controlKeys, containerName(job.id), await readClock(store.db));
  return {
    volume: { name: volumeName(job.serviceId), path },
    files: [
      { path: files.server, content: serverPem, mode: 0o400 },
      { path: files.authority, content: controlKeys.authority.certificate, mode: 0o444 },
    ],
    fileOwner: { uid: userId, gid: userId },
    capabilities: [],
    readOnlyRoot: true,
  };
}
