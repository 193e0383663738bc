// What a visitor gets from an environment's proxy, asked of a real HAProxy: the right service for each host, the proxy's own
// pages, forwarded headers, limits and origins.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { proxyFiles } from '../../src/proxy/configuration.ts';
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
let shop: Job;
let blog: Job;

const nothing: readonly never[] = [];

beforeAll(async () => {
  bench = await openProxyBench();
  shop = await bench.job((request, response) => {
    if (request.url === '/slow') return void setTimeout(() => response.end('late'), 3500);
    request.resume();
    request.on('end', () => {
      response.setHeader('access-control-allow-origin', '*');
      response.end(JSON.stringify({ service: 'shop', headers: request.rawHeaders }));
    });
  });
  blog = await bench.job((request, response) => {
    request.resume();
    request.on('end', () => {
      response.setHeader('access-control-allow-origin', '*');
      response.end(JSON.stringify({ service: 'blog', headers: request.rawHeaders }));
    });
  });
  const small = { ...standardLimits, bodyBytes: 2048, readSeconds: 1 };
  const spec = {
    sites: [
      site('s-shop', 'shop.example', 'shop', {
        corsOrigins: ['https://app.example', 'http://localhost:3000'],
      }),
      site('s-small', 'small.example', 'shop', { limits: small }),
      site('s-wide', '.wide.example', 'blog'),
      site('s-zone', '.zone.wide.example', 'shop'),
      site('s-exact', 'exact.wide.example', 'shop'),
      site('s-none', 'none.example', 'none'),
      site('s-rest', 'rest.example', 'rest'),
      site('s-tls', 'tls.example', 'shop', { certificateId: 'c1' }),
    ],
    certificates: [],
  };
  const wanted = rotation(
    {
      shop: [{ jobId: 'shop-1', address: bench.gateway, port: shop.port, state: 'READY' }],
      blog: [{ jobId: 'blog-1', address: bench.gateway, port: blog.port, state: 'READY' }],
      none: nothing,
      rest: [{ jobId: 'rest-1', address: bench.gateway, port: shop.port, state: 'READY' }],
    },
    { maintenance: ['rest'], challenges: { 'token-1': 'token-1.thumb_print' } },
  );
  const pems = new Map([['c1', await certificatePem('tls.example')]]);
  proxy = await bench.start(proxyFiles(bench.input(spec, wanted, pems)));
}, 120_000);
afterAll(() => bench?.close());

const at = (host: string, path = '/', more = {}) => ask(proxy.address, host, { path, ...more });
const serviceAt = async (host: string): Promise<string> => JSON.parse((await at(host)).body).service;

test('each host leads to its service: exact before wildcard, the longest wildcard first, the domain itself too', async () => {
  expect(await serviceAt('shop.example')).toBe('shop');
  expect(await serviceAt('SHOP.Example:8080')).toBe('shop');
  expect(await serviceAt('shop.example.')).toBe('shop');
  expect(await serviceAt('wide.example')).toBe('blog');
  expect(await serviceAt('a.b.wide.example')).toBe('blog');
  expect(await serviceAt('exact.wide.example')).toBe('shop');
  expect(await serviceAt('x.zone.wide.example')).toBe('shop');
  expect(await serviceAt('zone.wide.example')).toBe('shop');
  expect(await serviceAt('ozone.wide.example')).toBe('blog');
});

test.each([
  'nobody.example',
  'notwide.example',
  'wide.example.evil.org',
  'sub.shop.example',
  '',
  '127.0.0.1',
  '[::1]:80',
  '.wide.example',
  'x"y.wide.example',
])('the unknown host "%s" gets the page of 404', async (host) => {
  const answer = await at(host);
  expect(answer.status).toBe(404);
  expect(answer.body).toContain('There is no site here');
});

test('a service without a job in rotation answers 503 with a page and a time to come back', async () => {
  const answer = await at('none.example');
  expect(answer).toMatchObject({ status: 503, headers: { 'retry-after': '5' } });
  expect(answer.body).toContain('not available right now');
});

