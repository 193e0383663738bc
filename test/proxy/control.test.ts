// Who gets to the control port of a proxy: the control plane with its key, and nobody else, from wherever it comes.
import { connect as connectTls } from 'node:tls';
import Docker from 'dockerode';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeAuthority } from '../../src/certificates/authority.ts';
import { proxyFiles } from '../../src/proxy/configuration.ts';
import { ports } from '../../src/proxy/layout.ts';
import { openRuntimeApi, ProxyFault } from '../../src/proxy/runtime-api.ts';
import { raw } from './asking.ts';
import {
  issued,
  openProxyBench,
  type ProxyBench,
  type RunningProxy,
  rotation,
  serverName,
  site,
} from './bench.ts';

let bench: ProxyBench;
let proxy: RunningProxy;

beforeAll(async () => {
  bench = await openProxyBench();
  const spec = { sites: [site('s1', 'app.example', 'app')], certificates: [] };
  proxy = await bench.start(proxyFiles(bench.input(spec, rotation({}))));
}, 120_000);
afterAll(() => bench?.close());

/** What a TLS client with these keys hears when it asks for the state of the servers. */
function tell(keys: { cert?: string; key?: string }): Promise<string> {
  return new Promise((resolve) => {
    const socket = connectTls({
      host: proxy.address,
      port: ports.control,
      rejectUnauthorized: false,
      ...keys,
    });
    let heard = '';
    socket.on('secureConnect', () => socket.write('show servers state\n'));
    socket.on('data', (chunk) => {
      heard += chunk;
    });
    socket.on('error', (fault) => resolve(`refused: ${fault.message}`));
    socket.on('close', () => resolve(heard));
  });
}

test('the key of the installation’s own authority for clients opens it; none, a foreign one and a proxy’s own don’t', async () => {
  const client = await issued(bench.authority, 'CLIENT');
  expect(await tell({ cert: client.chain, key: client.privateKey })).toContain('# be_id');
  expect(await tell({})).toMatch(/^refused: .*certificate required/);
  const foreign = await issued(await makeAuthority(new Date()), 'CLIENT');
  expect(await tell({ cert: foreign.chain, key: foreign.privateKey })).toMatch(/^refused/);
  const server = await issued(bench.authority, 'SERVER');
  expect(await tell({ cert: server.chain, key: server.privateKey })).toMatch(/^refused/);
  expect(await raw(proxy.address, ports.control, 'show servers state\n')).not.toContain('be_id');
});

test('a container of the same network is turned away before the handshake, and so it is at the edge’s ports', async () => {
  const facts = await proxy.container.inspect();
  const engine = new Docker();
  const probe = async (port: number): Promise<string> => {
    const container = await engine.createContainer({
      Image: facts.Image,
      Labels: facts.Config.Labels,
      Entrypoint: [
        '/bin/sh',
        '-c',
        `printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 3 ${proxy.address} ${port} | head -c 100; echo "end"`,
      ],
      HostConfig: { NetworkMode: bench.network },
    });
    await container.start();
    await container.wait();
    return (await container.logs({ stdout: true, stderr: true })).toString('latin1').replace(/[^ -~]/g, '');
  };
  expect(await probe(ports.plain)).toContain('HTTP/1.1 404');
  for (const port of [ports.control, ports.plainFromEdge, ports.secureFromEdge]) {
    expect(await probe(port)).not.toMatch(/HTTP/);
  }
});

const apiWith = async (change: Partial<Parameters<typeof openRuntimeApi>[0]>, deadlineMs = 2000) => {
  const client = await issued(bench.authority, 'CLIENT');
  return openRuntimeApi(
    {
      address: proxy.address,
      port: ports.control,
      serverName,
      authorityPem: bench.authority.certificate,
      clientCertificatePem: client.chain,
      clientKeyPem: client.privateKey,
      ...change,
    },
    { deadlineMs },
  );
};

test('nothing is said to who isn’t the proxy: another authority, another name', async () => {
  const other = await makeAuthority(new Date());
  await expect((await apiWith({ authorityPem: other.certificate })).sessions()).rejects.toThrow(ProxyFault);
  await expect((await apiWith({ serverName: 'other.test' })).sessions()).rejects.toThrow(
    /altnames|does not match/,
  );
  await expect((await apiWith({})).sessions()).resolves.toBeInstanceOf(Map);
});

test('silence, a closed port and a stranger’s words are faults within the deadline', async () => {
  const silent = await bench.job(() => {});
  const began = performance.now();
  const quiet = await apiWith({ address: bench.gateway, port: silent.port }, 300);
  await expect(quiet.showRotation()).rejects.toThrow(ProxyFault);
  await proxy.container.pause();
  await expect((await apiWith({}, 300)).sessions()).rejects.toThrow(/within 300 ms/);
  await proxy.container.unpause();
  expect(performance.now() - began).toBeLessThan(5000);
  await expect((await apiWith({ port: 1 })).sessions()).rejects.toThrow(ProxyFault);
  await expect(proxy.api.apply([{ kind: 'SET', text: 'nonsense' }])).rejects.toThrow(ProxyFault);
  await expect(proxy.api.apply([{ kind: 'ADD', text: 'add server site-none/x 10.0.0.1:1' }])).rejects.toThrow(
    /No such backend/,
  );
});
