// Debian packages without installing any: apt looks up and downloads into lists and a cache of our own, against an empty
// set of installed packages, so that this machine's apt is neither read for what it has nor changed. Which sources and keys
// to trust stays the machine's choice. Runs of apt stand in line within a process; another process may do the same work at
// the same time without harm, because finished downloads are moved into the cache under their own names.
import { mkdir, mkdtemp, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import pLimit from 'p-limit';
import { ProgramFailed, runProgram } from './programs.ts';

export interface DebianPackage {
  readonly name: string;
  readonly version: string;
}

export interface DebianPackages {
  /** The named packages and all they depend on, in the versions the machine's sources offer now. */
  lookUp(names: readonly string[], signal: AbortSignal): Promise<readonly DebianPackage[]>;
  /** Downloads what isn't in the cache yet and unpacks all of it into one folder. */
  unpack(packages: readonly DebianPackage[], folder: string, signal: AbortSignal): Promise<void>;
}

const listsAgeSeconds = 24 * 3600;

export function openDebianPackages(cacheDirectory: string): DebianPackages {
  const home = join(cacheDirectory, 'debian');
  const inLine = pLimit(1);
  return {
    lookUp: (names, signal) =>
      inLine(async () => {
        await refreshLists(home, false, signal);
        return simulateInstall(home, names, signal);
      }),
    unpack: async (packages, folder, signal) => {
      const archives = await inLine(() => download(home, packages, signal));
      for (const archive of archives) {
        await runProgram('dpkg-deb', ['--extract', archive, folder], { signal });
      }
    },
  };
}

/** `1:10.11.14-0+deb12u2` is 10.11.14 to the people who ask for it. */
export function upstreamVersion(debianVersion: string): string {
  const withoutEpoch = debianVersion.replace(/^\d+:/, '');
  return /^\d+(?:\.\d+)*/.exec(withoutEpoch)?.[0] ?? withoutEpoch;
}

/** Old lists serve where the sources can't be reached; none at all is a failure that the look-up then tells. */
async function refreshLists(home: string, evenIfFresh: boolean, signal: AbortSignal): Promise<void> {
  await mkdir(join(home, 'lists', 'partial'), { recursive: true });
  await mkdir(join(home, 'archives', 'partial'), { recursive: true });
  await writeFile(join(home, 'status'), '');
  const mark = join(home, 'lists-fetched');
  const fetched = await stat(mark).catch(() => undefined);
  if (!evenIfFresh && fetched && Date.now() - fetched.mtimeMs < listsAgeSeconds * 1000) return;
  try {
    await updateInTurn(home, signal);
    if (
      (await readdir(join(home, 'lists'))).some(
        (name) => name.endsWith('Packages') || name.includes('Packages.'),
      )
    ) {
      await writeFile(mark, '');
    }
  } catch (fault) {
    signal.throwIfAborted();
    if (!fetched || (fault instanceof ProgramFailed && fault.notInstalled)) throw fault;
  }
}

/** Another process may be fetching the lists: apt refuses at once, so it is asked again until the other is done. */
async function updateInTurn(home: string, signal: AbortSignal): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await runApt(home, ['update'], { signal });
      return;
    } catch (fault) {
      const locked = fault instanceof ProgramFailed && fault.message.includes('Could not get lock');
      if (!locked || attempt === 60) throw fault;
      await pause(1000, undefined, { signal });
    }
  }
}

async function simulateInstall(
  home: string,
  names: readonly string[],
  signal: AbortSignal,
): Promise<DebianPackage[]> {
  const args = ['--simulate', '--no-install-recommends', 'install', '--', ...names];
  const answer = await runApt(home, args, { signal });
  return [...answer.matchAll(/^Inst (\S+) \((\S+)/gm)].flatMap(([, name, version]) =>
    name === undefined || version === undefined ? [] : [{ name: name.replace(/:.*$/, ''), version }],
  );
}

/** Lists a day old can name versions that the sources have since replaced: fetched anew, the caller's look-up is stale. */
async function download(
  home: string,
  packages: readonly DebianPackage[],
  signal: AbortSignal,
): Promise<string[]> {
  const cached = join(home, 'archives');
  const present = await readdir(cached);
  const wanted = packages.filter((each) => findArchive(present, each) === undefined);
  if (wanted.length > 0) {
    const folder = await mkdtemp(join(home, 'download-'));
    try {
      const exact = wanted.map((each) => `${each.name}=${each.version}`);
      await runApt(home, ['download', '--', ...exact], { folder, signal, timeoutSeconds: 1800 });
      for (const name of await readdir(folder)) await rename(join(folder, name), join(cached, name));
    } catch (fault) {
      await rm(join(home, 'lists-fetched'), { force: true });
      throw fault;
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }
  const now = await readdir(cached);
  return packages.map((each) => {
    const archive = findArchive(now, each);
    if (archive === undefined) throw new Error(`${each.name} ${each.version} was not downloaded.`);
    return join(cached, archive);
  });
}

function findArchive(names: readonly string[], wanted: DebianPackage): string | undefined {
  const start = `${wanted.name}_${wanted.version.replaceAll(':', '%3a')}_`;
  return names.find((name) => name.startsWith(start) && name.endsWith('.deb'));
}

function runApt(
  home: string,
  args: readonly string[],
  options: { folder?: string; signal: AbortSignal; timeoutSeconds?: number },
): Promise<string> {
  const own = {
    'Dir::State::status': join(home, 'status'),
    'Dir::State::lists': join(home, 'lists'),
    'Dir::Cache': home,
    'Dir::Cache::archives': join(home, 'archives'),
    // The cache may lie in a folder that apt's own download user can't read.
    'APT::Sandbox::User': 'root',
    'Acquire::Languages': 'none',
    'Acquire::Retries': '2',
    'Acquire::http::Timeout': '15',
    'Acquire::https::Timeout': '15',
  };
  const settings = Object.entries(own).flatMap(([key, value]) => ['-o', `${key}=${value}`]);
  return runProgram('apt-get', ['-q', ...settings, ...args], options);
}
