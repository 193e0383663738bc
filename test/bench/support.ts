// A whole Berth of its own for measuring: real server, real Postgres with all its durability, real engine; and a code
// service that runs a tiny web server, made without a push.
import { randomUUID } from 'node:crypto';
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Docker from 'dockerode';
import { readConfig } from '../../src/config.ts';
import { createEnvironment, deleteEnvironment } from '../../src/control/environments.ts';
import { streamEvents } from '../../src/control/event-stream.ts';
import { callerFor, hashToken } from '../../src/control/tokens.ts';
import { newId } from '../../src/ids.ts';
import { openLog } from '../../src/log.ts';
import { type Berth, startBerth } from '../../src/main.ts';
import type { Caller } from '../../src/model/callers.ts';
import type { ServiceType } from '../../src/model/service-types/index.ts';
import { insertRelease } from '../../src/postgres/redeploys.ts';
import { listServicesOf, updateService } from '../../src/postgres/services.ts';
import { findTokenByHash } from '../../src/postgres/tokens.ts';
import { openDocker } from '../../src/runtime/docker.ts';
import { busyboxChanges, busyboxTar } from '../support/busybox.ts';
import { volumesGone } from '../support/volumes.ts';

export interface BenchWorld {
  readonly berth: Berth;
  readonly caller: Caller;
  readonly token: string;
  readonly imageId: string;
  readonly docker: Docker;
  close(): Promise<void>;
}

export const webCommand = 'mkdir -p /tmp/www && exec httpd -f -p 8080 -h /tmp/www';

export async function openBench(included: readonly ServiceType[] = []): Promise<BenchWorld> {
  const directory = await mkdtemp(join(tmpdir(), 'berth-bench-'));
  await chmod(directory, 0o711);
  const config = readConfig({
    PORT: '0',
    BERTH_DATA: directory,
    BERTH_HELLO: 'no',
    BERTH_EDGE: 'no',
    BERTH_VOLUME_RETENTION_SECONDS: '0',
    NODE_ENV: 'production',
  });
  const berth = await startBerth(config, { logger: openLog('error'), included });
  const token = (await readFile(join(directory, 'admin-token'), 'utf8')).trim();
  const row = await findTokenByHash(berth.control.store.db, hashToken(token));
  if (row === undefined) throw new Error('the administrator is missing');
  const runtime = openDocker({ host: undefined, subnetRange: '10.212.0.0/16' });
  const imageId = await runtime.importImage('berth/bench:1', await busyboxTar(), busyboxChanges);
  runtime.close();
  return {
    berth,
    caller: callerFor(row, undefined),
    token,
    imageId,
    docker: new Docker(),
    close: async () => {
      await berth.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** A code service with a release of the tiny image; nothing runs yet. */
export async function makeCodeService(
  world: BenchWorld,
  scale: number,
  kind: 'SANDBOX' | 'PRODUCTION' = 'SANDBOX',
): Promise<{ environmentId: string; serviceId: string; namespace: string }> {
  const { control } = world.berth;
  const namespace = `bench-${randomUUID().slice(0, 8)}`;
  const { ids } = await createEnvironment(control, world.caller, {
    name: 'Bench',
    namespace,
    kind,
    services: [{ type: 'CODE', label: 'web', scale, size: { memoryMiB: 32, cpuMillis: 200 } }],
  });
  const all = await listServicesOf(control.store.db, ids.environmentId);
  const service = all.find(({ label }) => label === 'web');
  if (service === undefined) throw new Error('the service is missing');
  await control.store.db.transaction(async (tx) => {
    const release = {
      id: newId(),
      serviceId: service.id,
      commit: 'b'.repeat(40),
      subject: 'bench',
      language: 'none',
    };
    const { id } = await insertRelease(tx, {
      ...release,
      imageId: world.imageId,
      commands: { web: webCommand },
      buildJobId: newId(),
    });
    await updateService(tx, service.id, { releaseId: id });
  });
  return { environmentId: ids.environmentId, serviceId: service.id, namespace };
}

/** Until nothing of it is left. */
export async function removeEnvironment(
  { berth: { control }, caller, docker }: BenchWorld,
  { environmentId, namespace }: { readonly environmentId: string; readonly namespace: string },
): Promise<void> {
  await deleteEnvironment(control, caller, { environmentId, confirm: namespace });
  const selection = { environmentId, begin: 'FIRST' as const, ended: async () => false };
  for await (const { kind } of streamEvents(control, selection, AbortSignal.timeout(120_000))) void kind;
  await volumesGone(docker, environmentId);
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
