// The images that pages and programs are built on: each serves an answer over HTTP hardened, and serves as a base of builds.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Bench, eventually, openBench } from './hardened.ts';

let bench: Bench;
beforeAll(async () => {
  bench = await openBench();
});
afterAll(() => bench.close());

const timeout = 120_000;
const page = (url: string): Promise<string> =>
  eventually(async () => (await fetch(url, { signal: AbortSignal.timeout(2000) })).text());

test('node runs a server, as root without rights and as its own user', { timeout }, async () => {
  const imageId = await bench.image('docker.io/library/node:24-slim');
  const program = `require('http').createServer((q, a) => a.end('node ' + process.version)).listen(8080)`;
  const { name, address } = await bench.start({ imageId, command: ['-e', program] });
  expect(await page(`http://${address}:8080/`)).toBe(`node ${process.version}`);
  await bench.stop(name);
});

/** What a build does, with the limits of a job but a writable root; answers with its output. */
async function output(imageId: string, script: string): Promise<string> {
  const environment = { HOME: '/tmp' };
  const { name } = await bench.start({
    imageId,
    environment,
    readOnlyRoot: false,
    command: ['sh', '-euc', script],
  });
  await bench.runtime.waitContainer(name, AbortSignal.timeout(60_000));
  const lines: string[] = [];
  const options = { follow: false, signal: AbortSignal.timeout(10_000) };
  for await (const line of bench.runtime.readLogs(name, options)) lines.push(line.text);
  expect(await bench.stop(name), lines.join('\n')).toBe(0);
  return lines.join('\n');
}

test('npm ci and npm start work in the node image', { timeout }, async () => {
  const script = `
    mkdir -p /app/dep && cd /app
    echo '{"name":"dep","version":"1.0.0","main":"i.js","bin":"b.js"}' >dep/package.json
    echo 'module.exports = "from the dependency"' >dep/i.js
    printf '#!/usr/bin/env node\\nconsole.log(require("dep"))\\n' >dep/b.js
    chmod +x dep/b.js
    echo '{"name":"app","version":"1.0.0","scripts":{"start":"dep"},"dependencies":{"dep":"file:dep"}}' >package.json
    npm install --offline --package-lock-only --no-audit --no-fund
    npm ci --offline --no-audit --no-fund
    npm start`;
  expect(await output(await bench.image('node:24'), script)).toContain('from the dependency');
});

test('python runs a server and has pip and certificates', { timeout }, async () => {
  const imageId = await bench.image('docker.io/library/python:3.11');
  const script = 'mkdir /tmp/www; echo hello >/tmp/www/a; exec python3 -m http.server -d /tmp/www 8080';
  const { name, address } = await bench.start({ imageId, command: ['sh', '-c', script] });
  expect(await page(`http://${address}:8080/a`)).toBe('hello\n');
  await bench.stop(name);
  const facts = await output(
    imageId,
    `cd /tmp; python -c 'import ssl, sqlite3, ctypes, zoneinfo, lzma, hashlib, json
print(len(ssl.create_default_context().get_ca_certs()) > 50, zoneinfo.ZoneInfo("Europe/Berlin"))'
    mkdir pkg; echo 'from setuptools import setup; setup(name="pkg", version="1", py_modules=["pkg"])' >pkg/setup.py
    echo 'print("installed")' >pkg/pkg.py
    pip install --no-index --no-build-isolation --no-cache-dir --target /tmp/lib ./pkg
    PYTHONPATH=/tmp/lib python3 -m pkg`,
  );
  expect(facts).toContain('True Europe/Berlin');
  expect(facts).toMatch(/installed$/);
});

test('nginx serves its page and a configuration of the caller with a read-only root', {
  timeout,
}, async () => {
  const imageId = await bench.image('nginx:1.22');
  const plain = await bench.start({ imageId });
  expect(await page(`http://${plain.address}/`)).toContain('Welcome to nginx');
  expect(await bench.stop(plain.name)).toBe(0);
  const configuration =
    'events {} http { include /etc/nginx/mime.types; server { listen 8080; location / { return 200 own; } } }';
  const own = await bench.start({
    imageId,
    tmpfs: { '/tmp': 16_777_216 },
    environment: { CONFIGURATION: configuration },
    command: [
      'sh',
      '-c',
      `printf %s "$CONFIGURATION" >/tmp/own.conf; exec nginx -c /tmp/own.conf -g 'daemon off;'`,
    ],
  });
  expect(await page(`http://${own.address}:8080/`)).toBe('own');
  await bench.stop(own.name);
});

test('haproxy answers with a configuration of the caller', { timeout }, async () => {
  const configuration =
    'defaults\n mode http\n timeout client 5s\n timeout connect 5s\n timeout server 5s\n' +
    'frontend f\n bind :8080\n http-request return status 200 content-type text/plain string own\n';
  const { name, address } = await bench.start({
    imageId: await bench.image('haproxy:2.6'),
    environment: { CONFIGURATION: configuration },
    command: ['sh', '-c', 'printf %s "$CONFIGURATION" >/tmp/own.cfg; exec haproxy -W -db -f /tmp/own.cfg'],
  });
  expect(await page(`http://${address}:8080/`)).toBe('own');
  await bench.stop(name);
});
