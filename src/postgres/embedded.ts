// The embedded database: the real Postgres, started by us, kept running by us, reached over a Unix socket only. Opening
// is the same after a clean stop, after a kill -9 of us, and after a kill -9 of it: look, attach or start. It outlives a
// process that was killed; the last process that closes it properly stops it. Holds no tables and no migrations.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import postgres from 'postgres';
import { countHolders, hold, release, withLock } from './embedded-holders.ts';
import { findPlace, type Place } from './embedded-place.ts';
import { ensureData, findProgram, type Program } from './embedded-program.ts';
import { findServer, startServer, stopServer, untilReady } from './embedded-server.ts';

export interface EmbeddedPostgres {
  /** For the `postgres` client and for libpq; a superuser's, reachable by the owner of the data folder and by root. */
  readonly url: string;
  readonly socketDirectory: string;
  /** Stops the server unless another process still has it open. Safe to call twice. */
  stop(): Promise<void>;
}

export interface EmbeddedOptions {
  /** Holds everything of it; made when missing. */
  readonly directory: string;
  readonly say?: (line: string) => void;
  /** Server settings beyond ours; tests switch off what only matters in a power cut. */
  readonly settings?: Readonly<Record<string, string>>;
}

const watchMilliseconds = 1_000;

export async function openEmbeddedPostgres(options: EmbeddedOptions): Promise<EmbeddedPostgres> {
  const { directory, say = () => undefined, settings = {} } = options;
  mkdirSync(directory, { recursive: true, mode: 0o711 });
  const holders = join(directory, 'holders');

  const { place, program, holder } = await withLock(directory, async () => {
    const place = findPlace(directory);
    const program = findProgram(place);
    await ensureData(place, program, say);
    await ensureRunning(place, program, settings, say);
    return { place, program, holder: hold(holders) };
  });

  const watch = watchServer(directory, place, program, settings, say);
  let stopping: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    await watch.stop();
    await withLock(directory, async () => {
      release(holder);
      if (countHolders(holders) === 0) await stopServer(place);
    });
  };
  return {
    url: socketUrl(place.socket, 'berth'),
    socketDirectory: place.socket,
    stop: () => {
      stopping ??= stop();
      return stopping;
    },
  };
}

async function ensureRunning(
  place: Place,
  program: Program,
  settings: Readonly<Record<string, string>>,
  say: (line: string) => void,
): Promise<void> {
  const running = findServer(place);
  if (running === undefined || !(await untilReady(place, running, say))) {
    await startServer(place, program, settings, say);
  }
  await ensureDatabase(place);
}

async function ensureDatabase(place: Place): Promise<void> {
  const client = postgres(socketUrl(place.socket, 'postgres'), { max: 1, connect_timeout: 20 });
  try {
    const found = await client`select 1 from pg_database where datname = 'berth'`;
    if (found.length === 0) await client`create database berth`;
  } finally {
    await client.end({ timeout: 1 });
  }
}

/** Looks once a second whether the server still lives and starts it again where it doesn't. */
function watchServer(
  directory: string,
  place: Place,
  program: Program,
  settings: Readonly<Record<string, string>>,
  say: (line: string) => void,
): { stop(): Promise<void> } {
  let restarting: Promise<void> | undefined;
  const look = (): void => {
    if (restarting !== undefined || findServer(place) !== undefined) return;
    say('The embedded Postgres is gone; starting it again.');
    restarting = withLock(directory, () => ensureRunning(place, program, settings, say))
      .catch((fault: unknown) => say(`The embedded Postgres could not be started again: ${String(fault)}`))
      .finally(() => {
        restarting = undefined;
      });
  };
  const timer = setInterval(look, watchMilliseconds);
  timer.unref();
  return {
    stop: async () => {
      clearInterval(timer);
      await restarting;
    },
  };
}

/**
 * The client takes a socket folder out of a URL only where the host has a comma in it (it is decoded there alone). So the
 * socket folder holds a link named `,` to itself, and libpq, which reads a list of hosts, finds the folder as the first.
 */
function socketUrl(socketDirectory: string, database: string): string {
  return `postgres://berth@${encodeURIComponent(`${socketDirectory}/`)},/${database}`;
}
