// Kinds of traffic through an environment's proxy without an option: TLS by name, HTTP/2, web sockets by both versions,
// events and streams in both directions, kept-alive connections; and the renewal of a certificate under open ones.
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { type ClientHttp2Session, connect as connectHttp2, type IncomingHttpHeaders } from 'node:http2';
import type { Socket } from 'node:net';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import WebSocket, { WebSocketServer } from 'ws';
import { certificateFile, proxyFiles } from '../../src/proxy/configuration.ts';
import { ProxyFault } from '../../src/proxy/runtime-api.ts';
import { ask, inBits, raw } from './asking.ts';
import {
  certificatePem,
  type Job,
  openProxyBench,
  type ProxyBench,
  type RunningProxy,
  rotation,
  site,
  standardLimits,
} from './bench.ts';

let bench: ProxyBench;
let proxy: RunningProxy;
let job: Job;
let pems: Map<string, string>;

beforeAll(async () => {
  bench = await openProxyBench();
  job = await bench.job((request, response) => {
    if (request.url === '/events') {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('data: first\n\n');
      setTimeout(() => response.end('data: last\n\n'), 2500);
    } else if (request.url === '/stream') {
      response.write('first');
      request.once('data', () => response.end('second'));
    } else if (request.url === '/upload') request.resume().on('end', () => response.end('all'));
    else if (request.url === '/think') setTimeout(() => response.end('thought'), 2500);
    else response.end(`${request.headers['x-forwarded-proto']} ${request.headers.host}`);
  });
  const sockets = new WebSocketServer({ server: job.server });
  sockets.on('connection', (socket) => socket.on('message', (data) => socket.send(`heard ${data}`)));
  pems = new Map([
    ['c1', await certificatePem('one.example')],
    ['c2', await certificatePem('.two.example')],
  ]);
  const hasty = { ...standardLimits, sendSeconds: 1, readSeconds: 10 };
  const sites = [
    site('s1', 'one.example', 'app', { certificateId: 'c1', limits: { ...hasty, bodyBytes: 2048 } }),
    site('s2', '.two.example', 'app', { certificateId: 'c2', limits: { ...hasty, readSeconds: 1 } }),
    site('s3', 'plain.example', 'app', { limits: hasty }),
    site('s5', 'patient.example', 'app', { limits: { ...hasty, sendSeconds: 5, readSeconds: 1 } }),
    site('s4', 'quiet.example', 'app', { limits: { ...hasty, readSeconds: 1 } }),
  ];
  const servers = [{ jobId: 'job-1', address: bench.gateway, port: job.port, state: 'READY' as const }];
  const input = bench.input({ sites, certificates: [] }, rotation({ app: servers }), pems);
  proxy = await bench.start(proxyFiles({ ...input, publicSecurePort: 8443 }));
}, 120_000);
afterAll(() => bench?.close());

const fingerprint = (id: string): string => new X509Certificate(pems.get(id) ?? '').fingerprint256;
const overTls = { secure: true } as const;

test('each name is shown its own certificate, and an unknown one none', async () => {
  expect((await ask(proxy.address, 'one.example', overTls)).fingerprint).toBe(fingerprint('c1'));
  const second = await ask(proxy.address, 'a.two.example', overTls);
  expect(second).toMatchObject({ fingerprint: fingerprint('c2'), body: 'https a.two.example' });
  expect((await ask(proxy.address, 'two.example', overTls)).fingerprint).toBe(fingerprint('c2'));
  await expect(ask(proxy.address, 'unknown.example', overTls)).rejects.toThrow(/unrecognized name|alert/i);
  const redirect = await ask(proxy.address, 'one.example', { path: '/a?b' });
  expect(redirect.headers.location).toBe('https://one.example:8443/a?b');
});

