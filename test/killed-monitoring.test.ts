// kill -9 while results of checks are made: the control plane dies at random moments, and stays away for a while, and the
// monitor goes on. Each result that the monitor has made is in the database once, in order, and clients that come back with
// their cursor have seen each once.
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import Docker from 'dockerode';
import { asc, eq } from 'drizzle-orm';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { writeCursor } from '../src/control/cursors.ts';
import { openEmbeddedPostgres } from '../src/postgres/embedded.ts';
import { openStore } from '../src/postgres/open.ts';
import { checkResults, resultStreams } from '../src/postgres/tables/checks.ts';
import { freePorts } from './support/free-ports.ts';
import { followOverSocket, followOverSse, type ReturningClient } from './support/returning-clients.ts';
import { ask, decode, type ServerProcess, startServer, until } from './support/server.ts';
import { volumesGone } from './support/volumes.ts';

const patience = 120_000;
/** Times between a start and the next kill, and how long nobody is there. */
const kills = [
  [2_300, 0],
  [900, 3_000],
  [4_100, 0],
  [1_700, 15_000],
] as const;

let data: string;
let settings: Record<string, string>;
let server: ServerProcess;
let environmentId: string;
let watchers: ReturningClient[] = [];

beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), 'berth-kill-'));
  await chmod(data, 0o711);
  const [port] = await freePorts(1);
  settings = { PORT: `${port}`, BERTH_HELLO: 'no', BERTH_VOLUME_RETENTION_SECONDS: '0' };
  server = await startServer(data, settings, patience);
  const { createEnvironment } = await ask<{ createEnvironment: { environment: { id: string } } }>(
    server,
    `mutation { createEnvironment(input: { name: "Watched", namespace: "watched", kind: PRODUCTION,
      services: [{ type: CACHE, runtime: REDIS, label: "cache" }] }) {
      ... on CreateEnvironmentPayload { environment { id } } } }`,
  );
  environmentId = createEnvironment.environment.id;
  const { page } = await ask<{ page: { endCursor: string } }>(
    server,
    `{ page: checkResults(environmentId: "${environmentId}", first: 1) { endCursor } }`,
  );
  const following = {
    ...{ url: server.url, token: server.token, after: page.endCursor },
    ...{ field: 'checkResults', arguments: `environmentId: "${environmentId}"` },
    selection:
      '{ __typename ... on CheckResult { cursor type: source state } ... on Gap { cursor } ... on Heartbeat { cursor } }',
  };
  watchers = [followOverSocket(following), followOverSse(following)];
  const { environment } = await ask<{ environment: { checks: { nodes: { id: string }[] } } }>(
    server,
    '{ environment(namespace: "watched") { checks(first: 50) { nodes { id } } } }',
  );
  for (const { id } of environment.checks.nodes)
    await ask(
      server,
      `mutation { updateCheck(input: { checkId: "${id}", intervalSeconds: 1 }) { __typename } }`,
    );
  await until('the monitor makes results', patience, async () => ((await made()) > 5 ? true : undefined));
}, patience * 2);

async function made(): Promise<number> {
  const { page } = await ask<{ page: { items: { type?: string }[] } }>(
    server,
    `{ page: checkResults(environmentId: "${environmentId}", first: 100) { items { ... on CheckResult { type: source } } } }`,
  );
  return page.items.filter(({ type }) => type === 'MONITOR').length;
}

afterAll(async () => {
  await Promise.all(watchers.map((watcher) => watcher.stop()));
  await volumesGone(new Docker(), decode(environmentId));
  await server.stop();
  await rm(data, { recursive: true, force: true });
}, patience);

/** As they are in the database at one moment, and up to where the monitor's were taken. */
async function table() {
  const embedded = await openEmbeddedPostgres({ directory: join(data, 'postgres') });
  const store = openStore(embedded.url, { connections: 1 });
  const ofEnvironment = decode(environmentId);
  try {
    return await store.db.transaction(
      async (tx) => {
        const streams = tx.select().from(resultStreams);
        const [stream] = await streams.where(eq(resultStreams.environmentId, ofEnvironment));
        const rows = await tx
          .select()
          .from(checkResults)
          .where(eq(checkResults.environmentId, ofEnvironment))
          .orderBy(asc(checkResults.seq));
        return { stream, rows };
      },
      { isolationLevel: 'repeatable read' },
    );
  } finally {
    await store.close();
    await embedded.stop();
  }
}

test('each result is kept and seen once and in order, whenever the control plane dies', {
  timeout: patience * 2,
}, async () => {
  for (const [after, away] of kills) {
    await sleep(after);
    await server.kill();
    await sleep(away);
    server = await startServer(data, settings, patience);
  }
  const before = await made();
  await until('results go on', patience, async () =>
    (await made()) >= Math.min(100, before + 5) ? true : undefined,
  );
  // While nothing was removed yet: its store numbers from 1 without a hole, so as many were taken as its last number says.
  const living = await table();
  expect(living.rows.filter(({ source }) => source === 'MONITOR')).toHaveLength(living.stream?.takenSeq ?? 0);
  await ask(
    server,
    `mutation { deleteEnvironment(input: { environmentId: "${environmentId}", confirm: "watched" }) { __typename } }`,
  );
  await Promise.all(watchers.map(({ done }) => done));
  const { stream, rows } = await table();
  expect(rows.map(({ seq }) => seq)).toEqual(rows.map((_row, index) => index + 1));
  const monitors = rows.filter(({ source }) => source === 'MONITOR');
  for (const [, ofCheck] of Map.groupBy(monitors, ({ checkId }) => checkId)) {
    const times = ofCheck.map(({ startedAt }) => startedAt.getTime());
    expect(new Set(times).size).toBe(times.length);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    // Nobody was there for more than fifteen seconds, and none is missing.
    const gaps = times.slice(1).map((time, index) => time - (times[index] ?? 0));
    expect(Math.max(...gaps)).toBeLessThan(12_000);
  }
  const epoch = stream?.epoch ?? '';
  const cursors = rows.map((row) => writeCursor({ ...row, epoch }, 'RESULTS'));
  for (const { connections } of watchers) {
    const items = connections.flat();
    expect(items.filter(({ __typename }) => __typename === 'Gap')).toEqual([]);
    expect(items.filter(({ type }) => type !== undefined).map(({ cursor }) => cursor)).toEqual(cursors);
  }
});
