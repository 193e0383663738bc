// The agent's program as a process of its own: killed again and again while it makes results and somebody takes them, and
// stopped as an engine stops it.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, expect, inject, test } from 'vitest';
import type { ConfiguredCheck } from '../../../src/model/monitoring/agent.ts';
import { type AgentPlace, makeKeys, openClient, pemOf } from './client.ts';
import { expectWhole, follow } from './follower.ts';

const closings: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closings.splice(0).reverse()) await close();
});

/** The program in a folder of its own; each start is another process at another port. */
async function newProgram() {
  const keys = await makeKeys();
  const clientPem = await pemOf(keys.authority, 'CLIENT');
  const folder = mkdtempSync(join(inject('scratch'), 'program-'));
  const [server, authority] = [join(folder, 'server.pem'), join(folder, 'authority.pem')];
  writeFileSync(server, keys.serverPem);
  writeFileSync(authority, keys.authority.certificate);
  const settings = { BERTH_AGENT_SERVER: server, BERTH_AGENT_AUTHORITY: authority, BERTH_AGENT_PORT: '0' };
  const env = {
    ...process.env,
    ...settings,
    BERTH_AGENT_HOST: '127.0.0.1',
    BERTH_AGENT_DATA: folder,
    BERTH_LOG_LEVEL: 'info',
  };
  const program = new URL('../../../src/agents/monitoring/main.ts', import.meta.url).pathname;
  async function start(): Promise<{ child: ChildProcess; place: AgentPlace }> {
    const child = spawn(process.execPath, [program], { env, stdio: ['ignore', 'pipe', 'inherit'] });
    closings.push(() => child.kill('SIGKILL'));
    const [line] = await once(createInterface(child.stdout), 'line');
    return {
      child,
      place: { host: '127.0.0.1', port: JSON.parse(line).port, authority: keys.authority, clientPem },
    };
  }
  return { folder, start };
}

async function newTarget(): Promise<{ host: string; port: number }> {
  const target = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
  closings.push(() => target.close());
  await once(target, 'listening');
  const address = target.address();
  return { host: '127.0.0.1', port: address !== null && typeof address === 'object' ? address.port : 0 };
}

function checksOf(count: number, target: ConfiguredCheck['target']): ConfiguredCheck[] {
  const standard = {
    type: 'TCP',
    target,
    settings: {},
    thresholds: [],
    intervalSeconds: 1,
    timeoutSeconds: 1,
  };
  return Array.from({ length: count }, (_, n) => ({ id: `check-${n}`, ...standard }));
}

test('killed again and again, it gives each result once and in order to one who takes them meanwhile', {
  timeout: 90_000,
}, async () => {
  const { start } = await newProgram();
  let { child, place } = await start();
  const first = openClient(place);
  expect(await first.configure({ revision: 1, checks: checksOf(60, await newTarget()) })).toMatchObject({
    status: 200,
  });
  first.close();
  const follower = follow(place);
  closings.push(() => follower.close());
  for (let round = 1; round <= 6; round++) {
    await follower.more(30 + 17 * round);
    child.kill('SIGKILL');
    await once(child, 'close');
    ({ child, place } = await start());
    follower.moveTo(place);
  }
  await follower.more(120);
  expectWhole(follower.results);
  expect(new Set(follower.results.map(({ checkId }) => checkId)).size).toBe(60);
  expect(new Set(follower.results.map(({ state }) => state))).toEqual(new Set(['OK']));
});

test('on TERM it ends by itself with 0, and what it keeps is for its own eyes', async () => {
  const { folder, start } = await newProgram();
  const { child, place } = await start();
  const client = openClient(place);
  closings.push(() => client.close());
  await client.configure({ revision: 1, checks: checksOf(5, await newTarget()) });
  const { results } = await client.take(undefined, 5000);
  expect(results.length).toBeGreaterThan(0);
  child.kill('SIGTERM');
  expect(await once(child, 'close')).toEqual([0, null]);
  for (const name of ['configuration.json', 'results.sqlite'])
    expect(statSync(join(folder, name)).mode & 0o077, name).toBe(0);
});
