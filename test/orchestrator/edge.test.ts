// The pod's edge: one pair of ports for every environment, and a service proxy whose redeploy its visitors don't notice.
import { Agent } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createEnvironment } from '../../src/control/environments.ts';
import { findOpenRedeploys } from '../../src/postgres/redeploys.ts';
import { listServicesOf } from '../../src/postgres/services.ts';
import { edgeSettings } from '../support/free-ports.ts';
import { freshDatabase } from '../support/postgres.ts';
import { visit } from '../support/visit.ts';
import { newRelease, openWorld, redeployed, until, type World } from '../support/world.ts';

const page = (text: string) =>
  `mkdir -p /tmp/www && echo ${text} > /tmp/www/index.html && exec httpd -f -p 8080 -h /tmp/www`;

let world: World;
let port: number;
const proxies: string[] = [];

beforeAll(async () => {
  const { url } = await freshDatabase();
  const edge = await edgeSettings();
  port = edge.httpPort;
  world = await openWorld(url, { settings: { included: ['SERVICE_PROXY'], domain: 'test.local', edge } });
  for (const namespace of ['one', 'two']) await openEnvironment(namespace);
}, 120_000);
afterAll(() => world.close());

test('each environment answers under its own host, by the same port', async () => {
  expect(await ask('one.test.local')).toEqual('200 one');
  expect(await ask('two.test.local')).toEqual('200 two');
  expect((await ask('three.test.local')).slice(0, 3)).toEqual('404');
});

test("the redeploy of an environment's proxy loses no request on a new connection", async () => {
  const seen: Record<string, number> = {};
  let running = true;
  const visitors = Array.from({ length: 4 }, async () => {
    while (running) {
      const answer = await ask('one.test.local');
      seen[answer] = (seen[answer] ?? 0) + 1;
      await sleep(20);
    }
  });
  for (let round = 0; round < 3; round++)
    expect((await redeployed(world, proxies[0] ?? '')).state).toEqual('SUCCEEDED');
  running = false;
  await Promise.all(visitors);
  expect(Object.keys(seen)).toEqual(['200 one']);
}, 90_000);

test('and none on a kept connection in use', async () => {
  const seen: Record<string, number> = {};
  let running = true;
  const agent = new Agent({ keepAlive: true, maxSockets: 4 });
  const visitors = Array.from({ length: 4 }, async () => {
    while (running) {
      const answer = await ask('one.test.local', agent);
      seen[answer] = (seen[answer] ?? 0) + 1;
      await sleep(20);
    }
  });
  for (let round = 0; round < 3; round++)
    expect((await redeployed(world, proxies[0] ?? '')).state).toEqual('SUCCEEDED');
  running = false;
  await Promise.all(visitors);
  agent.destroy();
  expect(Object.keys(seen)).toEqual(['200 one']);
  expect(seen['200 one']).toBeGreaterThan(100);
}, 90_000);

async function openEnvironment(namespace: string): Promise<void> {
  const { ids } = await createEnvironment(world.control, world.caller, {
    name: namespace,
    namespace,
    kind: 'SANDBOX',
    services: [{ type: 'CODE', label: 'web', size: { memoryMiB: 64 } }],
  });
  const { db } = world.control.store;
  const services = await listServicesOf(db, ids.environmentId);
  const idOf = (type: string) => services.find((row) => row.type === type)?.id ?? '';
  proxies.push(idOf('SERVICE_PROXY'));
  await newRelease(world, idOf('CODE'), { web: page(namespace) });
  expect((await redeployed(world, idOf('CODE'))).state).toEqual('SUCCEEDED');
  await until(
    'the proxy is deployed',
    () => findOpenRedeploys(db, [idOf('SERVICE_PROXY')]),
    (open) => open.size === 0,
  );
  await until(
    'the edge leads to it',
    () => ask(`${namespace}.test.local`),
    (answer) => answer.startsWith('200'),
  );
}

/** Status and body, or the code of the error. */
async function ask(host: string, agent: Agent | false = false): Promise<string> {
  const { status, body } = await visit({ port }, host, agent);
  return `${status} ${body}`.trim();
}
