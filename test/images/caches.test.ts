// The cache images under the hardening Berth runs them with.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Bench, converse, eventually, forDatabases, openBench } from './hardened.ts';

let bench: Bench;
beforeAll(async () => {
  bench = await openBench();
});
afterAll(() => bench.close());

const timeout = 120_000;
const redis = (address: string, lines: string, until: RegExp): Promise<string> =>
  converse(address, 6379, lines, until);

test('Redis takes a command with the password from a variable, and keeps data', { timeout }, async () => {
  const volume = await bench.volume();
  const spec = {
    imageId: await bench.image('docker.io/library/redis:7'),
    capabilities: forDatabases,
    environment: { REDIS_PASSWORD: 'a b$c"d' },
    command: ['sh', '-c', 'exec redis-server --requirepass "$REDIS_PASSWORD" --appendonly yes'],
    volume: { name: volume, path: '/data' },
  };
  const first = await bench.start(spec);
  expect(await eventually(() => redis(first.address, 'PING\r\n', /\r\n/))).toContain('NOAUTH');
  const login = 'AUTH "a b$c\\"d"\r\n';
  expect(await redis(first.address, `${login}SET kept 42\r\n`, /\r\n.*\r\n/)).toBe('+OK\r\n+OK\r\n');
  expect(await bench.stop(first.name)).toBe(0);
  const second = await bench.start({ ...spec, readOnlyRoot: false, tmpfs: {} });
  const answer = await eventually(() => redis(second.address, `${login}GET kept\r\n`, /42\r\n/));
  expect(answer).toBe('+OK\r\n$2\r\n42\r\n');
  await bench.stop(second.name);
});

test('Redis without a password answers the network, like the official image', { timeout }, async () => {
  const imageId = await bench.image('redis:7');
  for (const command of [undefined, ['redis-server'], ['--maxmemory', '10mb']]) {
    const { name, address } = await bench.start({ imageId, ...(command && { command }) });
    expect(await eventually(() => redis(address, 'PING\r\n', /PONG/))).toBe('+PONG\r\n');
    expect(await bench.stop(name, 10)).toBe(0);
  }
});

test('memcached answers, as program and with options alone', { timeout }, async () => {
  const imageId = await bench.image('memcached:1.6');
  for (const command of [
    ['memcached', '-m', '16'],
    ['-m', '16'],
  ]) {
    const { name, address } = await bench.start({ imageId, capabilities: forDatabases, command });
    expect(await eventually(() => converse(address, 11211, 'version\r\n', /\r\n/))).toMatch(
      /^VERSION 1\.6\./,
    );
    await bench.stop(name);
  }
});
