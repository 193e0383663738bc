// What a Berth costs with twenty services deployed and nothing happening: at most five calls to the engine and twenty
// statements to the database a second, counted on the wires of the whole control plane, edge, proxies and server included.
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readConfig } from '../src/config.ts';
import { openLog } from '../src/log.ts';
import { type Berth, startBerth } from '../src/main.ts';
import { includedTypes } from '../src/model/service-types/index.ts';
import { listServicesOf } from '../src/postgres/services.ts';
import { type FaultyDatabase, openFaultyDatabase } from './support/faulty-database.ts';
import { type FaultySocket, openFaultySocket } from './support/faulty-socket.ts';
import { edgeOnFreePorts } from './support/free-ports.ts';
import { expectPeace } from './support/oracle.ts';
import { type FreshDatabase, freshDatabase } from './support/postgres.ts';
import { statementsIn } from './support/statements.ts';
import {
  askRedeploy,
  endOfRedeploy,
  newEnvironment,
  newService,
  openWorld,
  until,
  type World,
} from './support/world.ts';

const patience = 240_000;
const windowMs = 10_000;
const codeServices = 18;

let database: FreshDatabase;
let world: World;
let toDatabase: FaultyDatabase;
let toEngine: FaultySocket;
let berth: Berth;
const requests: string[] = [];
const statements: string[] = [];

beforeAll(async () => {
  database = await freshDatabase();
  // What the test itself asks goes past the wires that are counted.
  world = await openWorld(database.url, { orchestrate: false, settings: { included: includedTypes } });
  toDatabase = await openFaultyDatabase(database.url, {
    hear: () => statementsIn((statement) => statements.push(statement)),
  });
  toEngine = await openFaultySocket(undefined, ({ method, path }) => requests.push(`${method} ${path}`));
  const config = readConfig({
    PORT: '0',
    DATABASE_URL: toDatabase.url,
    DOCKER_HOST: toEngine.host,
    BERTH_DATA: world.dataDirectory,
    BERTH_KEY_FILE: join(world.dataDirectory, 'keys', 'key'),
    BERTH_SUBNETS: '10.211.0.0/16',
    ...(await edgeOnFreePorts()),
  });
  berth = await startBerth(config, { logger: openLog('silent') });
  const environments = [await newEnvironment(world), await newEnvironment(world)];
  const services = await Promise.all(
    Array.from({ length: codeServices }, (_, number) =>
      newService(world, { environmentId: environments[number % environments.length] ?? '', workerLimit: 1 }),
    ),
  );
  const asked = await Promise.all(services.map(({ serviceId }) => askRedeploy(world, serviceId)));
  for (const id of asked) expect((await endOfRedeploy(world, id, patience)).state).toBe('SUCCEEDED');
  await until(
    'twenty services that run',
    async () => {
      const { db } = world.control.store;
      const all = await Promise.all(environments.map((id) => listServicesOf(db, id)));
      return all.flat().filter(({ runningRedeployId }) => runningRedeployId !== null).length;
    },
    (count) => count === codeServices + environments.length,
    patience,
  );
  await expectPeace(world, patience);
}, patience);

afterAll(async () => {
  await berth?.close();
  await toEngine?.close();
  await toDatabase?.close();
  await world?.close();
  await database?.drop();
}, patience);

/** How often each was seen, the most frequent first: what to look at when it is too much. */
function tally(seen: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const each of seen) {
    const kind = each
      .replace(/[0-9a-f-]{12,}/g, '…')
      .replace(/\s+/g, ' ')
      .slice(0, 150);
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  const sorted = [...counts].sort(([, a], [, b]) => b - a);
  return sorted.map(([kind, count]) => `${count} × ${kind}`).join('\n');
}

async function watchFor(milliseconds: number) {
  const [requestsBefore, statementsBefore] = [requests.length, statements.length];
  await sleep(milliseconds);
  return { requests: requests.slice(requestsBefore), statements: statements.slice(statementsBefore) };
}

test(
  'twenty services at rest cost five engine calls and twenty statements a second at most',
  async () => {
    const seconds = windowMs / 1000;
    // What was deployed a moment ago may still be looked after: one window of three is enough.
    let seen = await watchFor(windowMs);
    const within = () => seen.requests.length <= 5 * seconds && seen.statements.length <= 20 * seconds;
    for (let more = 0; more < 2 && !within(); more++) seen = await watchFor(windowMs);
    const { requests: calls, statements: asked } = seen;
    if (process.env.BERTH_TEST_TELL) console.log(`${tally(calls)}\n${tally(asked)}`);
    expect(calls.length, tally(calls)).toBeLessThanOrEqual(5 * seconds);
    expect(asked.length, tally(asked)).toBeLessThanOrEqual(20 * seconds);
    // The wires are the right ones: nothing at all would be seen on others.
    expect(calls.length).toBeGreaterThan(0);
    expect(asked.length).toBeGreaterThan(0);
  },
  patience,
);
