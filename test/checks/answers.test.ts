// HTTP, TCP and certificates, looked at on servers of the test's own.
import { createServer as createHttp, type RequestListener } from 'node:http';
import { createServer as createHttps } from 'node:https';
import { createSecureContext, createServer as createTls } from 'node:tls';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type Run, runCheck } from '../../src/checks/run.ts';
import { type Made, make } from '../certificates/make.ts';
import { metric } from './seen.ts';
import { listen, listening } from './servers.ts';

const host = '127.0.0.1';
const inDays = (days: number) => new Date(Date.now() + days * 86_400_000);
let authority: Made;
let stranger: Made;
beforeAll(async () => {
  const time = { from: inDays(-1), to: inDays(900) };
  authority = await make({ name: 'Authority', ca: true, ...time });
  stranger = await make({ name: 'Stranger', ca: true, ...time });
});

function leaf(hosts: readonly string[], days: number, issuer = authority): Promise<Made> {
  return make({ name: hosts[0] ?? '', issuer, hosts, from: inDays(-1), to: inDays(days) });
}

describe('HTTP', () => {
  async function serve(answer: RequestListener, tls?: Made): Promise<number> {
    const server = tls ? createHttps({ cert: tls.pem, key: tls.keyPem }, answer) : createHttp(answer);
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    return listening(server);
  }
  const ask = (port: number, settings: object = {}): Promise<Run> =>
    runCheck('HTTP', { host, port }, { ...settings }, [], 2_000);

  test('an expected status is OK, with times, status and size', async () => {
    const port = await serve((_request, response) => response.end('hello'));
    const seen = await ask(port);
    expect(seen).toMatchObject({ state: 'OK', output: `GET / at ${host}:${port} was answered with 200.` });
    expect(metric(seen, 'status').value).toBe(200);
    expect(metric(seen, 'size')).toMatchObject({ value: 5, unit: 'B' });
    const times = ['connect_time', 'first_byte_time', 'total_time'].map((name) => metric(seen, name).value);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(times[0]).toBeGreaterThan(0);
  });

  test('method, path and host header are those asked for', async () => {
    const asked: unknown[] = [];
    const port = await serve((request, response) => {
      asked.push([request.method, request.url, request.headers.host]);
      response.end();
    });
    await ask(port, { method: 'HEAD', path: '/a?b=1', hostHeader: 'shop.example.org:8443' });
    await ask(port);
    expect(asked).toEqual([
      ['HEAD', '/a?b=1', 'shop.example.org:8443'],
      ['GET', '/', `${host}:${port}`],
    ]);
  });

  test('another status is CRITICAL, and a redirect is an answer that is not followed', async () => {
    const asked: unknown[] = [];
    const port = await serve((request, response) => {
      asked.push(request.url);
      response.writeHead(request.url === '/moved' ? 302 : 500, { location: '/elsewhere' }).end();
    });
    const failing = await ask(port);
    expect([failing.state, failing.output]).toEqual([
      'CRITICAL',
      expect.stringContaining('500. 200 to 399 is expected.'),
    ]);
    expect((await ask(port, { path: '/moved' })).state).toBe('OK');
    const strict = await ask(port, { path: '/moved', expectedStatus: { from: 200, to: 200 } });
    expect(strict.output).toContain('302. 200 is expected.');
    expect(asked).toEqual(['/', '/moved', '/moved']);
  });

  test('a text must be in the first 64 KiB of the body, which is read no further', async () => {
    const port = await serve((request, response) => {
      const late = request.url === '/late';
      response.write(`${'x'.repeat(late ? 65_536 : 65_530)}Grüße`);
      // Never ended: only a look that reads no further comes to an end.
      if (!late) response.write('y'.repeat(100));
    });
    expect(await ask(port, { contains: 'x' })).toMatchObject({ state: 'OK' });
    const late = await ask(port, { path: '/late', contains: 'Grüße' });
    expect([late.state, late.output]).toEqual([
      'CRITICAL',
      expect.stringContaining('The beginning of the body does not contain "Grüße".'),
    ]);
    expect(metric(late, 'size').value).toBe(65_536);
  });

  test('a body that comes to no end is CRITICAL when the time is up', async () => {
    const port = await serve((_request, response) => void response.write('and so'));
    const seen = await runCheck('HTTP', { host, port }, {}, [], 200);
    expect([seen.state, seen.output]).toEqual([
      'CRITICAL',
      `HTTP at ${host}:${port}: no answer within 200 ms.`,
    ]);
  });

  test('with TLS the certificate is verified against the given authority, or not at all', async () => {
    const names: unknown[] = [];
    const port = await serve(
      (request, response) => {
        names.push((request.socket as { servername?: unknown }).servername);
        response.end('secure');
      },
      await leaf(['shop.example.org'], 60),
    );
    const tls = { tls: true, hostHeader: 'shop.example.org' };
    expect(await ask(port, tls)).toMatchObject({ state: 'OK' });
    expect(await ask(port, { ...tls, authorities: authority.pem })).toMatchObject({ state: 'OK' });
    expect(await ask(port, { ...tls, authorities: stranger.pem })).toMatchObject({ state: 'CRITICAL' });
    const other = await ask(port, { ...tls, hostHeader: 'other.example.org', authorities: authority.pem });
    expect([other.state, other.output]).toEqual(['CRITICAL', expect.stringContaining('altnames')]);
    expect(await ask(port, { tls: true })).toMatchObject({ state: 'OK' });
    expect(names).toEqual(['shop.example.org', 'shop.example.org', false]);
    expect((await ask(port)).state).toBe('CRITICAL');
  });
});

