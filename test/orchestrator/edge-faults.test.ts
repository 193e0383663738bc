// The edge under faults: what somebody else has done to its memory is put right; a replica that dies, or stands still, in
// the midst of telling it something leaves nothing that is believed wrongly; and that it can't be had is said by /health.
import Docker from 'dockerode';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { checkHealth } from '../../src/control/health.ts';
import { openControlKeys } from '../../src/orchestrator/control-keys.ts';
import type { EdgeSettings } from '../../src/orchestrator/deps.ts';
import { edgeMaps, edgePrefix } from '../../src/proxy/edge.ts';
import { paths } from '../../src/proxy/layout.ts';
import { openRuntimeApi, type RuntimeApi } from '../../src/proxy/runtime-api.ts';
import { type CrashChild, startChild } from '../support/crash-child.ts';
import { edgeSettings } from '../support/free-ports.ts';
import { type FreshDatabase, freshDatabase } from '../support/postgres.ts';
import { openSite, type Site } from '../support/site.ts';
import { visit } from '../support/visit.ts';
import { openWorld, until, type World } from '../support/world.ts';

const engine = new Docker();
let database: FreshDatabase;
let world: World;
let child: CrashChild;
let site: Site;
let edge: EdgeSettings;
let api: RuntimeApi;
const children: CrashChild[] = [];

beforeAll(async () => {
  database = await freshDatabase();
  edge = await edgeSettings();
  world = await openWorld(database.url, { orchestrate: false, settings: { edge } });
  child = await start();
  site = await openSite(world, { scale: 1 });
  const { authority, client } = await openControlKeys(world.control.store, world.control.vault);
  api = openRuntimeApi({
    address: '127.0.0.1',
    port: edge.controlPort,
    serverName: edgeName(world),
    authorityPem: authority.certificate,
    clientCertificatePem: client.chain,
    clientKeyPem: client.privateKey,
  });
  await answers('200');
}, 120_000);
afterAll(async () => {
  for (const each of children) await each.end();
  await world?.close();
  await database?.drop();
});

const edgeName = ({ engine: { id } }: World) => `berth-edge-${id}`;

async function start(): Promise<CrashChild> {
  const settings = { settleSeconds: 0.3, edge };
  const made = await startChild({ url: world.url, dataDirectory: world.dataDirectory, settings });
  children.push(made);
  return made;
}

function answers(status: string, boundMs = 30_000) {
  const look = async () => (await visit({ port: edge.httpPort }, site.host)).status;
  return until(`the edge answers ${status}`, look, (seen) => seen === status, boundMs);
}

/** As the engine's own start of it after its death. */
async function killEdge(): Promise<void> {
  const { State } = await engine.getContainer(edgeName(world)).inspect();
  process.kill(State.Pid, 'SIGKILL');
}

async function shown() {
  const { servers, maps } = await api.show(edgePrefix, edgeMaps);
  return { servers: [...servers], maps: [...maps] };
}

/** Something else to tell the edge: that the environment has another place at it. */
const move = (slot: number) =>
  world.control.store.raw`update environments set edge_slot = ${slot} where id = ${site.environmentId}`;
const applied = async () =>
  (await world.control.store.raw`select applied ? 'doubtful' as doubted, seen_at from edges`)[0];

test('what somebody else has done to its memory is put right', async () => {
  const { servers } = await shown();
  const aside = servers.map(([backend, list]) => `set server ${backend}/${list[0]?.name} state maint`);
  await api.apply(aside.map((text) => ({ kind: 'SET', text })));
  expect((await visit({ port: edge.httpPort }, site.host)).status).not.toBe('200');
  await answers('200');
  await api.apply([{ kind: 'SET', text: `clear map ${paths.hosts}` }]);
  expect((await visit({ port: edge.httpPort }, site.host)).status).toBe('404');
  await answers('200');
}, 90_000);

test('files that a replica left behind which died before it told the edge are not believed', async () => {
  const before = await shown();
  await child.arm('PUT_FILES:EFFECT');
  await move(7);
  await child.waitFor('hit PUT_FILES:EFFECT');
  await child.dead;
  await move(0);
  child = await start();
  await until('it is told anew', applied, (seen) => seen?.doubted === false);
  await killEdge();
  // The first that it shows when it is back is what it has started from.
  const look = () => shown().catch(() => undefined);
  expect(await until('it is back', look, (seen) => seen !== undefined)).toEqual(before);
}, 60_000);

test('a replica that stood still while it told the edge something tells it nothing when it comes back', async () => {
  const before = await shown();
  await child.arm('PUT_FILES:EFFECT', 1, 'SIGSTOP');
  await move(7);
  await child.waitFor('hit PUT_FILES:EFFECT');
  const still = child;
  await move(0);
  child = await start();
  await until('another looks after it', applied, (seen) => seen?.doubted === false, 40_000);
  still.kill('SIGCONT');
  const awake = performance.now();
  await until(
    'the edge shows what is wanted all the time',
    async () => {
      expect(await shown()).toEqual(before);
      return performance.now() - awake;
    },
    (passed) => passed > 3_000,
  );
  await still.end();
}, 90_000);

test('a proxy that only fails its check is given nothing new, and is still wanted', async () => {
  const { raw } = world.control.store;
  const [job] = await raw`select id from jobs where service_id = ${site.proxyId} and state = 'RUNNING'`;
  await raw`create table taken_out (job_id uuid)`;
  await raw`create function note() returns trigger language plpgsql as $$ begin
    insert into taken_out values (new.id); return null; end $$`;
  await raw`create trigger note after update on jobs for each row
    when (old.rotation = 'IN' and new.rotation = 'OUT') execute function note()`;
  await raw`update jobs set health = 'UNHEALTHY' where id = ${job?.id}`;
  const states = async () =>
    (await raw`select applied from edges`)[0]?.applied.services.flatMap(
      ({ servers }: { servers: { state: string }[] }) => servers.map(({ state }) => state),
    );
  await until('the edge sends it nothing', states, (seen) => seen?.[0] === 'DRAIN');
  const since = performance.now();
  const passed = async () => performance.now() - since;
  await until('the edge has looked again', passed, (ms) => ms > 500);
  expect(await raw`select * from taken_out`).toHaveLength(0);
  await raw`update jobs set health = 'HEALTHY' where id = ${job?.id}`;
  await answers('200');
});

test('one that was not seen for half a minute is no part that works, and nobody else notices', async () => {
  expect((await checkHealth(world.control)).parts.edge).toMatchObject({ healthy: true });
  await child.end();
  await world.control.store.raw`update edges set seen_at = now() - interval '31 seconds'`;
  expect(await checkHealth(world.control)).toMatchObject({
    healthy: false,
    parts: { database: { healthy: true }, engine: { healthy: true }, edge: { healthy: false } },
  });
  await answers('200');
});