test('in maintenance the page comes although the job runs', async () => {
  const answer = await at('rest.example');
  expect(answer).toMatchObject({
    status: 503,
    headers: { 'retry-after': '120', 'cache-control': 'no-store' },
  });
  expect(answer.body).toContain('being maintained');
});

test('what a visitor says of its way is not believed, in whatever form it is written', async () => {
  const lies = {
    'x-forwarded-for': '6.6.6.6',
    'X-Forwarded-Host': 'evil.example',
    'x-forwarded-proto': 'https',
    'x-forwarded-port': '1',
    'x-forwarded-prefix': '/evil',
    x_forwarded_for: '6.6.6.6',
    'x_forwarded-for': '6.6.6.6',
    'x-real-ip': '6.6.6.6',
    'true-client-ip': '6.6.6.6',
    forwarded: 'for=6.6.6.6',
    proxy: 'http://evil.example',
    connection: 'close, x-forwarded-for',
  };
  const { headers } = JSON.parse((await at('shop.example', '/', { headers: lies })).body);
  const pairs = new Map<string, string>();
  for (let i = 0; i < headers.length; i += 2) pairs.set(headers[i].toLowerCase(), headers[i + 1]);
  expect(JSON.stringify(headers)).not.toMatch(/6\.6\.6\.6|evil/);
  expect(pairs.get('x-forwarded-for')).toBe(bench.gateway);
  expect(pairs.get('x-forwarded-host')).toBe('shop.example');
  expect(pairs.get('x-forwarded-proto')).toBe('http');
  expect(pairs.get('x-forwarded-port')).toBe('8080');
  expect(pairs.get('connection')).toBe('close');
});

test('a body beyond the limit of its site gets 413, told or counted; other sites take it', async () => {
  const body = Buffer.alloc(4096, 'x');
  const before = shop.seen.length;
  expect((await at('small.example', '/', { method: 'POST', body })).status).toBe(413);
  expect(shop.seen.length).toBe(before);
  const counted = { method: 'POST', body, headers: { 'transfer-encoding': 'chunked' } };
  expect((await at('small.example', '/', counted)).status).toBe(413);
  expect((await at('shop.example', '/', counted)).status).toBe(200);
  expect((await at('small.example', '/', { method: 'POST', body: body.subarray(0, 2048) })).status).toBe(200);
  const fits = { ...counted, body: body.subarray(0, 2048) };
  expect((await at('small.example', '/', fits)).status).toBe(200);
});

test('a body that is sent bit by bit is cut off when it passes the limit', async () => {
  const bits = (count: number): Promise<string> => {
    const chunk = `400\r\n${'x'.repeat(1024)}\r\n`;
    const head = 'POST /bits HTTP/1.1\r\nHost: small.example\r\nTransfer-Encoding: chunked\r\n\r\n';
    return inBits(proxy.address, 8080, [head, ...Array<string>(count).fill(chunk), '0\r\n\r\n']);
  };
  expect(await bits(2)).toMatch(/^HTTP\/1.1 200 /);
  expect(await bits(20)).toMatch(/^HTTP\/1.1 413 /);
});

test('a body that calls itself an upgrade is counted as well', async () => {
  const head =
    'POST / HTTP/1.1\r\nHost: small.example\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked\r\n\r\n';
  const chunk = `400\r\n${'x'.repeat(1024)}\r\n`;
  const answer = await inBits(proxy.address, 8080, [head, ...Array<string>(20).fill(chunk), '0\r\n\r\n']);
  expect(answer).toMatch(/^HTTP\/1.1 413 /);
});

test('a job that is silent for too long gets 504 at the site that says so, and time at the others', async () => {
  expect((await at('small.example', '/slow')).status).toBe(504);
  expect((await at('shop.example', '/slow')).body).toBe('late');
});