test('a host that is not served here is sent to another connection when the name was another one', async () => {
  const misdirected = await ask(proxy.address, 'one.example', {
    secure: true,
    headers: { host: 'other.example' },
  });
  expect(misdirected.status).toBe(421);
  const served = await ask(proxy.address, 'one.example', {
    secure: true,
    headers: { host: 'a.two.example' },
  });
  expect(served.status).toBe(200);
});

async function http2(): Promise<ClientHttp2Session> {
  const session = connectHttp2(`https://${proxy.address}:8443`, {
    servername: 'one.example',
    rejectUnauthorized: false,
  });
  session.on('error', () => {});
  await once(session, 'connect');
  return session;
}

async function exchange(
  session: ClientHttp2Session,
  headers: Record<string, string>,
): Promise<[IncomingHttpHeaders, string]> {
  const stream = session.request({ ':authority': 'one.example', ...headers });
  const [answer] = (await once(stream, 'response')) as [IncomingHttpHeaders];
  let body = '';
  for await (const chunk of stream) body += chunk;
  return [answer, body];
}

test('HTTP/2 carries many requests at once on one connection', async () => {
  const session = await http2();
  for (let round = 0; round < 10; round++) {
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, at) => exchange(session, { ':path': `/${at}` })),
    );
    expect(new Set(answers.map(([headers]) => headers[':status']))).toEqual(new Set([200]));
  }
  session.close();
});

test('a body by HTTP/2 that tells no length is counted, whatever its method', async () => {
  const session = await http2();
  const sends = async (method: string, bytes: number): Promise<unknown> => {
    const stream = session.request(
      { ':authority': 'one.example', ':path': '/upload', ':method': method },
      { endStream: false },
    );
    stream.on('error', () => {});
    const answered = once(stream, 'response') as Promise<[IncomingHttpHeaders]>;
    for (let sent = 0; sent < bytes; sent += 1024) stream.write(Buffer.alloc(1024));
    stream.end();
    return (await answered)[0][':status'];
  };
  for (const method of ['GET', 'HEAD', 'POST']) {
    expect(await sends(method, 20_480)).toBe(413);
    expect(await sends(method, 1024)).toBe(200);
  }
  session.close();
});

test('a web socket opens and lives on past every timeout of its site, by HTTP/1.1 and by HTTP/2', async () => {
  const socket = new WebSocket(`ws://${proxy.address}:8080/`, { headers: { host: 'plain.example' } });
  await once(socket, 'open');
  const session = await http2();
  const [settings] = session.remoteSettings.enableConnectProtocol
    ? [true]
    : await once(session, 'remoteSettings');
  expect(settings).toBeTruthy();
  const stream = session.request({
    ':method': 'CONNECT',
    ':protocol': 'websocket',
    ':path': '/',
    ':authority': 'one.example',
    'sec-websocket-version': '13',
  });
  const [answer] = (await once(stream, 'response')) as [IncomingHttpHeaders];
  expect(answer[':status']).toBe(200);
  const opened = performance.now();
  await vi.waitFor(() => expect(performance.now() - opened).toBeGreaterThan(2500), 5000);
  socket.send('hello');
  expect(String((await once(socket, 'message'))[0])).toBe('heard hello');
  stream.write(Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69]));
  expect(String((await once(stream, 'data'))[0])).toContain('heard hi');
  expect((await proxy.api.sessions()).get('job-1')).toBe(2);
  socket.terminate();
  session.destroy();
  await expect.poll(async () => (await proxy.api.sessions()).get('job-1')).toBe(0);
});

/** When each piece of an answer came, and whether the answer ended well. */
function pieces(host: string, path: string, headers: Record<string, string> = {}, more: string[] = []) {
  return new Promise<{ at: number[]; text: string; whole: boolean }>((resolve, reject) => {
    const at: number[] = [];
    let text = '';
    const asking = request(
      { host: proxy.address, port: 8080, method: 'POST', path, headers: { host, ...headers }, agent: false },
      (response) => {
        const end = (): void => resolve({ at, text, whole: response.complete });
        response.on('data', (chunk) => {
          at.push(performance.now());
          text += chunk;
          const next = more.shift();
          if (next !== undefined) asking.end(next);
        });
        response.on('error', () => {});
        response.on('close', end);
      },
    );
    asking.on('error', reject);
    if (more.length > 0) asking.flushHeaders();
    else asking.end();
  });
}

