// The only file that constructs: reads the configuration, opens the parts in order, wires them, serves, and closes in
// reverse. Tests start the same `startBerth`.
import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { openRepositories } from './build/git.ts';
import { type Config, readConfig } from './config.ts';
import { ensureAdministrator } from './control/administrator.ts';
import type { Control } from './control/control.ts';
import { checkHealth } from './control/health.ts';
import { recoverPushes } from './control/recover-pushes.ts';
import { Refusal } from './errors.ts';
import { webhookBody } from './graphql/webhook-message.ts';
import { acceptPushes } from './http/pushes.ts';
import { serve } from './http/server.ts';
import { openImages } from './images/obtain.ts';
import { type Log, openLog } from './log.ts';
import { includedTypes, type ServiceType } from './model/service-types/index.ts';
import { openControlKeys } from './orchestrator/control-keys.ts';
import { startOrchestrator } from './orchestrator/orchestrator.ts';
import { readOutput } from './orchestrator/output.ts';
import { realWorld } from './orchestrator/outside.ts';
import type { Point } from './orchestrator/points.ts';
import { openEmbeddedPostgres } from './postgres/embedded.ts';
import { openEventLog } from './postgres/event-log.ts';
import { openNudges } from './postgres/nudges.ts';
import { migrate, openStore } from './postgres/open.ts';
import { ensureInstallation, hasSecrets } from './postgres/organizations.ts';
import { joinReplicas } from './postgres/replicas.ts';
import { openResultLog } from './postgres/result-log.ts';
import { openVault } from './postgres/vault.ts';
import { openDocker } from './runtime/docker.ts';
import { ensureEngine } from './setup/engine.ts';
import { welcome } from './setup/welcome.ts';

export interface Berth {
  readonly url: string;
  readonly control: Control;
  /** The administrator's token, where this start has made it. */
  readonly administratorToken: string | undefined;
  close(): Promise<void>;
}

export interface StartOptions {
  readonly say?: (line: string) => void;
  readonly logger?: Log;
  /** For tests: services that environments are made with; all that the platform includes when absent. */
  readonly included?: readonly ServiceType[];
  /** Ends a start that is still under way, at its next part; what was opened by then is closed. */
  readonly signal?: AbortSignal;
  /** For tests: called at each named point of the orchestrator's work. */
  readonly at?: (point: Point) => void;
}

export async function startBerth(config: Config, options: StartOptions = {}): Promise<Berth> {
  const { say = () => {}, logger = openLog(), at = () => {} } = options;
  const closers: (() => Promise<void>)[] = [];
  const close = async () => {
    for (const each of closers.splice(0).reverse())
      await each().catch((error: unknown) => logger.warn({ err: error }, 'a part did not close cleanly'));
  };
  const opened = <T>(part: T, closing: (part: T) => Promise<void> | void): T => {
    closers.push(async () => closing(part));
    options.signal?.throwIfAborted();
    return part;
  };
  try {
    await mkdir(config.dataDirectory, { recursive: true, mode: 0o711 });
    await ensureEngine({ host: config.dockerHost, say });
    const store = opened(openStore(await databaseUrl(config, say, opened)), (part) => part.close());
    const installation = await ensureInstallation(store);
    const vault = await openVault(config.keyFile, !(await hasSecrets(store.db)));
    const nudges = opened(await openNudges(store), (part) => part.close());
    const log = opened(openEventLog(store, nudges), (part) => part.close());
    const results = opened(openResultLog(store, nudges), (part) => part.close());
    const runtime = opened(openDocker({ host: config.dockerHost, subnetRange: config.subnetRange }), (part) =>
      part.close(),
    );
    const images = openImages(runtime, { cacheDirectory: join(config.dataDirectory, 'images') });
    const hookSocketPath = await socketPath(config);
    const repositories = await openRepositories({
      directory: join(config.dataDirectory, 'git'),
      hookSocketPath,
    });
    const publicUrl = config.publicUrl ?? `http://${config.host}:${config.port}`;
    const acmeTrust = await textOf(config.acmeCaFile);
    const settings = { ...config, publicUrl, acmeTrust, included: options.included ?? includedTypes };
    const control: Control = {
      store,
      nudges,
      log,
      results,
      vault,
      installation,
      settings,
      output: (job, wanted, signal) => readOutput({ store, vault, runtime }, job, wanted, signal),
      engine: () => runtime.info(),
    };
    const administratorToken = await ensureAdministrator(control, join(config.dataDirectory, 'admin-token'));
    let dropLeases = () => {};
    const replica = opened(await joinReplicas(store, () => dropLeases()), (part) => part.close());
    const orchestrator = opened(
      startOrchestrator({
        ...control,
        ...realWorld,
        settings,
        runtime,
        images,
        controlKeys: await openControlKeys(store, vault),
        webhookBody,
        replica,
        logger,
        repositories,
        certificateAuthority: await textOf(config.buildCaFile),
        forgetService: (serviceId) => repositories.remove(serviceId),
        at,
      }),
      (part) => part.close(),
    );
    dropLeases = orchestrator.dropLeases;
    opened(await acceptPushes(control, repositories, hookSocketPath, logger), (part) => part.close());
    await recoverPushes(control, repositories).catch((error: unknown) =>
      logger.error({ err: error }, 'pushes from before this start could not all be taken up'),
    );
    const { host, port, development, allowedOrigins } = config;
    const health = () => checkHealth(control);
    const server = await serve({
      control,
      repositories,
      health,
      host,
      port,
      development,
      allowedOrigins,
      logger,
    });
    opened(server, (part) => part.close());
    if (config.publicUrl === undefined) settings.publicUrl = server.url;
    return { url: server.url, control, administratorToken, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function databaseUrl(
  config: Config,
  say: (line: string) => void,
  opened: <T>(part: T, closing: (part: T) => Promise<void> | void) => T,
): Promise<string> {
  let url = config.databaseUrl;
  if (url === undefined) {
    const directory = join(config.dataDirectory, 'postgres');
    const embedded = opened(await openEmbeddedPostgres({ directory, say }), (part) => part.stop());
    url = embedded.url;
  }
  await migrate(url);
  return url;
}

/** Of this process alone; Unix sockets need a short path. */
async function socketPath(config: Config): Promise<string> {
  const inData = join(config.dataDirectory, 'run', `push-${process.pid}.sock`);
  if (inData.length < 100) {
    await rm(inData, { force: true });
    return inData;
  }
  return `/tmp/berth-${randomUUID()}/push.sock`;
}

async function textOf(file: string | undefined): Promise<string | undefined> {
  return file === undefined ? undefined : readFile(file, 'utf8');
}

async function main(): Promise<void> {
  const say = (line: string) => console.log(line);
  const config = readConfig(process.env);
  // Before anything is begun that would have to be closed.
  const stop = new AbortController();
  const stopping = new Promise<void>((resolve) => stop.signal.addEventListener('abort', () => resolve()));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stop.abort());
  stop.signal.addEventListener('abort', () => say('\nStopping. Your containers go on running.'));
  say('Berth is starting.');
  const berth = await startBerth(config, { say, signal: stop.signal }).catch((error: unknown) => {
    if (stop.signal.aborted) process.exit(0);
    throw error;
  });
  const stopped = stopping.then(async () => {
    await berth.close();
    process.exit(0);
  });
  await welcome(config, berth, say);
  await stopped;
}

if (import.meta.main)
  main().catch((error: unknown) => {
    if (error instanceof Refusal) console.error(error.message);
    else console.error(error);
    process.exit(1);
  });