test('named origins may read, others not, and a preflight never reaches the job', async () => {
  const origin = 'https://app.example';
  const read = await at('shop.example', '/', { headers: { origin } });
  expect(read.headers).toMatchObject({
    'access-control-allow-origin': origin,
    'access-control-allow-credentials': 'true',
    vary: 'Origin',
  });
  for (const other of [
    'https://evil.example',
    'null',
    'https://app.example.evil.org',
    'http://app.example',
  ]) {
    const refused = await at('shop.example', '/', { headers: { origin: other } });
    expect(refused.status).toBe(200);
    expect(refused.headers['access-control-allow-origin']).toBeUndefined();
  }
  const seen = shop.seen.length;
  const preflight = await at('shop.example', '/', {
    method: 'OPTIONS',
    headers: {
      origin,
      'access-control-request-method': 'PUT',
      'access-control-request-headers': 'x-a, content-type',
    },
  });
  expect(preflight.status).toBe(204);
  expect(preflight.headers).toMatchObject({
    'access-control-allow-origin': origin,
    'access-control-allow-methods': expect.stringContaining('PUT'),
    'access-control-allow-headers': 'x-a, content-type',
    'access-control-max-age': '600',
  });
  expect(shop.seen.length).toBe(seen);
  expect((await at('wide.example')).headers['access-control-allow-origin']).toBe('*');
});

test('a site with a certificate is led to HTTPS with its path and query, but for a challenge of ACME', async () => {
  const answer = await at('tls.example', '/a/b?c=d&e', { method: 'POST' });
  expect(answer).toMatchObject({ status: 308, headers: { location: 'https://tls.example/a/b?c=d&e' } });
  const challenge = await at('tls.example', '/.well-known/acme-challenge/token-1');
  expect(challenge).toMatchObject({ status: 200, body: 'token-1.thumb_print' });
  expect((await at('nobody.example', '/.well-known/acme-challenge/token-1')).status).toBe(200);
  expect((await at('tls.example', '/.well-known/acme-challenge/other')).status).toBe(308);
});

test.each(['CONNECT', 'TRACE'])('%s is refused', async (method) => {
  const target = method === 'CONNECT' ? 'shop.example:80' : '/';
  const heard = await raw(
    proxy.address,
    8080,
    `${method} ${target} HTTP/1.1\r\nHost: shop.example:80\r\n\r\n`,
  );
  expect(heard).toMatch(/^HTTP\/1.1 405 /);
});

test.each([
  [
    'both lengths',
    'POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcd',
  ],
  ['a length that is no number', 'POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: +4\r\n\r\nabcd'],
  [
    'a coding before chunked is unknown',
    'POST / HTTP/1.1\r\nHost: shop.example\r\nTransfer-Encoding: chunked, x\r\n\r\n0\r\n\r\n',
  ],
  ['a blank before the colon', 'GET / HTTP/1.1\r\nHost : shop.example\r\n\r\n'],
  ['two hosts', 'GET / HTTP/1.1\r\nHost: shop.example\r\nHost: wide.example\r\n\r\n'],
  ['a target of another host', 'GET http://wide.example/ HTTP/1.1\r\nHost: shop.example\r\n\r\n'],
  [
    'headers without end',
    `GET / HTTP/1.1\r\nHost: shop.example\r\n${'X-Filler: 0123456789012345678901234567890123456789\r\n'.repeat(400)}\r\n`,
  ],
])('a request with %s is refused and reaches no job', async (_what, bytes) => {
  const before = shop.seen.length + blog.seen.length;
  const heard = await raw(proxy.address, 8080, bytes);
  expect(heard).toMatch(/^HTTP\/1.1 4\d\d /);
  expect(shop.seen.length + blog.seen.length).toBe(before);
});

test('a length beside chunked never lets a second request through', async () => {
  const before = shop.seen.length;
  const bytes =
    'POST /one HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 60\r\nTransfer-Encoding: chunked\r\n\r\n' +
    '0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: shop.example\r\n\r\n';
  await raw(proxy.address, 8080, bytes);
  expect(shop.seen.slice(before)).not.toContain('GET /smuggled');
});
