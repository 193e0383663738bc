// The database images under the hardening Berth runs them with: ready when they answer over the network, data kept by the
// volume, and a first boot that was cut short is never taken for a good one.
import Docker from 'dockerode';
import postgres from 'postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Bench, converse, eventually, forDatabases, openBench } from './hardened.ts';

let bench: Bench;
beforeAll(async () => {
  bench = await openBench();
});
afterAll(() => bench.close());

const minutes = 180_000;
const awkward = `p'"a\\ss$(id)\`;x`;
const postgresVariables = { POSTGRES_USER: 'app', POSTGRES_PASSWORD: awkward, POSTGRES_DB: 'my "db"; $HOME' };
const mariadbVariables = {
  MARIADB_ROOT_PASSWORD: 'root-secret',
  MARIADB_USER: "o'neil",
  MARIADB_PASSWORD: awkward,
  MARIADB_DATABASE: 'my_`db`; $HOME',
};
const onTmpfs = { '/tmp': 67_108_864, '/run': 16_777_216 };
const onlyTmp = { '/tmp': 67_108_864 };

const pgSpec = async (volume: string, readOnlyRoot = true) => ({
  imageId: await bench.image('docker.io/library/postgres:15'),
  environment: postgresVariables,
  capabilities: forDatabases,
  readOnlyRoot,
  tmpfs: readOnlyRoot ? onTmpfs : {},
  volume: { name: volume, path: '/var/lib/postgresql/data' },
});

const mariaSpec = async (volume: string, readOnlyRoot = true) => ({
  imageId: await bench.image('docker.io/library/mariadb:10.11'),
  environment: mariadbVariables,
  capabilities: forDatabases,
  readOnlyRoot,
  tmpfs: readOnlyRoot ? onTmpfs : {},
  volume: { name: volume, path: '/var/lib/mysql' },
});

async function query(address: string, text: string): Promise<unknown[]> {
  const database = postgres({
    host: address,
    username: postgresVariables.POSTGRES_USER,
    password: postgresVariables.POSTGRES_PASSWORD,
    database: postgresVariables.POSTGRES_DB,
    max: 1,
    connect_timeout: 3,
    onnotice: () => {},
  });
  try {
    return await database.unsafe(text);
  } finally {
    await database.end({ timeout: 1 });
  }
}

/** Runs a shell script of a test's own on a volume, in a container that ends. */
async function onVolume(
  imageId: string,
  volume: { name: string; path: string },
  script: string,
): Promise<void> {
  const { name } = await bench.start({ imageId, volume, entrypoint: ['sh', '-euc', script] });
  await bench.runtime.waitContainer(name, AbortSignal.timeout(20_000));
  expect(await bench.stop(name)).toBe(0);
}

test('PostgreSQL starts hardened, knows user, password and database, and keeps data', {
  timeout: minutes,
}, async () => {
  const volume = await bench.volume();
  const first = await bench.start(await pgSpec(volume));
  await eventually(() => query(first.address, 'create table kept as select 42 as answer'));
  const wrong = postgres({
    host: first.address,
    username: 'app',
    password: 'wrong',
    database: 'postgres',
    max: 1,
  });
  await expect(wrong.unsafe('select 1')).rejects.toThrow(/password authentication failed/);
  await wrong.end();
  // A client that stays connected doesn't hold up the stop, and the server ends in order.
  const lingering = postgres({
    host: first.address,
    username: 'app',
    password: awkward,
    database: postgresVariables.POSTGRES_DB,
    max: 1,
  });
  await lingering.unsafe('select 1');
  const stopping = performance.now();
  expect(await bench.stop(first.name, 30)).toBe(0);
  expect(performance.now() - stopping).toBeLessThan(15_000);
  await lingering.end({ timeout: 1 }).catch(() => {});

  const second = await bench.start(await pgSpec(volume, false));
  expect(await eventually(() => query(second.address, 'select answer from kept'))).toEqual([{ answer: 42 }]);
  expect(await bench.stop(second.name)).toBe(0);
  const third = await bench.start({ ...(await pgSpec(volume)), tmpfs: onlyTmp });
  expect(await eventually(() => query(third.address, 'select answer from kept'))).toEqual([{ answer: 42 }]);
  await bench.stop(third.name);
});

