// Looks at real caches: what they tell, what they refuse, and what is left at them.
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Run, runCheck } from '../../src/checks/run.ts';
import type { CheckTarget } from '../../src/model/monitoring/agent.ts';
import { type Bench, converse, eventually, forDatabases, openBench } from '../images/hardened.ts';
import { metric } from './seen.ts';

let bench: Bench;
beforeAll(async () => {
  bench = await openBench();
});
afterAll(() => bench.close());

const mebibyte = 1024 * 1024;
const password = 'a-right-password';

function look(type: string, target: CheckTarget): Promise<Run> {
  return runCheck(type, target, {}, [], 5_000);
}

function firstAnswer(type: string, target: CheckTarget): Promise<Run> {
  return eventually(async () => {
    const seen = await look(type, target);
    if (seen.metrics.length === 0) throw new Error(seen.output);
    return seen;
  });
}

async function holding<T>(count: number, { host, port }: CheckTarget, during: () => Promise<T>): Promise<T> {
  const sockets: Socket[] = [];
  for (let held = 0; held < count; held++) {
    const socket = connect({ host, port }).on('error', () => {});
    sockets.push(socket);
    // The server has counted it once it says something, be it a refusal.
    await new Promise((resolve) =>
      socket.once('data', resolve).on('connect', () => socket.write('version\r\n')),
    );
  }
  try {
    return await during();
  } finally {
    for (const socket of sockets) socket.destroy();
  }
}

describe('Redis', () => {
  let target: CheckTarget;
  let good: Run;
  beforeAll(async () => {
    const options = ['--requirepass', password, '--maxclients', '4', '--maxmemory', '8mb'];
    const { address } = await bench.start({
      imageId: await bench.image('docker.io/library/redis:7'),
      capabilities: forDatabases,
      command: ['redis-server', '--save', '', '--appendonly', 'no', ...options],
      tmpfs: { '/tmp': 16 * mebibyte, '/data': 16 * mebibyte },
    });
    target = { host: address, port: 6379, password };
    good = await firstAnswer('REDIS', target);
  }, 90_000);

  test('tells its version, connections, memory and times', () => {
    expect(good.output).toMatch(/^Redis 7\.\d+\.\d+ answers, 1 of 4 connections are in use\./);
    expect(good.state).toBe('OK');
    expect(metric(good, 'connections_used')).toMatchObject({
      value: 25,
      unit: '%',
      warning: 80,
      critical: 95,
    });
    expect(metric(good, 'memory')).toMatchObject({ maximum: 8 * mebibyte, unit: 'B' });
    for (const name of ['connect_time', 'query_time', 'total_time'])
      expect(metric(good, name)).toMatchObject({ unit: 'ms' });
  });

  test('that can take no more is CRITICAL; one that evicts is full as it should be', async () => {
    const login = `AUTH ${password}\r\n`;
    await converse(target.host, 6379, `${login}SETRANGE big 7700000 x\r\n`, /:7700001\r\n/);
    const full = await look('REDIS', target);
    expect(full.state).toBe('CRITICAL');
    expect(full.output).toContain('memory_used is');
    await converse(
      target.host,
      6379,
      `${login}CONFIG SET maxmemory-policy allkeys-lru\r\n`,
      /\+OK\r\n\+OK\r\n/,
    );
    const evicting = await look('REDIS', target);
    expect([evicting.state, evicting.metrics.some(({ name }) => name === 'memory_used')]).toEqual([
      'OK',
      false,
    ]);
  });

  test.each([
    ['a wrong one', { password: 'c4n4ry-p4ssw0rd' }, /WRONGPASS|invalid username-password/],
    ['a user who is not there', { user: 'nobody', password: 'c4n4ry-p4ssw0rd' }, /WRONGPASS|invalid/],
    ['none', { password: undefined }, /NOAUTH|Authentication required/],
  ])('refuses %s with its own words, and the password is not in them', async (_what, change, words) => {
    const seen = await look('REDIS', { host: target.host, port: target.port, ...(change as object) });
    expect(seen).toMatchObject({ state: 'CRITICAL', metrics: [] });
    expect(seen.output).toMatch(words);
    expect(JSON.stringify(seen)).not.toContain('c4n4ry');
  });

  test('with its connections used up is CRITICAL with its own words, and well again afterwards', async () => {
    const seen = await holding(4, target, () => look('REDIS', target));
    expect(seen).toMatchObject({
      state: 'CRITICAL',
      output: expect.stringContaining('max number of clients reached'),
    });
    await firstAnswer('REDIS', target);
  });
});

describe('memcached', () => {
  let target: CheckTarget;
  let good: Run;
  beforeAll(async () => {
    const { address } = await bench.start({
      imageId: await bench.image('docker.io/library/memcached:1.6'),
      capabilities: forDatabases,
      command: ['memcached', '-m', '16', '-c', '32', '-t', '1'],
    });
    target = { host: address, port: 11211 };
    good = await firstAnswer('MEMCACHED', target);
  }, 90_000);

  test('tells its version, connections, memory, evictions and times', () => {
    expect(good.output).toMatch(/^memcached 1\.6\.\d+ answers, \d of 32 connections are in use\.$/);
    expect(good.state).toBe('OK');
    expect(metric(good, 'memory')).toMatchObject({ maximum: 16 * mebibyte, unit: 'B' });
    expect(metric(good, 'evictions')).toMatchObject({ value: 0, unit: 'c' });
    for (const name of ['connect_time', 'query_time', 'total_time'])
      expect(metric(good, name)).toMatchObject({ unit: 'ms' });
  });

  test('with its connections used up is CRITICAL with its own words, and well again afterwards', async () => {
    const seen = await holding(32, target, () => look('MEMCACHED', target));
    expect(seen).toMatchObject({
      state: 'CRITICAL',
      output: expect.stringContaining('Too many open connections'),
    });
    await firstAnswer('MEMCACHED', target);
  });
});