describe('TCP', () => {
  async function serve(each: Parameters<typeof listen>[0]) {
    const server = await listen(each);
    onTestFinished(() => server.close());
    return server;
  }
  const ask = (port: number, settings: object = {}) =>
    runCheck('TCP', { host, port }, { ...settings }, [], 1_000);

  test('an accepted connection is enough unless a text is expected', async () => {
    const { port } = await serve(() => {});
    const seen = await ask(port);
    expect(seen).toMatchObject({ state: 'OK', output: `Port ${port} takes connections.` });
    expect(metric(seen, 'connect_time').value).toBeGreaterThan(0);
    expect((await ask(port, { expect: 'hello' })).output).toContain('no answer within');
  });

  test('the expected text is found in pieces, after what was sent', async () => {
    const { port } = await serve((socket) =>
      socket.once('data', (sent) => {
        socket.write(`you said ${sent} and I say wel`);
        setImmediate(() => socket.write('come'));
      }),
    );
    expect(await ask(port, { send: 'EHLO\r\n', expect: 'EHLO\r\n and I say welcome' })).toMatchObject({
      state: 'OK',
    });
  });

  test('another text is CRITICAL, and told', async () => {
    const { port } = await serve((socket) => socket.end('421 too busy\r\n'));
    const seen = await ask(port, { expect: '220 ' });
    expect(seen.state).toBe('CRITICAL');
    expect(seen.output).toBe(`Port ${port} does not answer with "220 " but with "421 too busy\\r\\n".`);
  });
});

describe('certificates', () => {
  /** Shows each name its own certificate, to others the first one. */
  async function serve(
    shown: readonly (readonly [name: string, made: Made, chain?: string])[],
  ): Promise<number> {
    const contexts = new Map(
      shown.map(([name, { pem, keyPem }, chain = '']) => [
        name,
        createSecureContext({ cert: pem + chain, key: keyPem }),
      ]),
    );
    const [first] = shown;
    const server = createTls({
      cert: (first?.[1].pem ?? '') + (first?.[2] ?? ''),
      key: first?.[1].keyPem,
      SNICallback: (name, done) => done(null, contexts.get(name)),
    });
    server.on('secureConnection', (socket) => socket.on('error', () => {}).resume());
    onTestFinished(() => void server.close());
    return listening(server);
  }
  const look = (port: number, settings: object = {}) =>
    runCheck('CERTIFICATE', { host, port }, { ...settings }, [], 2_000);

  test.each([
    [31, 'OK'],
    [29, 'WARNING'],
    [15, 'WARNING'],
    [13, 'CRITICAL'],
    [-0.5, 'CRITICAL'],
  ])('that ends in %d days is %s, and its name is told', async (days, state) => {
    const [long, short] = [await leaf(['a.example.org'], 80), await leaf(['b.example.org'], days + 0.1)];
    const port = await serve([
      ['a.example.org', long],
      ['b.example.org', short],
    ]);
    const seen = await look(port, { serverNames: ['a.example.org', 'b.example.org'] });
    expect(seen.state).toBe(state);
    expect(seen.output).toContain(
      `The certificate of b.example.org ${days > 0 ? `ends in ${days} days` : 'has ended'}`,
    );
    expect(metric(seen, 'days_left').value).toBeCloseTo(days + 0.1, 1);
    expect((await look(port)).state).toBe('OK');
  });

  test('an intermediate that ends earlier counts, its root does not', async () => {
    const root = await make({ name: 'Old root', ca: true, from: inDays(-1), to: inDays(3) });
    const middle = await make({ name: 'Middle', ca: true, issuer: root, from: inDays(-1), to: inDays(20.1) });
    const made = await leaf(['a.example.org'], 80, middle);
    const port = await serve([['a.example.org', made, middle.pem + root.pem]]);
    expect(metric(await look(port), 'days_left').value).toBeCloseTo(20.1, 1);
  });

  test('for another name is CRITICAL, and so is one that the given authority has not signed', async () => {
    const port = await serve([['a.example.org', await leaf(['a.example.org'], 80)]]);
    const other = await look(port, { serverNames: ['a.example.org', 'c.example.org'] });
    expect(other.state).toBe('CRITICAL');
    expect(other.output).toContain('The certificate shown for c.example.org is not for it.');
    const settings = { serverNames: ['a.example.org'], authorities: authority.pem };
    expect(await look(port, settings)).toMatchObject({ state: 'OK' });
    const untrusted = await look(port, { ...settings, authorities: stranger.pem });
    expect([untrusted.state, untrusted.output]).toEqual([
      'CRITICAL',
      expect.stringContaining('a.example.org is not trusted'),
    ]);
  });
});