test('PostgreSQL is good after kills during its first boot', { timeout: minutes }, async () => {
  const volume = await bench.volume();
  for (const milliseconds of [150, 500, 900, 1400]) {
    const { name } = await bench.start(await pgSpec(volume));
    await new Promise((resolve) => setTimeout(resolve, milliseconds));
    await new Docker()
      .getContainer(name)
      .kill()
      .catch(() => {});
    await bench.stop(name);
  }
  const last = await bench.start(await pgSpec(volume));
  await eventually(() => query(last.address, 'create table t as select 1 as one'));
  await bench.stop(last.name);
});

test('PostgreSQL takes up a first boot that was cut off while moving in place', {
  timeout: minutes,
}, async () => {
  const volume = await bench.volume();
  const spec = await pgSpec(volume);
  const first = await bench.start(spec);
  await eventually(() => query(first.address, 'create table kept as select 7 as answer'));
  expect(await bench.stop(first.name)).toBe(0);
  await onVolume(
    spec.imageId,
    spec.volume,
    'cd "$PGDATA"; mkdir .first-boot; mv PG_VERSION base global .first-boot/; : >.first-boot/.complete',
  );
  const second = await bench.start(spec);
  expect(await eventually(() => query(second.address, 'select answer from kept'))).toEqual([{ answer: 7 }]);
  await bench.stop(second.name);
});

test('PostgreSQL without a password refuses its first boot with a sentence', {
  timeout: minutes,
}, async () => {
  const spec = { ...(await pgSpec(await bench.volume())), environment: {} };
  const { name } = await bench.start(spec);
  await bench.runtime.waitContainer(name, AbortSignal.timeout(20_000));
  const lines: string[] = [];
  const options = { follow: false, signal: AbortSignal.timeout(10_000) };
  for await (const line of bench.runtime.readLogs(name, options)) lines.push(line.text);
  expect(lines.join('\n')).toContain('set POSTGRES_PASSWORD');
  expect(await bench.stop(name)).toBe(1);
});

/** The protocol's greeting begins with its version 10 and the server's; an error packet would begin with 255. */
const greeting = (address: string): Promise<string> => converse(address, 3306, '', /^.{4}\n[\d.-]+-MariaDB/s);

/** Runs one statement as the own user by the image's client, over TCP from a second container. */
async function ask(imageId: string, address: string, statement: string): Promise<string> {
  const script =
    'exec mariadb --host="$HOST" --user="$MARIADB_USER" --password="$MARIADB_PASSWORD" --skip-ssl -N -e "$SQL" "$MARIADB_DATABASE"';
  const environment = { ...mariadbVariables, HOST: address, SQL: statement };
  const { name } = await bench.start({ imageId, environment, command: ['sh', '-c', script] });
  await bench.runtime.waitContainer(name, AbortSignal.timeout(20_000));
  const lines: string[] = [];
  const options = { follow: false, signal: AbortSignal.timeout(10_000) };
  for await (const line of bench.runtime.readLogs(name, options)) lines.push(line.text);
  expect(await bench.stop(name), lines.join('\n')).toBe(0);
  return lines.join('\n');
}

test('MariaDB starts hardened, knows user, password and database, and keeps data', {
  timeout: minutes,
}, async () => {
  const volume = await bench.volume();
  const spec = await mariaSpec(volume);
  const first = await bench.start(spec);
  await eventually(() => greeting(first.address));
  await ask(spec.imageId, first.address, 'CREATE TABLE kept AS SELECT 42 AS answer');
  expect(await bench.stop(first.name)).toBe(0);
  const second = await bench.start(await mariaSpec(volume, false));
  await eventually(() => greeting(second.address));
  expect(await ask(spec.imageId, second.address, 'SELECT answer FROM kept')).toBe('42');
  expect(await ask(spec.imageId, second.address, 'SHOW DATABASES')).not.toMatch(/first-boot|^mysql$/m);
  expect(await bench.stop(second.name)).toBe(0);
  const third = await bench.start({ ...spec, tmpfs: onlyTmp });
  await eventually(() => greeting(third.address));
  await bench.stop(third.name);
});

test('MariaDB is good after kills during its first boot', { timeout: minutes }, async () => {
  const volume = await bench.volume();
  for (const milliseconds of [200, 800, 1500, 2500]) {
    const { name } = await bench.start(await mariaSpec(volume));
    await new Promise((resolve) => setTimeout(resolve, milliseconds));
    await new Docker()
      .getContainer(name)
      .kill()
      .catch(() => {});
    await bench.stop(name);
  }
  const spec = await mariaSpec(volume);
  const last = await bench.start(spec);
  await eventually(() => greeting(last.address));
  expect(await ask(spec.imageId, last.address, 'SELECT 1')).toBe('1');
  await bench.stop(last.name);
});
