// kill -9 as clients see it: the real server dies in the midst of a redeploy, alone or together with its Postgres, and is
// started again on the same data and port. Clients over WebSocket and SSE come back with their last cursor and have then
// seen every event once, in order, to the end, as the table has them.
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { asc, eq, type SQL } from 'drizzle-orm';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { writeCursor } from '../src/control/cursors.ts';
import { openEmbeddedPostgres } from '../src/postgres/embedded.ts';
import { findPlace } from '../src/postgres/embedded-place.ts';
import { openStore } from '../src/postgres/open.ts';
import { eventStreams, events } from '../src/postgres/tables/events.ts';
import { freePorts } from './support/free-ports.ts';
import {
  followOverSocket,
  followOverSse,
  type ReturningClient,
  type Seen,
} from './support/returning-clients.ts';
import { ask, decode, type ServerProcess, startServer, until } from './support/server.ts';

const patience = 120_000;

let data: string;
let settings: Record<string, string>;
let server: ServerProcess;
let environmentId: string;
let serviceId: string;
/** The place behind the creation of the environment. */
let begin: string;
/** Of everything in the environment, from its first event to the end of the tests. */
let watchers: ReturningClient[] = [];

beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), 'berth-kill-'));
  await chmod(data, 0o711);
  const [port] = await freePorts(1);
  settings = { PORT: `${port}`, BERTH_HELLO: 'no' };
  server = await startServer(data, settings, patience);
  const { createEnvironment } = await ask<{
    createEnvironment: { cursor: string; environment: { id: string } };
  }>(
    server,
    `mutation { createEnvironment(input: { name: "Kill", namespace: "kill", kind: SANDBOX,
      services: [{ type: CACHE, runtime: REDIS, label: "cache" }] }) {
      ... on CreateEnvironmentPayload { cursor environment { id } } } }`,
  );
  environmentId = createEnvironment.environment.id;
  begin = createEnvironment.cursor;
  const following = {
    ...{ url: server.url, token: server.token, after: begin },
    ...{ field: 'environmentEvents', arguments: `environmentId: "${environmentId}"` },
  };
  watchers = [followOverSocket(following), followOverSse(following)];
  await until('the first deploy', patience, async () => {
    const { service } = await ask<{ service: { id: string; status: string } }>(
      server,
      '{ service(namespace: "kill", label: "cache") { id status } }',
    );
    serviceId = service.id;
    return service.status === 'HEALTHY' ? true : undefined;
  });
}, patience * 2);

afterAll(async () => {
  await Promise.all(watchers.map((watcher) => watcher.stop()));
  await ask(
    server,
    `mutation { deleteEnvironment(input: { environmentId: "${environmentId}", confirm: "kill" }) { __typename } }`,
  );
  await until('the deletion', patience, async () =>
    (await ask<{ environment: unknown }>(server, '{ environment(namespace: "kill") { id } }')).environment ===
    null
      ? true
      : undefined,
  );
  await server.stop();
  await rm(data, { recursive: true, force: true });
}, patience);

interface Logged {
  readonly cursor: string;
  readonly type: string;
  readonly message: string;
}

/** From the table itself, in the order of the log. */
async function table(which: SQL): Promise<Logged[]> {
  const embedded = await openEmbeddedPostgres({ directory: join(data, 'postgres') });
  const store = openStore(embedded.url, { connections: 1 });
  try {
    const [stream] = await store.db
      .select()
      .from(eventStreams)
      .where(eq(eventStreams.environmentId, decode(environmentId)));
    const rows = await store.db.select().from(events).where(which).orderBy(asc(events.seq));
    return rows.map((row) => ({
      cursor: writeCursor({ ...row, epoch: stream?.epoch ?? '' }),
      type: row.type,
      message: row.message,
    }));
  } finally {
    await store.close();
    await embedded.stop();
  }
}

/** What is an event, of everything that a client has seen on all its connections. */
function eventsOf({ connections }: ReturningClient): Logged[] {
  return connections
    .flat()
    .flatMap(({ cursor, type, message }) =>
      type === undefined || message === undefined ? [] : { cursor, type, message },
    );
}

const gaps = ({ connections }: ReturningClient) =>
  connections.flat().filter(({ __typename }) => __typename === 'Gap');

async function postmaster(): Promise<number> {
  const { data: folder } = findPlace(join(data, 'postgres'));
  return Number((await readFile(join(folder, 'postmaster.pid'), 'utf8')).split('\n')[0]);
}

/** Redeploys, kills at the first item that fits, starts again, and reads both streams to their end. */
async function killedAt(fits: (item: Seen) => boolean, kill: () => Promise<void>): Promise<void> {
  const { redeployService } = await ask<{ redeployService: { redeploy: { id: string } } }>(
    server,
    `mutation { redeployService(input: { serviceId: "${serviceId}" }) { ... on RedeployServicePayload { redeploy { id } } } }`,
  );
  const redeployId = redeployService.redeploy.id;
  const killing = Promise.withResolvers<void>();
  let killed = false;
  const onItem = (item: Seen) => {
    if (killed || !fits(item)) return;
    killed = true;
    kill().then(killing.resolve, killing.reject);
  };
  const following = {
    ...{ url: server.url, token: server.token },
    ...{ field: 'redeployProgress', arguments: `redeployId: "${redeployId}"` },
  };
  const clients = [followOverSocket({ ...following, onItem }), followOverSse(following)];
  await killing.promise;
  server = await startServer(data, settings, patience);
  await Promise.all(clients.map(({ done }) => done));
  const logged = await table(eq(events.redeployId, decode(redeployId)));
  for (const client of clients) {
    expect(gaps(client)).toEqual([]);
    expect(eventsOf(client)).toEqual(logged);
    expect(client.connections.at(-1)?.at(-1)).toMatchObject({
      ...{ __typename: 'RedeployEnded', state: 'SUCCEEDED' },
    });
  }
  // It died in the midst: what was seen before wasn't all, and the rest came on another connection.
  const [socket] = clients;
  expect(socket?.connections.length).toBeGreaterThan(1);
  expect(socket?.connections[0]?.some(fits)).toBe(true);
}

test(
  'the server is killed while the old job stops; its Postgres goes on, and so do its clients',
  async () => {
    const before = await postmaster();
    await killedAt(
      ({ message = '' }) => message.includes('The service is down until'),
      () => server.kill(),
    );
    expect(await postmaster()).toBe(before);
  },
  patience * 2,
);

test(
  'the server and its Postgres are killed as the new job starts; both come back, and so do its clients',
  async () => {
    const before = await postmaster();
    await killedAt(
      ({ type, message = '' }) => type === 'JOB_CHANGED' && message.includes('is being started'),
      async () => {
        process.kill(before, 'SIGKILL');
        await server.kill();
      },
    );
    expect(await postmaster()).not.toBe(before);
  },
  patience * 2,
);

test('whoever watched the whole environment has seen everything once and in order', async () => {
  const all = await table(eq(events.environmentId, decode(environmentId)));
  const logged = all.slice(all.findIndex(({ cursor }) => cursor === begin) + 1);
  expect(logged.length).toBeGreaterThan(20);
  const last = logged.at(-1)?.cursor;
  for (const watcher of watchers) {
    await until('the last event', patience, async () =>
      eventsOf(watcher).some(({ cursor }) => cursor === last) ? true : undefined,
    );
    expect(gaps(watcher)).toEqual([]);
    expect(watcher.connections.length).toBeGreaterThanOrEqual(3);
    // The environment's proxy may have told of more since.
    expect(eventsOf(watcher).slice(0, logged.length)).toEqual(logged);
  }
});
