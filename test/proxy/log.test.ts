// The access log of an environment's proxy: one line of valid JSON for each request, whatever the request is made of.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { proxyFiles } from '../../src/proxy/configuration.ts';
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
let proxy: RunningProxy;

beforeAll(async () => {
  bench = await openProxyBench();
  const job = await bench.job((_request, response) => response.end('hello'));
  const servers = [{ jobId: 'job-1', address: bench.gateway, port: job.port, state: 'READY' as const }];
  const sites = [
    site('s1', 'app.example', 'app'),
    site('s2', 'none.example', 'none'),
    site('s3', 'tls.example', 'app', { certificateId: 'c1' }),
  ];
  const pems = new Map([['c1', await certificatePem('tls.example')]]);
  proxy = await bench.start(
    proxyFiles(bench.input({ sites, certificates: [] }, rotation({ app: servers }), pems)),
  );
}, 120_000);
afterAll(() => bench?.close());

const line = z.object({
  at: z.int(),
  client: z.string(),
  scheme: z.string(),
  version: z.string(),
  method: z.string(),
  host: z.string(),
  path: z.string(),
  agent: z.string(),
  site: z.string(),
  job: z.string(),
  status: z.int(),
  bytesIn: z.int(),
  bytesOut: z.int(),
  waitMs: z.int(),
  connectMs: z.int(),
  answerMs: z.int(),
  totalMs: z.int(),
  retries: z.string(),
  end: z.string(),
  cause: z.string(),
});

const written = async (): Promise<z.infer<typeof line>[]> =>
  (await proxy.log()).map((text) => line.parse(JSON.parse(text)));

test('a request is written with its site, job, status and times, and without its query', async () => {
  await ask(proxy.address, 'app.example', { path: '/a/b?token=secret', headers: { 'user-agent': 'tester' } });
  await expect.poll(async () => (await written()).length).toBe(1);
  const last = (await written()).at(-1);
  expect(last).toMatchObject({
    method: 'GET',
    host: 'app.example',
    path: '/a/b',
    agent: 'tester',
    site: 's1',
    job: 'job-1',
    status: 200,
    scheme: 'http',
    client: bench.gateway,
  });
  expect(JSON.stringify(last)).not.toContain('secret');
});

const hostile = [
  'GET /"\\\'{}[]%0a%22 HTTP/1.1\r\nHost: app.example\r\nUser-Agent: "},{"a":"\\\r\n\r\n',
  'GET /\xff\xfe\x80 HTTP/1.1\r\nHost: app.example\r\n\r\n',
  'GET / HTTP/1.1\r\nHost: app.example\r\nUser-Agent: \xff\xc3\x28\xe2\x82 \t tab\r\n\r\n',
  'GET / HTTP/1.1\r\nHost: app.example\r\nUser-Agent: \x01\x02\x1b[31m\r\n\r\n',
  'GET / HTTP/1.1\r\nHost: "\\\r\n\r\n',
  `GET /${'%22"'.repeat(900)} HTTP/1.1\r\nHost: app.example\r\nUser-Agent: ${'"\\'.repeat(900)}\r\n\r\n`,
  `GET /${'é€😀'.repeat(300)} HTTP/1.1\r\nHost: app.example\r\nUser-Agent: ${'é€😀'.repeat(300)}\r\n\r\n`,
  '"}{ nonsense\r\n\r\n',
  '{"\\!#$ / HTTP/1.1\r\nHost: app.example\r\n\r\n',
  '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n',
  'GET / HTTP/1.1\r\nHost: none.example\r\n\r\n',
  'OPTIONS * HTTP/1.1\r\nHost: app.example\r\n\r\n',
];

test.each(hostile.map((bytes) => [JSON.stringify(bytes).slice(0, 60), bytes]))(
  'hostile bytes are one line of JSON: %s',
  async (_name, bytes) => {
    const before = (await proxy.log()).length;
    await raw(proxy.address, 8080, Buffer.from(bytes, 'latin1'), 300);
    await expect.poll(async () => (await proxy.log()).length).toBe(before + 1);
    const [last] = (await written()).slice(-1);
    expect(last).toBeDefined();
  },
);

test('a failed handshake of TLS is a line of JSON too', async () => {
  const before = (await proxy.log()).length;
  await ask(proxy.address, 'app.example', { secure: true }).catch(() => {});
  await expect.poll(async () => (await proxy.log()).length).toBe(before + 1);
  expect((await written()).at(-1)).toMatchObject({
    site: '-',
    cause: expect.stringContaining('handshake'),
    client: bench.gateway,
  });
});
