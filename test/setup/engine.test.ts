// What start does about the Docker Engine where one answers or the given one doesn't. Installing and starting one changes
// the whole machine, so no test does it here.
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { Unavailable } from '../../src/errors.ts';
import { ensureEngine } from '../../src/setup/engine.ts';

const cleanups: (() => unknown)[] = [];

afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup();
});

async function engineAt(listener: RequestListener): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'berth-engine-'));
  cleanups.push(() => rmSync(folder, { recursive: true }));
  const server: Server = createServer(listener);
  cleanups.push(() => server.close());
  const path = join(folder, 'engine.sock');
  await new Promise<void>((listening) => server.listen(path, listening));
  return `unix://${path}`;
}

async function ensure(host: string): Promise<{ said: string[]; outcome: unknown }> {
  const said: string[] = [];
  const outcome = await ensureEngine({ host, say: (line) => said.push(line) }).catch(
    (fault: unknown) => fault,
  );
  return { said, outcome };
}

test('an engine that answers is used without a word', async () => {
  const asked: (string | undefined)[] = [];
  const host = await engineAt((request, response) => {
    asked.push(request.url);
    response.end('OK');
  });
  expect(await ensure(host)).toEqual({ said: [], outcome: { installed: false, startedPid: undefined } });
  expect(asked).toEqual(['/_ping']);
});

test.each([
  [
    'unix:///nowhere/docker.sock',
    /No Docker Engine answers at unix:\/\/\/nowhere\/docker.sock .*DOCKER_HOST/,
  ],
  ['tcp://127.0.0.1:1', /No Docker Engine answers at tcp:\/\/127.0.0.1:1 .*ECONNREFUSED.*DOCKER_HOST/],
  ['ssh://somewhere', /use unix:\/\/ or tcp:\/\//],
  ['no address', /No Docker Engine answers at no address/],
])(
  'a given host that does not answer (%s) is refused with a sentence, and nothing is installed',
  async (host, sentence) => {
    const { said, outcome } = await ensure(host);
    expect(said).toEqual([]);
    expect(outcome).toBeInstanceOf(Unavailable);
    expect(String(outcome)).toMatch(sentence);
  },
);

test('an engine that answers with an error does not count as answering', async () => {
  const host = await engineAt((_, response) => response.writeHead(503).end());
  expect(String((await ensure(host)).outcome)).toContain('it answers with status 503');
});

test('an engine that takes the connection and stays silent is given up in time', async () => {
  const host = await engineAt(() => undefined);
  const started = performance.now();
  expect(String((await ensure(host)).outcome)).toContain('no answer in 5 s');
  expect(performance.now() - started).toBeLessThan(15_000);
});
