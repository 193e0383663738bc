// The agent's door over real TLS: who gets in, and what becomes of those who come too often, are too slow or say nothing.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { expect, test, vi } from 'vitest';
import { startAgent } from '../../../src/agents/monitoring/agent.ts';
import { makeAuthority } from '../../../src/certificates/authority.ts';
import { openLog } from '../../../src/log.ts';
import { openClient, pemOf } from './client.ts';
import { asClient, clientOf, closings, fine, host, keys, newFolder, started } from './world.ts';

test('without a key of the authority nobody is answered: none, another authority’s, a server’s', async () => {
  const agent = await started();
  const other = await makeAuthority(new Date());
  const pems = [undefined, await pemOf(other, 'CLIENT'), keys.serverPem];
  for (const pem of pems) {
    const stranger = openClient({ host, port: agent.port, authority: keys.authority, clientPem: pem });
    closings.push(() => stranger.close());
    await expect(stranger.ask('GET', '/status')).rejects.toThrow(/alert|ECONNRESET|socket hang up/);
  }
  const plain = connect(agent.port, host);
  plain.write('GET /status HTTP/1.0\r\n\r\n');
  const heard: Buffer[] = [];
  for await (const chunk of plain) heard.push(chunk as Buffer);
  expect(Buffer.concat(heard).toString('latin1')).not.toContain('HTTP');
  expect((await clientOf(agent).status()).checks).toBe(0);
});

test('older TLS than 1.3 is not spoken', async () => {
  const { port } = await started();
  const old = connectTls({ host, port, maxVersion: 'TLSv1.2', rejectUnauthorized: false });
  const fault = await new Promise<Error>((resolve) => old.once('error', resolve));
  expect(fault.message).toMatch(/protocol version/);
});

test('an address gets sixteen connections, and those who use them up keep nobody else out', async () => {
  const agent = await started();
  const greedy = Array.from({ length: 60 }, () => connectTls(asClient(agent, '127.0.0.9')));
  closings.push(() => {
    for (const socket of greedy) socket.destroy();
  });
  let [entered, closed] = [0, 0];
  for (const socket of greedy) {
    socket.once('secureConnect', () => entered++);
    socket.on('error', () => {}).once('close', () => closed++);
  }
  await vi.waitFor(() => expect(entered + closed).toBe(60), 10_000);
  expect(entered).toBe(16);
  expect(await clientOf(agent).status()).toMatchObject({ checks: 0 });
});

test('connections that say nothing are closed, after and before the handshake', {
  timeout: 40_000,
}, async () => {
  const agent = await started();
  const silent = [connect(agent.port, host), connectTls(asClient(agent))];
  await Promise.all(silent.map((socket) => once(socket.resume(), 'close')));
});

test('a request that never ends is given up, and others are answered meanwhile', {
  timeout: 40_000,
}, async () => {
  const agent = await started();
  const client = clientOf(agent);
  const slow = connectTls(asClient(agent));
  slow.write('PUT /configuration HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n{');
  let heard = '';
  slow.on('data', (chunk) => {
    heard += chunk;
  });
  const closed = new Promise((resolve) => slow.once('close', resolve));
  expect(await client.configure({ revision: 1, checks: [] })).toMatchObject({ status: 200 });
  await closed;
  expect(heard).toContain('408');
});

test('a port that is taken is a fault at the start', async () => {
  const taken = createServer().listen(0, host);
  closings.push(() => taken.close());
  await once(taken, 'listening');
  const { port } = taken.address() as AddressInfo;
  const given = {
    folder: newFolder(),
    host,
    port,
    serverPem: keys.serverPem,
    authorityPem: keys.authority.certificate,
  };
  await expect(startAgent({ ...given, run: fine, log: openLog() })).rejects.toThrow(/EADDRINUSE/);
});
