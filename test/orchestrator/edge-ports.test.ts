// The ports of the edge: one that somebody else holds is said once, in the edge's own words, and taken as soon as it is
// free; those below 1024 are opened by a root that may do nothing else.
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import Docker from 'dockerode';
import { afterEach, expect, test } from 'vitest';
import { checkHealth } from '../../src/control/health.ts';
import type { EdgeSettings } from '../../src/orchestrator/deps.ts';
import { recording } from '../http/edge.ts';
import { edgeSettings, freeLowPorts } from '../support/free-ports.ts';
import { freshDatabase } from '../support/postgres.ts';
import { openSite } from '../support/site.ts';
import { visit } from '../support/visit.ts';
import { openWorld, until, type World } from '../support/world.ts';

const engine = new Docker();
const closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function worldWith(edge: EdgeSettings, logged: string[] = []): Promise<World> {
  const database = await freshDatabase();
  closers.push(() => database.drop());
  const settings = { settleSeconds: 0.3, edge };
  const world = await openWorld(database.url, { settings, logger: recording(logged) });
  closers.push(() => world.close());
  return world;
}

test('a port that somebody else holds is told of once, and taken when it is free', async () => {
  const edge = await edgeSettings();
  const rival = await hold(edge.httpPort);
  const logged: string[] = [];
  const world = await worldWith(edge, logged);
  const troubles = () => logged.filter((line) => line.includes('the edge could not be looked after'));
  await until(
    'it is told',
    async () => troubles().length,
    (count) => count > 0,
    60_000,
  );
  expect(troubles().join()).toMatch(/cannot bind socket.*127\.0\.0\.1/);
  const health = async () => (await checkHealth(world.control)).parts.edge?.healthy;
  expect(await health()).toBe(false);
  const since = performance.now();
  await until(
    'it was tried again',
    async () => performance.now() - since,
    (passed) => passed > 5_000,
  );
  expect(troubles()).toHaveLength(1);
  rival.close();
  await until('it works', health, (healthy) => healthy === true, 60_000);
  expect(logged.some((line) => line.includes('the edge is looked after again'))).toBe(true);
  expect(troubles()).toHaveLength(1);
}, 150_000);

test('ports below 1024 are opened by a root that may do nothing else', async () => {
  const [httpPort = 0, httpsPort = 0] = await freeLowPorts(2);
  const edge = { ...(await edgeSettings()), httpPort, httpsPort };
  const world = await worldWith(edge);
  const site = await openSite(world, { scale: 1 });
  const look = async () => (await visit({ port: httpPort }, site.host)).status;
  await until(`it answers at port ${httpPort}`, look, (status) => status === '200');
  for (const process of await processesOf(`berth-edge-${world.engine.id}`))
    expect(process).toMatchObject({ Uid: 0, CapEff: 0x400, CapPrm: 0x400, CapBnd: 0x400, NoNewPrivs: 1 });
  // And it is told as one that isn't root: its files are its own.
  await engine.getContainer(`berth-edge-${world.engine.id}`).restart();
  await until('it answers after a restart', look, (status) => status === '200');
}, 120_000);

async function hold(port: number): Promise<Server> {
  const server = createServer();
  closers.push(() => server.close());
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return server;
}

/** Numbers of what the kernel says of each process: capabilities in hexadecimal. */
async function processesOf(name: string): Promise<Record<string, number>[]> {
  const { State } = await engine.getContainer(name).inspect();
  const children = await readFile(`/proc/${State.Pid}/task/${State.Pid}/children`, 'utf8');
  const pids = [String(State.Pid), ...children.trim().split(' ')];
  expect(pids.length).toBeGreaterThan(1);
  return Promise.all(
    pids.map(async (pid) => {
      const status = await readFile(`/proc/${pid}/status`, 'utf8');
      const field = (key: string, base: number) =>
        Number.parseInt(new RegExp(`^${key}:\\s+(\\S+)`, 'm').exec(status)?.[1] ?? '', base);
      const capabilities = ['CapEff', 'CapPrm', 'CapBnd'].map((key) => [key, field(key, 16)]);
      return {
        Uid: field('Uid', 10),
        NoNewPrivs: field('NoNewPrivs', 10),
        ...Object.fromEntries(capabilities),
      };
    }),
  );
}
