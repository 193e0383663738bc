// One attempt against a real receiver: signed so that the specification's own library takes it, its answer told as it was, and
// no way to an address that may not be reached.
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Webhook } from 'standardwebhooks';
import { afterEach, expect, test } from 'vitest';
import { isPublic, networks } from '../../src/webhooks/addresses.ts';
import { send } from '../../src/webhooks/send.ts';

const secret = `whsec_${Buffer.from('a secret of thirty-two bytes, ok').toString('base64')}`;
const former = `whsec_${Buffer.from('another one of thirty-two bytes.').toString('base64')}`;
const here = { allowed: networks(['127.0.0.0/8']), timeoutMs: 2_000 };
const servers: Server[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) server.close().closeAllConnections();
});

async function receiver(answer: RequestListener): Promise<string> {
  const server = createServer(answer);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook?a=b`;
}

const attemptAt = (url: string, secrets = [secret], options = here, signal = new AbortController().signal) =>
  send({ url, secrets }, { id: 'msg_1', at: new Date(), body: '{"type":"ä"}' }, options, signal);

async function textOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts).toString();
}

test('each valid secret verifies it, another one does not', async () => {
  const got = Promise.withResolvers<{ headers: Record<string, string>; body: string; url: string }>();
  const url = await receiver(async (request, response) => {
    const headers = request.headers as Record<string, string>;
    got.resolve({ headers, body: await textOf(request), url: request.url ?? '' });
    response.end('thanks');
  });
  const made = await attemptAt(url, [secret, former]);
  expect(made).toEqual({ status: 200, answer: 'thanks', error: null, retryAfterSeconds: null });
  const { headers, body, url: path } = await got.promise;
  expect(path).toBe('/hook?a=b');
  for (const each of [secret, former]) expect(new Webhook(each).verify(body, headers)).toEqual({ type: 'ä' });
  const other = new Webhook(Buffer.from('nobody has this one').toString('base64'));
  expect(() => other.verify(body, headers)).toThrow();
});

test('a redirect is an answer and is not followed', async () => {
  let asked = 0;
  const target = await receiver((_request, response) => {
    asked++;
    response.end();
  });
  const url = await receiver((_request, response) => response.writeHead(307, { location: target }).end());
  expect(await attemptAt(url)).toMatchObject({ status: 307, error: 'redirects are not followed' });
  expect(asked).toBe(0);
});

test('the text of an answer is not waited for until the deadline', async () => {
  const dribbling = await receiver((_request, response) => {
    response.writeHead(200).write('begun');
    const more = setInterval(() => response.write('.'), 100);
    response.on('close', () => clearInterval(more));
  });
  const began = performance.now();
  expect(await attemptAt(dribbling, [secret], { ...here, timeoutMs: 20_000 })).toMatchObject({
    status: 200,
    error: null,
    answer: expect.stringMatching(/^begun\./),
  });
  expect(performance.now() - began).toBeLessThan(10_000);
});

test('an answer that never ends, is cut or is huge tells its status and its beginning', async () => {
  const slow = await receiver((_request, response) => void response.writeHead(200).write('begun'));
  const quick = { ...here, timeoutMs: 300 };
  expect(await attemptAt(slow, [secret], quick)).toMatchObject({ status: 200, answer: 'begun' });
  const cut = await receiver((request, response) => {
    response.writeHead(500, { 'retry-after': '7' }).write('half', () => request.socket.destroy());
  });
  expect(await attemptAt(cut)).toMatchObject({
    status: 500,
    retryAfterSeconds: 7,
    error: 'the answer was 500',
  });
  const huge = await receiver((_request, response) => response.end('x'.repeat(1_000_000)));
  expect((await attemptAt(huge)).answer).toBe('x'.repeat(2_048));
});

test('no answer is told with its reason', async () => {
  const silent = await receiver(() => {});
  const quick = { ...here, timeoutMs: 200 };
  expect((await attemptAt(silent, [secret], quick)).error).toBe('there was no answer within 0.2 s');
  const cut = await receiver((request) => request.socket.destroy());
  expect((await attemptAt(cut)).error).toContain('ECONNRESET');
  const gone = await receiver(() => {});
  servers.splice(0).forEach((server) => void server.close().closeAllConnections());
  expect((await attemptAt(gone)).error).toContain('ECONNREFUSED');
});

test('an attempt that is called off rejects', async () => {
  const stop = new AbortController();
  const url = await receiver(() => stop.abort());
  await expect(attemptAt(url, [secret], here, stop.signal)).rejects.toThrow();
});

test('an address that nobody has named is not asked', async () => {
  let asked = 0;
  const url = await receiver((_request, response) => {
    asked++;
    response.end();
  });
  const nowhere = { ...here, allowed: networks([]) };
  expect((await attemptAt(url, [secret], nowhere)).error).toContain('Plain HTTP');
  const safe = url.replace('http:', 'https:');
  for (const each of [
    safe,
    safe.replace('127.0.0.1', '[::ffff:127.0.0.1]'),
    safe.replace('127.0.0.1', '2130706433'),
  ])
    expect((await attemptAt(each, [secret], nowhere)).error).toContain('not public');
  expect(asked).toBe(0);
});

test.each([
  ...['127.0.0.1', '10.1.2.3', '172.31.0.1', '192.168.1.1', '169.254.169.254', '100.64.0.1', '0.0.0.0'],
  ...['224.0.0.1', '255.255.255.255', '::1', '::', 'fe80::1', 'fd00:ec2::254', 'ff02::1', '::ffff:10.0.0.1'],
  ...['64:ff9b::a00:1', '2002:a00:1::', '2001:db8::1', 'example.org'],
])('%s is not public', (address) => expect(isPublic(address)).toBe(false));

test.each(['1.1.1.1', '93.184.216.34', '2606:4700::1111'])('%s is public', (address) =>
  expect(isPublic(address)).toBe(true),
);
