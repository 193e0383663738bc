// Looks at real databases: what they tell, what they refuse, and what is left at them.
import { createConnection } from 'mysql2/promise';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Run, runCheck } from '../../src/checks/run.ts';
import type { CheckTarget } from '../../src/model/monitoring/agent.ts';
import { type Bench, eventually, forDatabases, openBench } from '../images/hardened.ts';
import { metric } from './seen.ts';

let bench: Bench;
beforeAll(async () => {
  bench = await openBench();
});
afterAll(() => bench.close());

const own = { user: 'app', password: `p'"a\\ss$(id)\`;x`, database: 'app' };
const mebibyte = 1024 * 1024;
const looking = 5_000;

function look(type: string, target: CheckTarget): Promise<Run> {
  return runCheck(type, target, {}, [], looking);
}

/** The first good one: a database takes its time to start. */
function firstGood(type: string, target: CheckTarget): Promise<Run> {
  return eventually(async () => {
    const seen = await look(type, target);
    if (seen.state !== 'OK') throw new Error(seen.output);
    return seen;
  });
}

interface Held {
  query(text: string): Promise<unknown>;
  close(): Promise<unknown>;
}

async function holdPostgres({ host, port, user, password, database }: CheckTarget): Promise<Held> {
  const sql = postgres({
    host,
    port,
    max: 1,
    fetch_types: false,
    ...(user && { user }),
    ...(password && { password }),
    ...(database && { database }),
  });
  const held = { query: (text: string) => sql.unsafe(text), close: () => sql.end({ timeout: 1 }) };
  return opened(held, 'select 1');
}

async function holdMysql({
  host,
  port,
  user = '',
  password = '',
  database = '',
}: CheckTarget): Promise<Held> {
  const connection = await createConnection({ host, port, user, password, database });
  return { query: (text) => connection.query(text), close: () => connection.end() };
}

async function opened(held: Held, question: string): Promise<Held> {
  try {
    await held.query(question);
    return held;
  } catch (error) {
    await held.close();
    throw error;
  }
}

/** Opens connections until the server takes no more, and answers with what closes them. */
async function useUp(hold: () => Promise<Held>): Promise<() => Promise<void>> {
  const all: Held[] = [];
  let refused = false;
  while (!refused && all.length < 50) {
    const held = await hold().catch(() => undefined);
    refused = held === undefined;
    if (held !== undefined) all.push(held);
  }
  expect(refused).toBe(true);
  return async () => {
    for (const held of all) await held.close();
  };
}

describe('PostgreSQL', () => {
  let target: CheckTarget;
  let good: Run;
  beforeAll(async () => {
    const { address } = await bench.start({
      imageId: await bench.image('docker.io/library/postgres:15'),
      environment: { POSTGRES_USER: own.user, POSTGRES_PASSWORD: own.password, POSTGRES_DB: own.database },
      capabilities: forDatabases,
      command: ['postgres', '-c', 'max_connections=8'],
      volume: { name: await bench.volume(), path: '/var/lib/postgresql/data' },
    });
    target = { host: address, port: 5432, ...own };
    good = await firstGood('POSTGRESQL', target);
  }, 90_000);

  test('tells its version, connections, size and times', () => {
    expect(good.output).toMatch(/^PostgreSQL 15\.\d+ answers, 1 of 8 connections are in use\.$/);
    expect(metric(good, 'connections')).toMatchObject({ value: 1, maximum: 8, minimum: 0 });
    expect(metric(good, 'connections_used')).toMatchObject({
      value: 12.5,
      unit: '%',
      warning: 80,
      critical: 95,
    });
    expect(metric(good, 'data_size').value).toBeGreaterThan(mebibyte);
    for (const name of ['connect_time', 'query_time', 'total_time'])
      expect(metric(good, name)).toMatchObject({ unit: 'ms' });
    expect(metric(good, 'total_time').value).toBeLessThanOrEqual(good.durationMs + 1);
  });

  test('refuses a wrong password with its own words, and the password is not in them', async () => {
    const seen = await look('POSTGRESQL', { ...target, password: 'c4n4ry-p4ssw0rd' });
    expect(seen).toMatchObject({ state: 'CRITICAL', metrics: [] });
    expect(seen.output).toContain('password authentication failed for user "app"');
    expect(JSON.stringify(seen)).not.toContain('c4n4ry');
  });

  test('refuses a database that is not there', async () => {
    const seen = await look('POSTGRESQL', { ...target, database: 'elsewhere' });
    expect(seen).toMatchObject({
      state: 'CRITICAL',
      output: expect.stringContaining('"elsewhere" does not exist'),
    });
  });

  test('with its connections used up is CRITICAL with its own words, and well again afterwards', async () => {
    const release = await useUp(() => holdPostgres(target));
    try {
      const seen = await look('POSTGRESQL', target);
      expect(seen).toMatchObject({ state: 'CRITICAL', output: expect.stringContaining('too many clients') });
    } finally {
      await release();
    }
    await firstGood('POSTGRESQL', target);
  });

  test('counts for a user what is kept from him, and turns WARNING before all are used', async () => {
    const admin = await holdPostgres(target);
    await admin.query("create role plain login password 'plain-password'");
    const held = [await holdPostgres(target), await holdPostgres(target)];
    try {
      const seen = await look('POSTGRESQL', { ...target, user: 'plain', password: 'plain-password' });
      expect(seen.output).toContain('4 of 5 connections are in use. connections_used is 80%, not below 80%.');
      expect(seen.state).toBe('WARNING');
    } finally {
      for (const each of [admin, ...held]) await each.close();
    }
  });
});

