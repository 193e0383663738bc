// The embedded Postgres through everything that can happen to it and to us: kills of either, two of us, a stop. Each test
// has a data folder of its own; where a process of ours must die, a small owner program runs in its own process.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setImmediate } from 'node:timers/promises';
import { promisify } from 'node:util';
import postgres from 'postgres';
import { afterEach, expect, inject, test, vi } from 'vitest';
import { type EmbeddedPostgres, openEmbeddedPostgres } from '../../src/postgres/embedded.ts';
import { startTicks } from '../../src/postgres/embedded-holders.ts';

const cleanups: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function newFolder(): string {
  const folder = mkdtempSync(join(inject('scratch'), 'embedded-'));
  // mkdtemp closes it to all others, and the server's account has to pass.
  chmodSync(folder, 0o711);
  cleanups.push(async () => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'db');
}

async function open(directory: string): Promise<EmbeddedPostgres> {
  const embedded = await openEmbeddedPostgres({ directory });
  cleanups.push(() => embedded.stop());
  return embedded;
}

function clientOf(embedded: { url: string }): postgres.Sql {
  const client = postgres(embedded.url, { max: 2, onnotice: () => undefined, backoff: () => 0.05 });
  cleanups.push(() => client.end({ timeout: 1 }));
  return client;
}

