// The control plane put together without its server: what tests of the orchestrator start in their own process, and what
// a crash test starts in a child. Knows nothing of vitest, so that a child process can import it.
import { join } from 'node:path';
import { openRepositories } from '../../src/build/git.ts';
import type { Control } from '../../src/control/control.ts';
import { webhookBody } from '../../src/graphql/webhook-message.ts';
import { openImages } from '../../src/images/obtain.ts';
import { type Log, openLog } from '../../src/log.ts';
import { openControlKeys } from '../../src/orchestrator/control-keys.ts';
import type { OrchestratorSettings } from '../../src/orchestrator/deps.ts';
import { startOrchestrator } from '../../src/orchestrator/orchestrator.ts';
import { readOutput } from '../../src/orchestrator/output.ts';
import { realWorld } from '../../src/orchestrator/outside.ts';
import type { Point } from '../../src/orchestrator/points.ts';
import { openEventLog } from '../../src/postgres/event-log.ts';
import { openNudges } from '../../src/postgres/nudges.ts';
import { openStore } from '../../src/postgres/open.ts';
import { ensureInstallation, hasSecrets } from '../../src/postgres/organizations.ts';
import { joinReplicas } from '../../src/postgres/replicas.ts';
import { openResultLog } from '../../src/postgres/result-log.ts';
import { openVault } from '../../src/postgres/vault.ts';
import { openDocker } from '../../src/runtime/docker.ts';
import type { Deadlines } from '../../src/runtime/docker-call.ts';
import type { Runtime } from '../../src/runtime/runtime.ts';

export type PlaneSettings = OrchestratorSettings & Control['settings'];

export const quickSettings: PlaneSettings = {
  healthySeconds: 8,
  settleSeconds: 1,
  deadlineSeconds: 60,
  keptReleases: 3,
  compareSeconds: 2,
  edge: undefined,
  buildSeconds: 60,
  buildMemoryMiB: 512,
  volumeRetentionSeconds: 0,
  publicUrl: 'http://127.0.0.1:1',
  domain: 'localhost',
  included: [],
};

export interface PlaneOptions {
  readonly url: string;
  readonly dataDirectory: string;
  readonly dockerHost?: string | undefined;
  /** Of calls to the engine, where they are to be other than usual. */
  readonly deadlines?: Partial<Deadlines>;
  readonly settings?: Partial<PlaneSettings>;
  readonly at?: (point: Point) => void;
  readonly logger?: Log;
  /** Between the orchestrator and the engine, for tests that count or delay its calls. */
  readonly runtime?: (runtime: Runtime) => Runtime;
  /** For tests that count what the database is asked. */
  readonly onQuery?: (query: string) => void;
}

export interface Plane {
  readonly control: Control;
  readonly runtime: Runtime;
  close(): Promise<void>;
}

/** Everything that a caller's mutations need, and nothing that carries them out. */
export async function openControl(options: PlaneOptions): Promise<Plane> {
  const { url, onQuery } = options;
  const store = openStore(url, onQuery && { onQuery });
  const installation = await ensureInstallation(store);
  const keyFile = join(options.dataDirectory, 'keys', 'key');
  const vault = await openVault(keyFile, !(await hasSecrets(store.db)));
  const nudges = await openNudges(store);
  const log = openEventLog(store, nudges);
  const results = openResultLog(store, nudges);
  const { dockerHost: host, deadlines = {} } = options;
  const docker = openDocker({ host, subnetRange: '10.211.0.0/16', deadlines });
  const runtime = options.runtime?.(docker) ?? docker;
  const control: Control = {
    store,
    nudges,
    log,
    results,
    vault,
    installation,
    settings: { ...quickSettings, ...options.settings },
    output: (job, wanted, signal) => readOutput({ store, vault, runtime }, job, wanted, signal),
    engine: () => runtime.info(),
  };
  const close = async () => {
    runtime.close();
    log.close();
    results.close();
    await nudges.close();
    await store.close();
  };
  return { control, runtime, close };
}

export async function openPlane(options: PlaneOptions): Promise<Plane> {
  const { control, runtime, close } = await openControl(options);
  const { dataDirectory } = options;
  const repositories = await openRepositories({
    directory: join(dataDirectory, 'git'),
    hookSocketPath: join(dataDirectory, 'push.sock'),
  });
  let dropLeases = () => {};
  const replica = await joinReplicas(control.store, () => dropLeases());
  const orchestrator = startOrchestrator({
    ...control,
    ...realWorld,
    settings: { ...quickSettings, ...options.settings },
    runtime,
    images: openImages(runtime, { cacheDirectory: join(dataDirectory, 'images') }),
    controlKeys: await openControlKeys(control.store, control.vault),
    webhookBody,
    replica,
    logger: options.logger ?? openLog(),
    repositories,
    certificateAuthority: undefined,
    forgetService: (serviceId) => repositories.remove(serviceId),
    at: options.at ?? (() => {}),
  });
  dropLeases = orchestrator.dropLeases;
  return {
    control,
    runtime,
    close: async () => {
      await orchestrator.close();
      await replica.close().catch(() => {});
      await close();
    },
  };
}
