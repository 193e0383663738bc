// A world of one's own for a test of the orchestrator: a database, an installation on the engine, a small image, a caller
// who may do everything, and short ways to make services. Its code services need no push: their releases are written
// down as a build would have left them. Knows nothing of vitest; the database comes from the caller.
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, pipeline } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { pack } from 'tar-stream';
import type { Control } from '../../src/control/control.ts';
import { createService, type ServiceInput } from '../../src/control/create-service.ts';
import { createEnvironment } from '../../src/control/environments.ts';
import { type RedeployServiceInput, redeployService } from '../../src/control/redeploy.ts';
import { newId } from '../../src/ids.ts';
import type { Caller } from '../../src/model/callers.ts';
import { openStates } from '../../src/model/redeploy.ts';
import { openStore } from '../../src/postgres/open.ts';
import { insertRelease, listRedeploysById, type RedeployRow } from '../../src/postgres/redeploys.ts';
import { updateService } from '../../src/postgres/services.ts';
import { installation as installationTable } from '../../src/postgres/tables/organizations.ts';
import { openDocker } from '../../src/runtime/docker.ts';
import { labels, type Runtime } from '../../src/runtime/runtime.ts';
import { busyboxChanges, busyboxTar } from './busybox.ts';
import { newInstallation, type TestInstallation } from './engine.ts';
import { openControl, openPlane, type Plane, type PlaneOptions } from './plane.ts';

export interface World {
  readonly url: string;
  readonly dataDirectory: string;
  readonly engine: TestInstallation;
  /** Id of a busybox image that belongs to this world. */
  readonly imageId: string;
  readonly control: Control;
  /** Straight to the engine, whatever stands between it and the orchestrator. */
  readonly runtime: Runtime;
  readonly caller: Caller;
  /** Ends the plane this world was opened with, its orchestrator included. */
  stop(): Promise<void>;
  close(): Promise<void>;
}

export type WorldOptions = Omit<PlaneOptions, 'url' | 'dataDirectory'> & {
  /** Without: nothing is carried out until somebody else does. */
  readonly orchestrate?: boolean;
  /** As a value of DOCKER_HOST: another engine than the one that all tests share, for the world and all in it. */
  readonly engineHost?: string;
};

export async function openWorld(url: string, options: WorldOptions = {}): Promise<World> {
  const { orchestrate = true, engineHost, ...rest } = options;
  const engine = newInstallation(engineHost);
  const dataDirectory = await mkdtemp(join(tmpdir(), 'berth-world-'));
  await nameInstallation(url, engine.id);
  const runtime = openDocker({ host: engineHost, subnetRange: '10.211.0.0/16' });
  const imageId = await importImage(runtime, engine.id);
  const planeOptions = { dockerHost: engineHost, ...rest, url, dataDirectory };
  const plane: Plane = await (orchestrate ? openPlane(planeOptions) : openControl(planeOptions));
  const { control } = plane;
  let stopped: Promise<void> | undefined;
  const stop = () => {
    stopped ??= plane.close();
    return stopped;
  };
  return {
    url,
    dataDirectory,
    engine,
    imageId,
    control,
    runtime,
    caller: {
      tokenId: newId(),
      tokenName: 'Tester',
      organizationId: control.installation.organizationId,
      environmentId: null,
      scopes: ['read', 'deploy', 'secrets:read', 'admin'],
      operator: true,
      address: undefined,
    },
    stop,
    close: async () => {
      await stop();
      await engine.removeAll();
      runtime.close();
      await rm(dataDirectory, { recursive: true, force: true });
    },
  };
}

/** Before anything else does: so that the broom knows the label. */
async function nameInstallation(url: string, id: string): Promise<void> {
  const store = openStore(url, { connections: 1 });
  await store.db.insert(installationTable).values({ name: 'installation', value: id }).onConflictDoNothing();
  await store.close();
}

/** Its own by a label in its configuration, so that removing it harms nobody else's. */
export async function importImage(
  runtime: Runtime,
  installation: string,
  tag = `berth-test-${randomBytes(5).toString('hex')}:1`,
): Promise<string> {
  const changes = [...busyboxChanges, `LABEL ${labels.installation}=${installation}`, `LABEL test=${tag}`];
  return runtime.importImage(tag, await busyboxTar(), changes);
}

