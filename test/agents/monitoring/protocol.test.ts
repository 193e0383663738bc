// What the agent does when it is asked over its protocol: what is kept, given, forgotten and refused.
import { readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import type { MadeResult } from '../../../src/model/monitoring/agent.ts';
import type { AgentClient, AskOptions } from './client.ts';
import { checkOf, clientOf, closings, newFolder, started } from './world.ts';

async function run(client: AgentClient, checkId: string): Promise<void> {
  expect(await client.ask('POST', '/runs', { body: JSON.stringify({ checkId }) })).toMatchObject({
    status: 200,
  });
}

const outputs = (results: readonly MadeResult[]): string[] => results.map(({ output }) => output);

test('a configuration is kept and told of, one of an earlier revision is refused with the one that is kept', async () => {
  const folder = newFolder();
  const agent = await started(folder);
  const client = clientOf(agent);
  const password = 'canary-9d1';
  const check = checkOf('a', { target: { host: 'db', port: 5432, user: 'u', password } });
  expect(await client.configure({ revision: 7, checks: [check] })).toEqual({
    status: 200,
    body: { revision: 7 },
  });
  expect(await client.configure({ revision: 7, checks: [check] })).toMatchObject({ status: 200 });
  const refused = await client.configure({ revision: 6, checks: [] });
  expect(refused).toEqual({ status: 409, body: { error: expect.stringContaining('Revision 7 is kept') } });
  expect(await client.status()).toMatchObject({ revision: 7, checks: 1, lastSeq: 0 });
  expect(statSync(join(folder, 'configuration.json')).mode & 0o777).toBe(0o600);
});

test('a restart without the control plane goes on with configuration, store and numbers', async () => {
  const folder = newFolder();
  const before = await started(folder);
  const client = clientOf(before);
  await client.configure({ revision: 3, checks: [checkOf('a')] });
  await run(client, 'a');
  const first = await client.take(undefined, 5000);
  expect(first.results.map(({ seq }) => seq)).toEqual([1]);
  client.close();
  await before.close();
  closings.pop();
  const again = clientOf(await started(folder));
  expect(await again.status()).toMatchObject({ revision: 3, checks: 1, lastSeq: 1, epoch: first.epoch });
  await run(again, 'a');
  const next = await again.take({ epoch: first.epoch, after: 1 }, 5000);
  expect(next.results).toMatchObject([{ seq: 2, checkId: 'a', state: 'OK', output: 'a is fine.' }]);
});

test('results are given until they are taken, and from the beginning with a new epoch after the store was lost', async () => {
  const folder = newFolder();
  const before = await started(folder);
  const client = clientOf(before);
  await client.configure({ revision: 1, checks: [checkOf('a'), checkOf('b')] });
  for (const id of ['a', 'b', 'a']) await run(client, id);
  await vi.waitFor(async () => expect((await client.status()).lastSeq).toBe(3), 5_000);
  const { epoch, results } = await client.take(undefined, 0, 2);
  expect(outputs(results)).toEqual(['a is fine.', 'b is fine.']);
  expect(outputs((await client.take({ epoch, after: 0 })).results)).toHaveLength(3);
  expect(outputs((await client.take({ epoch, after: 2 })).results)).toEqual(['a is fine.']);
  expect(outputs((await client.take()).results)).toHaveLength(1);
  client.close();
  await before.close();
  closings.splice(0);
  for (const name of readdirSync(folder)) if (name.startsWith('results')) rmSync(join(folder, name));
  const after = clientOf(await started(folder));
  await run(after, 'b');
  await vi.waitFor(async () => expect((await after.status()).lastSeq).toBe(1), 5_000);
  const anew = await after.take({ epoch, after: 3 });
  expect(anew.epoch).not.toBe(epoch);
  expect(anew).toMatchObject({ lastSeq: 1, results: [{ seq: 1, checkId: 'b' }] });
});

test('who waits hears of a result as it is made, and the agent does not wait for who has gone', async () => {
  let look = Promise.withResolvers<void>();
  const agent = await started(newFolder(), async () => {
    await look.promise;
    return { state: 'WARNING', output: 'Seen.', metrics: [] };
  });
  const client = clientOf(agent);
  await client.configure({ revision: 1, checks: [checkOf('a')] });
  const waiting = client.take(undefined, 25_000);
  const leaving = new AbortController();
  const left = client.ask('GET', '/results?wait=25000', { signal: leaving.signal });
  await run(client, 'a');
  leaving.abort();
  await expect(left).rejects.toThrow(/abort/);
  look.resolve();
  expect((await waiting).results).toMatchObject([{ state: 'WARNING', output: 'Seen.' }]);
  look = Promise.withResolvers();
  expect((await client.take({ epoch: (await client.status()).epoch, after: 1 }, 100)).results).toEqual([]);
});

test('an agent that stops answers who waits, ends runs and keeps what was made', async () => {
  const ended = Promise.withResolvers<void>();
  const folder = newFolder();
  const agent = await started(folder, ({ id }, signal) =>
    id === 'quick'
      ? Promise.resolve({ state: 'OK', output: 'Quick.', metrics: [] })
      : new Promise(() => signal.addEventListener('abort', () => ended.resolve())),
  );
  const client = clientOf(agent);
  await client.configure({ revision: 1, checks: [checkOf('quick'), checkOf('hangs')] });
  await run(client, 'quick');
  await run(client, 'hangs');
  const { epoch } = await client.take(undefined, 5000);
  const waiting = client.take({ epoch, after: 1 }, 25_000);
  await vi.waitFor(async () => expect((await client.status()).lastSeq).toBe(1), 5_000);
  await agent.close();
  closings.splice(0, 1);
  expect(await waiting).toMatchObject({ results: [], lastSeq: 1 });
  await ended.promise;
});

const long = Buffer.alloc(17 * 1024 * 1024, 0x20);
const configuration = (check: object) => JSON.stringify({ revision: 1, checks: [check] });

const junk: readonly (readonly [string, string, AskOptions, number, string])[] = [
  ['GET', '/', {}, 404, 'nothing at this path'],
  ['GET', '//', {}, 404, 'nothing at this path'],
  ['DELETE', '/results', {}, 405, 'GET only'],
  ['POST', '/configuration', {}, 405, 'PUT only'],
  ['GET', '/results?after=-1&epoch=x', {}, 400, 'after'],
  ['GET', '/results?after=1', {}, 400, 'together'],
  ['GET', '/results?limit=1001', {}, 400, 'limit'],
  ['GET', '/results?limit=0', {}, 400, 'limit'],
  ['GET', '/results?wait=25001', {}, 400, 'wait'],
  ['GET', '/results?wait=1e3', {}, 400, 'wait'],
  ['GET', '/results?speed=9', {}, 400, 'speed'],
  ['POST', '/runs', { body: '{"checkId":"nobody"}' }, 404, 'no check'],
  ['POST', '/runs', { body: '{}' }, 400, 'checkId'],
  ['PUT', '/configuration', { body: '' }, 400, 'no JSON'],
  ['PUT', '/configuration', { body: '\u0000\uffff{' }, 400, 'no JSON'],
  ['PUT', '/configuration', { body: 'null' }, 400, 'The input'],
  ['PUT', '/configuration', { body: '{"revision":1.5,"checks":[]}' }, 400, 'revision'],
  ['PUT', '/configuration', { body: '{"revision":1,"checks":[],"more":1}' }, 400, 'more'],
  ['PUT', '/configuration', { body: configuration({ ...checkOf('a'), id: '' }) }, 400, 'checks.0.id'],
  [
    'PUT',
    '/configuration',
    { body: configuration(checkOf('a', { intervalSeconds: 0.1 })) },
    400,
    'intervalSeconds',
  ],
  [
    'PUT',
    '/configuration',
    { body: configuration(checkOf('a', { timeoutSeconds: -1 })) },
    400,
    'timeoutSeconds',
  ],
  [
    'PUT',
    '/configuration',
    { body: configuration(checkOf('a', { target: { host: 'a', port: 0 } })) },
    400,
    'target.port',
  ],
  [
    'PUT',
    '/configuration',
    { body: JSON.stringify({ revision: 1, checks: [checkOf('a'), checkOf('a')] }) },
    400,
    'twice',
  ],
  [
    'PUT',
    '/configuration',
    { body: long, headers: { 'content-length': String(long.length) } },
    413,
    'too long',
  ],
  ['PUT', '/configuration', { body: long, headers: { 'transfer-encoding': 'chunked' } }, 413, 'too long'],
];

test('what is junk, unknown or too much is refused with a sentence and changes nothing', async () => {
  const client = clientOf(await started());
  for (const [method, path, options, status, words] of junk) {
    const answer = await client.ask(method, path, options).catch((fault: NodeJS.ErrnoException) => fault);
    const shown = `${method} ${path} ${String(options.body ?? '').slice(0, 60)}`;
    // Who goes on sending what nobody reads may find the connection closed before the refusal was heard.
    if (answer instanceof Error && status === 413)
      expect(['EPIPE', 'ECONNRESET'], shown).toContain(answer.code);
    else expect(answer, shown).toEqual({ status, body: { error: expect.stringContaining(words) } });
  }
  expect(await client.status()).toMatchObject({ revision: 0, checks: 0 });
});
