// Where an embedded database lives and whose it is. Postgres refuses to run as root, so as root it gets another account,
// and that account must be able to walk to its folders; sockets must have a short path. Moves data nowhere, starts nothing.
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Unavailable } from '../errors.ts';

/** The account the server runs as. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
}

export interface Place {
  /** What the server may read: program copy, links. Ours. */
  readonly home: string;
  /** 0700, the server's. */
  readonly data: string;
  /** 0700, the server's. */
  readonly socket: string;
  readonly log: string;
  readonly account: Account;
  /** Options for spawning as that account; empty when it is ours already. */
  readonly spawnAs: Account | Record<string, never>;
}

/** Room for `/.s.PGSQL.5432` and the client's `/,` within the 104 bytes that every system gives a socket path. */
const longestSocketFolder = 85;

export function findPlace(directory: string): Place {
  const known = join(directory, 'home');
  const remembered = existsSync(known) ? readFileSync(known, 'utf8').trim() : realpathSync(directory);
  const account = serverAccount(join(remembered, 'data'));
  const home = existsSync(known) || reachable(remembered, account) ? remembered : newHome(known);
  const socket = socketFolder(directory, home, account);
  return {
    home,
    data: join(home, 'data'),
    socket,
    log: join(home, 'server.log'),
    account,
    spawnAs: account.uid === process.getuid?.() ? {} : account,
  };
}

/** Ours, unless we are root: then the data's owner, or on a new database `postgres` or `nobody`. */
function serverAccount(data: string): Account {
  const uid = process.getuid?.() ?? 0;
  const gid = process.getgid?.() ?? 0;
  const owner = existsSync(data) ? statSync(data) : undefined;
  if (uid !== 0) {
    if (owner === undefined || owner.uid === uid) return { uid, gid };
    throw new Unavailable(
      `The database in ${data} belongs to user ${owner.uid}; start as that user or as root.`,
    );
  }
  if (owner !== undefined && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid };
  const account = findAccount('postgres') ?? findAccount('nobody');
  if (account !== undefined) return account;
  throw new Unavailable(
    'Postgres does not run as root, and there is neither a user "postgres" nor "nobody" to run it as. ' +
      'Add one (useradd --system postgres), start as another user, or set DATABASE_URL.',
  );
}

function findAccount(name: string): Account | undefined {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith(`${name}:`));
  const [, , uid, gid] = line?.split(':') ?? [];
  return uid === undefined || gid === undefined || uid === '0' ? undefined : { uid: +uid, gid: +gid };
}

/** Whether the account may enter every folder down to this one. By mode bits alone, which is what folders above have. */
export function reachable(folder: string, account: Account): boolean {
  const { uid, gid, mode } = statSync(folder);
  const shift = uid === account.uid ? 6 : gid === account.gid ? 3 : 0;
  const enters = account.uid === 0 || ((mode >> shift) & 1) === 1;
  return enters && (folder === dirname(folder) || reachable(dirname(folder), account));
}

/** A clone below /root can't be entered by any other account: its database then lives beside other services' data. */
function newHome(known: string): string {
  const home = `/var/lib/berth/postgres-${randomBytes(6).toString('hex')}`;
  mkdirSync(home, { recursive: true, mode: 0o711 });
  writeFileSync(known, `${home}\n`);
  return home;
}

function socketFolder(directory: string, home: string, account: Account): string {
  const usual = join(home, 'socket');
  if (Buffer.byteLength(usual) <= longestSocketFolder) return ensureSocketFolder(usual, account);
  const known = join(directory, 'socket-folder');
  if (existsSync(known)) {
    const folder = readFileSync(known, 'utf8').trim();
    if (!existsSync(folder) || isPrivate(folder, account)) return ensureSocketFolder(folder, account);
  }
  const folder = join(tmpdir(), `berth-${randomBytes(6).toString('hex')}`);
  writeFileSync(known, `${folder}\n`);
  return ensureSocketFolder(folder, account);
}

/** Somebody else may have made a folder of this name in the shared temp folder meanwhile. */
function isPrivate(folder: string, account: Account): boolean {
  const seen = lstatSync(folder);
  return seen.isDirectory() && seen.uid === account.uid && (seen.mode & 0o777) === 0o700;
}

function ensureSocketFolder(folder: string, account: Account): string {
  if (!existsSync(folder)) makePrivate(folder, account);
  if (!existsSync(join(folder, ','))) symlinkSync('.', join(folder, ','));
  return folder;
}

/** A new folder of the account's that only it (and root) can enter. */
export function makePrivate(folder: string, account: Account): void {
  mkdirSync(folder, { mode: 0o700 });
  chmodSync(folder, 0o700);
  if (account.uid !== process.getuid?.()) chownSync(folder, account.uid, account.gid);
}