describe('MariaDB', () => {
  let target: CheckTarget;
  let good: Run;
  beforeAll(async () => {
    const { address } = await bench.start({
      imageId: await bench.image('docker.io/library/mariadb:10.11'),
      environment: {
        MARIADB_ROOT_PASSWORD: 'root-secret',
        MARIADB_USER: own.user,
        MARIADB_PASSWORD: own.password,
        MARIADB_DATABASE: own.database,
      },
      capabilities: forDatabases,
      command: ['mariadbd', '--max-connections=10'],
      volume: { name: await bench.volume(), path: '/var/lib/mysql' },
    });
    target = { host: address, port: 3306, ...own };
    good = await firstGood('MYSQL', target);
  }, 90_000);

  test('tells its version, connections, memory, size and times', async () => {
    expect(good.output).toMatch(/^MariaDB 10\.11\.\d+ answers, 1 of 10 connections are in use\.$/);
    expect(metric(good, 'connections_used')).toMatchObject({ value: 10, unit: '%' });
    expect(metric(good, 'memory').value).toBeGreaterThan(mebibyte);
    const held = await holdMysql(target);
    await held.query('create table kept as select repeat("x", 60000) as filling');
    await held.close();
    const later = await look('MYSQL', target);
    expect(metric(later, 'data_size').value).toBeGreaterThan(metric(good, 'data_size').value);
    for (const name of ['connect_time', 'query_time', 'total_time'])
      expect(metric(later, name)).toMatchObject({ unit: 'ms' });
  });

  test('refuses a wrong password with its own words, and the password is not in them', async () => {
    const seen = await look('MYSQL', { ...target, password: 'c4n4ry-p4ssw0rd' });
    expect(seen).toMatchObject({ state: 'CRITICAL', metrics: [] });
    expect(seen.output).toContain("Access denied for user 'app'");
    expect(JSON.stringify(seen)).not.toContain('c4n4ry');
  });

  test('with its connections used up is CRITICAL with its own words, and well again afterwards', async () => {
    const release = await useUp(() => holdMysql(target));
    try {
      const seen = await look('MYSQL', target);
      expect(seen).toMatchObject({
        state: 'CRITICAL',
        output: expect.stringMatching(/Too many connections|max_user_connections/),
      });
    } finally {
      await release();
    }
    await firstGood('MYSQL', target);
  });

  test('a look is no connection that was cut off, to the server', async () => {
    const held = await holdMysql(target);
    const aborted = async () => {
      const [rows] = (await held.query("show global status like 'Aborted_clients'")) as [{ Value: string }[]];
      return rows[0]?.Value;
    };
    const before = await aborted();
    for (let looks = 0; looks < 5; looks++) expect((await look('MYSQL', target)).state).not.toBe('CRITICAL');
    expect(await aborted()).toBe(before);
    await held.close();
  });
});
