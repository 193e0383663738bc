// Who gets to the control port of a proxy: the control plane with its key, and nobody else, from wherever it comes.
import { type AddressInfo, createServer } from 'node:net';
import { connect as connectTls } from 'node:tls';
import Docker from 'dockerode';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeAuthority } from '../../src/certificates/authority.ts';
import { proxyFiles } from '../../src/proxy/configuration.ts';
import { ports } from '../../src/proxy/layout.ts';
import { openRuntimeApi, ProxyFault } from '../../src/proxy/runtime-api.ts';
import { raw } from './asking.ts';
import {
  certificatePem,
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
  const spec = { sites: [site('s1', 'app.example', 'app', { certificateId: 'c1' })], certificates: [] };
  const pems = new Map([['c1', await certificatePem('app.example')]]);
  proxy = await bench.start(proxyFiles(bench.input(spec, rotation({}), pems)));
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

/** The first bytes that a TLS client sends. */
function greeting(): Promise<Buffer> {
  return new Promise((resolve) => {
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', (bytes) => {
        resolve(bytes);
        socket.destroy();
        server.close();
      });
    }).listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      connectTls({ host: '127.0.0.1', port, servername: 'app.example' }).on('error', () => {});
    });
  });
}

test('a container of the same network is turned away before the handshake, and so it is at the edge’s ports', async () => {
  const facts = await proxy.container.inspect();
  const engine = new Docker();
  const answered = async (port: number, bytes: Buffer): Promise<number> => {
    const words = `echo ${bytes.toString('base64')} | base64 -d | nc -w 3 ${proxy.address} ${port} | wc -c`;
    const container = await engine.createContainer({
      Image: facts.Image,
      Labels: facts.Config.Labels,
      Entrypoint: ['/bin/sh', '-c', words],
      HostConfig: { NetworkMode: bench.network },
    });
    await container.start();
    await container.wait();
    return Number((await container.logs({ stdout: true })).toString('latin1').replace(/\D/g, ''));
  };
  const hello = await greeting();
  const way = Buffer.from('PROXY TCP4 192.0.2.1 192.0.2.2 1000 80\r\n');
  const get = Buffer.from('GET / HTTP/1.0\r\n\r\n');
  expect(await answered(ports.plain, get)).toBeGreaterThan(0);
  expect(await answered(ports.secure, hello)).toBeGreaterThan(0);
  expect(await answered(ports.control, hello)).toBe(0);
  expect(await answered(ports.plainFromEdge, Buffer.concat([way, get]))).toBe(0);
  expect(await answered(ports.secureFromEdge, Buffer.concat([way, hello]))).toBe(0);
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
