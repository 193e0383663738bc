// The edge on the machine's own network: one pair of ports for several environments, each connection led by name to the
// environment's own proxy, visitors' addresses kept, proxies replaced under traffic, environments coming and going.
import { X509Certificate } from 'node:crypto';
import { Agent } from 'node:http';
import { createServer } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { proxyFiles } from '../../src/proxy/configuration.ts';
import {
  type EdgeEnvironment,
  edgeCommands,
  edgeFiles,
  edgeMaps,
  edgePrefix,
  edgeRotationFiles,
} from '../../src/proxy/edge.ts';
import { ask, raw } from './asking.ts';
import {
  certificatePem,
  openProxyBench,
  type ProxyBench,
  type RunningProxy,
  rotation,
  site,
} from './bench.ts';

let bench: ProxyBench;
let edge: RunningProxy;
let one: RunningProxy;
let two: RunningProxy;
let plainPort: number;
let securePort: number;
const pem: Record<string, string> = {};
let environments: EdgeEnvironment[];

beforeAll(async () => {
  bench = await openProxyBench();
  const job = await bench.job((request, response) => response.end(JSON.stringify(request.headers)));
  const servers = [{ jobId: 'job-1', address: bench.gateway, port: job.port, state: 'READY' as const }];
  const environment = async (name: string, host: string): Promise<RunningProxy> => {
    pem[name] = await certificatePem(host, `.${host}`);
    const sites = [
      site(`${name}-1`, host, 'app', { certificateId: name }),
      site(`${name}-2`, `plain.${host}`, 'app'),
    ];
    const input = bench.input(
      { sites, certificates: [] },
      rotation({ app: servers }),
      new Map([[name, pem[name]]]),
    );
    return bench.start(proxyFiles(input));
  };
  one = await environment('one', 'one.example');
  two = await environment('two', 'two.one.example');
  [plainPort, securePort] = [await freePort(), await freePort()];
  const controlPort = await freePort();
  environments = [
    { slot: 0, hosts: ['.one.example'], proxies: [{ jobId: 'p1', address: one.address, state: 'READY' }] },
  ];
  const control = bench.input({ sites: [], certificates: [] }, rotation({})).control;
  const files = edgeFiles({
    ...{ address: '127.0.0.1', plainPort, securePort, controlPort, control },
    ...{ slots: 8, environments, threads: 2, connections: 1000 },
  });
  edge = await bench.start(files, { hostNetwork: { address: '127.0.0.1', controlPort } });
}, 120_000);
afterAll(() => bench?.close());

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

const fingerprint = (name: string): string => new X509Certificate(pem[name] ?? '').fingerprint256;
const plain = (host: string, more = {}) => ask('127.0.0.1', host, { port: plainPort, ...more });
const secure = (host: string, more = {}) =>
  ask('127.0.0.1', host, { port: securePort, secure: true, ...more });

async function apply(wanted: readonly EdgeEnvironment[]): Promise<void> {
  await edge.put(edgeRotationFiles({ slots: 8, environments: wanted }));
  const commands = edgeCommands(await edge.api.show(edgePrefix, edgeMaps), wanted);
  await edge.api.apply(commands);
  environments = [...wanted];
}

test('a visitor reaches its environment by TLS’s name and by Host, and is known there by its own address', async () => {
  const answer = await secure('one.example');
  expect(answer.fingerprint).toBe(fingerprint('one'));
  const headers = JSON.parse(answer.body);
  expect(headers['x-forwarded-for']).toBe('127.0.0.1');
  expect(headers['x-forwarded-port']).toBe(String(securePort));
  expect(JSON.parse((await plain('plain.one.example')).body)['x-forwarded-proto']).toBe('http');
  expect((await plain('one.example')).status).toBe(308);
});

test('a host of nobody gets the page of 404, no handshake, and what isn’t HTTP nothing', async () => {
  expect((await plain('nobody.example')).status).toBe(404);
  await expect(secure('nobody.example')).rejects.toThrow();
  expect(await raw('127.0.0.1', plainPort, '\x00\x01nonsense\r\n\r\n')).not.toContain('200');
});

test('an environment comes, its longer domain goes before the shorter one, and leaves again; twice changes nothing', async () => {
  const second: EdgeEnvironment = {
    slot: 1,
    hosts: ['.two.one.example', 'exact.example'],
    proxies: [{ jobId: 'p2', address: two.address, state: 'READY' }],
  };
  await apply([...environments, second]);
  expect((await secure('two.one.example')).fingerprint).toBe(fingerprint('two'));
  expect((await secure('one.example')).fingerprint).toBe(fingerprint('one'));
  expect(edgeCommands(await edge.api.show(edgePrefix, edgeMaps), environments)).toEqual([]);
  await edge.restart();
  expect((await secure('two.one.example')).fingerprint).toBe(fingerprint('two'));
  expect(edgeCommands(await edge.api.show(edgePrefix, edgeMaps), environments)).toEqual([]);
  await apply(environments.slice(0, 1));
  expect((await secure('one.example')).fingerprint).toBe(fingerprint('one'));
  await expect(secure('two.one.example')).rejects.toThrow(/unrecognized name|alert/i);
  expect([...(await edge.api.show(edgePrefix, edgeMaps)).servers.keys()]).toEqual([
    'slot-0-plain',
    'slot-0-secure',
  ]);
});

test('a proxy is replaced under traffic: no request fails, and the old one is empty when visitors have gone', async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  let stop = false;
  const statuses: number[] = [];
  const asking = Array.from({ length: 8 }, async () => {
    while (!stop) statuses.push((await plain('plain.one.example', { agent })).status);
  });
  const replaced = (first: 'READY' | 'DRAIN', second: 'READY' | 'DRAIN'): EdgeEnvironment[] => [
    {
      slot: 0,
      hosts: ['.one.example'],
      proxies: [
        { jobId: 'p1', address: one.address, state: first },
        { jobId: 'p3', address: one.address, state: second },
      ],
    },
  ];
  for (let at = 0; at < 10; at++)
    await apply(at % 2 === 0 ? replaced('DRAIN', 'READY') : replaced('READY', 'DRAIN'));
  await apply(replaced('DRAIN', 'READY'));
  await expect.poll(() => statuses.length, { timeout: 10_000 }).toBeGreaterThan(500);
  stop = true;
  await Promise.all(asking);
  expect(new Set(statuses)).toEqual(new Set([200]));
  agent.destroy();
  await expect.poll(async () => (await edge.api.sessions(edgePrefix)).get('p1')).toBe(0);
});

test('each connection is written as one line of JSON', async () => {
  for (const line of await edge.log()) if (!line.startsWith('Proxy ')) JSON.parse(line);
});