/** Another process of ours that has the database open; resolves once it has. */
async function openElsewhere(directory: string): Promise<{ owner: ChildProcess; url: string }> {
  const module = new URL('../../src/postgres/embedded.ts', import.meta.url).href;
  const program = `
    import { openEmbeddedPostgres } from ${JSON.stringify(module)};
    const embedded = await openEmbeddedPostgres({ directory: process.argv[1] });
    console.log(embedded.url);
    process.on('SIGTERM', async () => { await embedded.stop(); process.exit(0); });
    setInterval(() => undefined, 1000);`;
  const owner = spawn(process.execPath, ['--input-type=module', '-e', program, directory], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  cleanups.push(async () => {
    owner.kill('SIGKILL');
    // The server outlives its owner; only an open and a stop end it.
    if (existsSync(join(directory, 'data', 'postmaster.pid')))
      await (await openEmbeddedPostgres({ directory })).stop();
  });
  const [url] = await once(createInterface(owner.stdout), 'line');
  return { owner, url };
}

function serverPid(directory: string): number {
  return Number(readFileSync(join(directory, 'data', 'postmaster.pid'), 'utf8').split('\n')[0]);
}

test('a new folder becomes a durable UTF-8 database that only a private socket leads to', async () => {
  const directory = newFolder();
  const embedded = await open(directory);
  const client = clientOf(embedded);
  const [row] = await client`select current_setting('fsync') fsync, current_setting('full_page_writes') pages,
    current_setting('listen_addresses') tcp, current_setting('max_connections') connections,
    (select pg_encoding_to_char(encoding) from pg_database where datname = current_database()) encoding`;
  expect(row).toEqual({ fsync: 'on', pages: 'on', tcp: '', connections: '100', encoding: 'UTF8' });
  for (const folder of [embedded.socketDirectory, join(directory, 'data')]) {
    const seen = statSync(folder);
    expect(seen.mode & 0o777).toBe(0o700);
    expect(seen.uid).not.toBe(0);
  }
  const pid = serverPid(directory);
  await embedded.stop();
  expect(startTicks(pid)).toBeUndefined();
});

test('after kill -9 of its owner the next open finds the same server with everything in it', async () => {
  const directory = newFolder();
  const { owner, url } = await openElsewhere(directory);
  const pid = serverPid(directory);
  const before = clientOf({ url });
  await before`create table kept (n int)`;
  await before`insert into kept values (1)`;
  owner.kill('SIGKILL');
  await once(owner, 'exit');

  const embedded = await open(directory);
  expect(serverPid(directory)).toBe(pid);
  expect(embedded.url).toBe(url);
  expect(await clientOf(embedded)`select n from kept`).toEqual([{ n: 1 }]);
  await embedded.stop();
  expect(startTicks(pid)).toBeUndefined();
});

test('after kill -9 of the server it comes back by itself at the same address with every acknowledged write', async () => {
  const directory = newFolder();
  const embedded = await open(directory);
  const client = clientOf(embedded);
  await client`create table written (n int primary key)`;
  const acknowledged: number[] = [];
  let writing = true;
  cleanups.push(async () => {
    writing = false;
  });
  const writer = (async () => {
    for (let n = 0; writing; n++) {
      const done = await client`insert into written values (${n})`.then(() => true).catch(() => false);
      if (done) acknowledged.push(n);
      // Refusals of a cut client come without a turn of the event loop, and would starve what heals it.
      else await setImmediate();
    }
  })();
  await vi.waitFor(() => expect(acknowledged.length).toBeGreaterThan(50), { timeout: 10_000 });
  const killed = serverPid(directory);
  process.kill(killed, 'SIGKILL');
  await vi.waitFor(() => expect(startTicks(killed)).toBeUndefined(), { timeout: 5_000 });
  const atKill = acknowledged.length;
  await vi.waitFor(() => expect(acknowledged.length).toBeGreaterThan(atKill + 50), { timeout: 20_000 });
  writing = false;
  await writer;
  expect(serverPid(directory)).not.toBe(killed);
  const found = new Set((await client`select n from written`).map((row) => row.n));
  expect(acknowledged.filter((n) => !found.has(n))).toEqual([]);
});

test('a pid file left by a crash, naming a process that lives but is another, does not keep it from starting', async () => {
  const directory = newFolder();
  await (await open(directory)).stop();
  const lines = [
    String(process.pid),
    join(directory, 'data'),
    '1',
    '5432',
    '/nowhere',
    '',
    '1 1',
    'ready   ',
    '',
  ];
  writeFileSync(join(directory, 'data', 'postmaster.pid'), lines.join('\n'));
  const embedded = await open(directory);
  expect(serverPid(directory)).not.toBe(process.pid);
  expect(await clientOf(embedded)`select 1 as one`).toEqual([{ one: 1 }]);
});

test('five opens at once of a new folder make one database and one server; the last to close stops it', async () => {
  const directory = newFolder();
  const [first, ...others] = await Promise.all([
    open(directory),
    open(directory),
    open(directory),
    openElsewhere(directory),
    openElsewhere(directory),
  ]);
  const pid = serverPid(directory);
  expect(new Set([first.url, ...others.map((other) => other.url)]).size).toBe(1);
  const owners = others.flatMap((other) => ('owner' in other ? [other.owner] : []));
  for (const other of others) if ('stop' in other) await other.stop();
  await first.stop();
  expect(startTicks(pid)).toBeDefined();
  for (const owner of owners) {
    owner.kill('SIGTERM');
    await once(owner, 'exit');
  }
  expect(startTicks(pid)).toBeUndefined();
});

test('a folder with a long path gets its socket elsewhere, the same one each time', async () => {
  const directory = join(newFolder(), 'a'.repeat(60), 'b'.repeat(60));
  const first = await open(directory);
  expect(first.socketDirectory.length).toBeLessThan(60);
  cleanups.push(async () => rmSync(first.socketDirectory, { recursive: true, force: true }));
  await first.stop();
  const second = await open(directory);
  expect(second.socketDirectory).toBe(first.socketDirectory);
  expect(await clientOf(second)`select 1 as one`).toEqual([{ one: 1 }]);
});

test.runIf(process.getuid?.() === 0)(
  'as root below a folder that is closed to all others it still works',
  async () => {
    const closed = mkdtempSync(join(inject('scratch'), 'closed-'));
    cleanups.push(async () => rmSync(closed, { recursive: true, force: true }));
    expect(statSync(closed).mode & 0o077).toBe(0);
    const directory = join(closed, 'db');
    const embedded = await open(directory);
    const home = readFileSync(join(directory, 'home'), 'utf8').trim();
    cleanups.splice(-1, 0, async () => rmSync(home, { recursive: true, force: true }));
    expect(await clientOf(embedded)`select 1 as one`).toEqual([{ one: 1 }]);
  },
);

test('a database made by a newer Postgres is refused with a sentence and left as it is', async () => {
  const directory = newFolder();
  mkdirSync(join(directory, 'data'), { recursive: true });
  writeFileSync(join(directory, 'data', 'PG_VERSION'), '99\n');
  await expect(openEmbeddedPostgres({ directory })).rejects.toThrow(
    /made by Postgres 99.*newer version of Berth/,
  );
  expect(readdirSync(join(directory, 'data'))).toEqual(['PG_VERSION']);
});

test.runIf(process.getuid?.() === 0)('an ordinary user runs it as itself', async () => {
  const directory = newFolder();
  const account = { uid: 65534, gid: 65534 };
  mkdirSync(directory);
  await promisify(execFile)('chown', [`${account.uid}:${account.gid}`, directory]);
  await promisify(execFile)('chmod', ['755', join(directory, '..')]);
  const module = new URL('../../src/postgres/embedded.ts', import.meta.url).href;
  const program = `
    import { openEmbeddedPostgres } from ${JSON.stringify(module)};
    const embedded = await openEmbeddedPostgres({ directory: ${JSON.stringify(directory)} });
    await embedded.stop();`;
  await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], {
    ...account,
    cwd: '/',
  });
  expect(statSync(join(directory, 'data')).uid).toBe(account.uid);
});