/** An image without a shell: its containers can't start. */
export async function importEmptyImage(runtime: Runtime, installation: string): Promise<string> {
  const tar = pack();
  tar.entry({ name: 'empty' }, '');
  tar.finalize();
  const tag = `berth-test-${randomBytes(5).toString('hex')}:1`;
  return runtime.importImage(
    tag,
    pipeline(tar, new PassThrough(), () => {}),
    [`LABEL ${labels.installation}=${installation}`],
  );
}

export const webCommand = 'exec httpd -f -p 8080 -h /tmp';
export const workerCommand = 'while true; do sleep 1; done';
export const goodCommands = { web: webCommand, worker: workerCommand };
/** Good as well, but not seen healthy along with their start: each is looked at in a step of its own. */
export const lateCommands = { ...goodCommands, web: `sleep 0.2; ${webCommand}` };

export async function newEnvironment(
  world: World,
  kind: 'SANDBOX' | 'PRODUCTION' = 'SANDBOX',
): Promise<string> {
  const name = `Env ${randomBytes(4).toString('hex')}`;
  const made = await createEnvironment(world.control, world.caller, { name, kind });
  return made.ids.environmentId;
}

export interface Service {
  readonly environmentId: string;
  readonly serviceId: string;
  readonly label: string;
}

export async function newService(
  world: World,
  input: Partial<ServiceInput> & { readonly commands?: Record<string, string>; environmentId?: string } = {},
): Promise<Service> {
  const { commands = goodCommands, ...rest } = input;
  const environmentId = input.environmentId ?? (await newEnvironment(world));
  const label = input.label ?? `s${randomBytes(4).toString('hex')}`;
  const wanted = { workerLimit: 5, size: { memoryMiB: 64 }, ...rest, type: 'CODE' as const, label };
  const made = await createService(world.control, world.caller, { ...wanted, environmentId });
  const { serviceId } = made.ids;
  await newRelease(world, serviceId, commands);
  return { environmentId, serviceId, label };
}

/** What a good build leaves behind, without its redeploy. */
export async function newRelease(
  world: World,
  serviceId: string,
  commands: Record<string, string>,
  imageId = world.imageId,
  commit = randomBytes(20).toString('hex'),
): Promise<string> {
  const id = newId();
  await world.control.store.db.transaction(async (tx) => {
    const row = { id, serviceId, commit, subject: 'A test', imageId, language: 'Test', commands };
    await insertRelease(tx, { ...row, buildJobId: newId() });
    await updateService(tx, serviceId, { releaseId: id });
  });
  return id;
}

export async function askRedeploy(
  world: World,
  serviceId: string,
  input: Omit<RedeployServiceInput, 'serviceId'> = {},
): Promise<string> {
  const made = await redeployService(world.control, world.caller, { ...input, serviceId });
  return made.ids.redeployId;
}

/** Asks for a redeploy and waits for its end. */
export async function redeployed(
  world: World,
  serviceId: string,
  input: Omit<RedeployServiceInput, 'serviceId'> = {},
): Promise<RedeployRow> {
  return endOfRedeploy(world, await askRedeploy(world, serviceId, input));
}

export async function endOfRedeploy(world: World, id: string, boundMs = 45_000): Promise<RedeployRow> {
  const look = async () => (await listRedeploysById(world.control.store.db, [id]))[0];
  const row = await until(
    'the redeploy ends',
    look,
    (seen) => seen !== undefined && !openStates.includes(seen.state),
    boundMs,
  );
  if (row === undefined) throw new Error(`no redeploy ${id}`);
  return row;
}

/** Looks until the fact is there; fails with what was seen last. */
export async function until<Seen>(
  what: string,
  look: () => Promise<Seen>,
  isSo: (seen: Seen) => boolean,
  boundMs = 20_000,
): Promise<Seen> {
  for (const end = performance.now() + boundMs; ; ) {
    const seen = await look();
    if (isSo(seen)) return seen;
    if (performance.now() > end)
      throw new Error(
        `Not within ${boundMs} ms: ${what}. Last seen: ${JSON.stringify(seen)?.slice(0, 2_000)}`,
      );
    await sleep(40);
  }
}
