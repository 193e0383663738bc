// A look at MongoDB. Its driver keeps a second connection to watch the server by; both are closed with the look.
import { isIPv6 } from 'node:net';
import { type Document, MongoClient } from 'mongodb';
import type { CheckTarget } from '../model/monitoring/agent.ts';
import type { CheckType } from './check-type.ts';
import { closingAll, type Guard } from './connection.ts';
import { lookAtServer, numberOf, type ServerFacts, serverStandard, serverThresholds } from './server-look.ts';
import { noSettings } from './settings.ts';

export const mongodb: CheckType = {
  type: 'MONGODB',
  title: 'MongoDB',
  description:
    'Whether MongoDB signs in and answers; connections in use, memory, size of the database, replication lag.',
  thresholds: serverThresholds,
  standard: serverStandard,
  schema: noSettings,
  settings: {},
  look: (target, _settings, signal) =>
    lookAtServer('MongoDB', target, (connected) =>
      closingAll(lengthGuard, () => talk(target, signal, connected)),
    ),
};

const longest = 2_147_483_647;
const headerLength = 16;

/** Messages begin with their length. One of nothing would keep the driver busy for ever, and fill the memory. */
function lengthGuard(): Guard {
  let begun = Buffer.alloc(0);
  let missing = 0;
  return (chunk) => {
    for (let rest = chunk; rest.length > 0; ) {
      const passed = Math.min(missing, rest.length);
      missing -= passed;
      begun = Buffer.concat([begun, rest.subarray(passed)]);
      if (begun.length < 4) return;
      missing = begun.readInt32LE();
      if (missing < headerLength) throw new Error('it does not speak the protocol of MongoDB');
      rest = begun;
      begun = Buffer.alloc(0);
    }
  };
}

async function talk(
  { host, port, user, password, database }: CheckTarget,
  signal: AbortSignal,
  connected: () => void,
): Promise<ServerFacts> {
  const client = new MongoClient(`mongodb://${isIPv6(host) ? `[${host}]` : host}:${port}/`, {
    appName: 'Berth check',
    directConnection: true,
    maxPoolSize: 1,
    serverMonitoringMode: 'poll',
    retryReads: false,
    // The signal is what ends it.
    serverSelectionTimeoutMS: longest,
    connectTimeoutMS: 0,
    ...(user !== undefined && { auth: { username: user, password: password ?? '' }, authSource: 'admin' }),
  });
  try {
    await firstOf(client, signal);
    connected();
    return await factsOf(client, database ?? 'admin');
  } finally {
    await client.close();
  }
}

/** The driver would look again and again for a server that takes no connection. */
async function firstOf(client: MongoClient, signal: AbortSignal): Promise<void> {
  const failed = new Promise<never>((_resolve, reject) => {
    client.once('serverHeartbeatFailed', ({ failure }) => reject(failure));
    signal.addEventListener('abort', () => reject(signal.reason));
  });
  await Promise.race([client.connect(), failed]);
}

async function factsOf(client: MongoClient, database: string): Promise<ServerFacts> {
  const build = await client.db('admin').command({ buildInfo: 1 });
  const data = await ifAllowed(client.db(database).command({ dbStats: 1 }));
  const server = await ifAllowed(client.db('admin').command({ serverStatus: 1, metrics: 0, locks: 0 }));
  const used = numberOf(server?.connections?.current);
  const free = numberOf(server?.connections?.available);
  const residentMiB = numberOf(server?.mem?.resident);
  return {
    version: String(build.version),
    ...(used !== undefined && free !== undefined && { connections: { used, most: used + free } }),
    memoryBytes: residentMiB === undefined ? undefined : residentMiB * 1024 * 1024,
    dataBytes: numberOf(data?.dataSize),
    replicationLagMs: await lagOf(client),
  };
}

/** How far the secondary that was asked is behind the newest write that it has heard of. */
async function lagOf(client: MongoClient): Promise<number | undefined> {
  const hello = await client.db('admin').command({ hello: 1 });
  if (hello.secondary !== true) return undefined;
  const status = await ifAllowed(client.db('admin').command({ replSetGetStatus: 1 }));
  const members: readonly Document[] = status?.members ?? [];
  const own = members.find((member) => member.self === true)?.optimeDate;
  const newest = Math.max(...members.map((member) => Number(member.optimeDate ?? 0)));
  return own === undefined ? undefined : newest - Number(own);
}

/** Users without a role for it are refused with 13 (Unauthorized). */
async function ifAllowed(asked: Promise<Document>): Promise<Document | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 13) return undefined;
    throw error;
  }
}