test.concurrent('events come one by one, and a stream of them may be quiet for longer than other answers', async () => {
  const events = await pieces('quiet.example', '/events', { accept: 'text/event-stream' });
  expect(events).toMatchObject({ text: 'data: first\n\ndata: last\n\n', whole: true });
  expect((events.at.at(-1) ?? 0) - (events.at[0] ?? 0)).toBeGreaterThan(2000);
  expect(await pieces('quiet.example', '/events')).toMatchObject({ text: 'data: first\n\n', whole: false });
});

test.concurrent('an answer begins before the request has ended', async () => {
  const answer = await pieces('plain.example', '/stream', { 'transfer-encoding': 'chunked' }, ['more']);
  expect(answer).toMatchObject({ text: 'firstsecond', whole: true });
});

test.concurrent('a visitor that stops sending is cut off at its site’s longer limit, one that waits for its answer is not', async () => {
  const head = (host: string): string =>
    `POST /upload HTTP/1.1\r\nHost: ${host}\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n`;
  const began = performance.now();
  expect(await raw(proxy.address, 8080, head('quiet.example'), 8000)).toMatch(/^HTTP\/1.1 504 /);
  expect(performance.now() - began).toBeLessThan(3000);
  expect(await inBits(proxy.address, 8080, [head('patient.example'), '', '0\r\n\r\n'], 1300)).toMatch(
    / 200 /,
  );
  const body = { method: 'POST', path: '/think', body: 'all of it' };
  expect((await ask(proxy.address, 'plain.example', body)).body).toBe('thought');
});

test.concurrent('headers that trickle in end after ten seconds', { timeout: 20_000 }, async () => {
  const trickle = await inBits(proxy.address, 8080, [
    'GET / HTTP/1.1\r\nHost: plain.example\r\n',
    ...Array.from({ length: 500 }, (_, at) => `X-${at}: y\r\n`),
  ]);
  expect(trickle).toMatch(/^HTTP\/1.1 408 /);
});

test('a visitor’s connection is kept for its next requests', async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const ports = new Set<number | undefined>();
  agent.on('free', (socket: Socket) => ports.add(socket.localPort));
  for (let at = 0; at < 20; at++) {
    expect((await ask(proxy.address, 'plain.example', { agent })).status).toBe(200);
  }
  expect(ports.size).toBe(1);
  agent.destroy();
});

test('a renewed certificate is shown at once, cuts nothing, and stays after a restart', async () => {
  const session = await http2();
  const renewed = await certificatePem('one.example');
  await proxy.put([certificateFile('c1', renewed)]);
  await proxy.api.setCertificate('c1', renewed);
  pems.set('c1', renewed);
  expect((await ask(proxy.address, 'one.example', overTls)).fingerprint).toBe(fingerprint('c1'));
  expect((await exchange(session, { ':path': '/' }))[0][':status']).toBe(200);
  session.destroy();
  const other = await certificatePem('other.example');
  const keyAt = (pem: string): number => pem.indexOf('-----BEGIN PRIVATE');
  const strange = renewed.slice(0, keyAt(renewed)) + other.slice(keyAt(other));
  await expect(proxy.api.setCertificate('c1', strange)).rejects.toThrow(ProxyFault);
  await expect(proxy.api.setCertificate('c9', renewed)).rejects.toThrow(ProxyFault);
  expect((await ask(proxy.address, 'one.example', overTls)).fingerprint).toBe(fingerprint('c1'));
  await proxy.restart();
  expect((await ask(proxy.address, 'one.example', overTls)).fingerprint).toBe(fingerprint('c1'));
});
