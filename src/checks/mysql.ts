// A look at MySQL or MariaDB, which share a protocol.
import { type Connection, createConnection, type RowDataPacket } from 'mysql2/promise';
import type { CheckTarget } from '../model/monitoring/agent.ts';
import type { CheckType } from './check-type.ts';
import { openSocket } from './connection.ts';
import { lookAtServer, numberOf, type ServerFacts, serverStandard, serverThresholds } from './server-look.ts';
import { noSettings } from './settings.ts';

export const mysql: CheckType = {
  type: 'MYSQL',
  title: 'MySQL or MariaDB',
  description:
    'Whether MySQL or MariaDB signs in and answers; connections in use, memory, size of the database, replication lag.',
  thresholds: serverThresholds,
  standard: serverStandard,
  schema: noSettings,
  settings: {},
  look: (target, _settings, signal) =>
    lookAtServer('MySQL or MariaDB', target, (connected) => talk(target, signal, connected)),
};

async function talk(target: CheckTarget, signal: AbortSignal, connected: () => void): Promise<ServerFacts> {
  const socket = await openSocket(target, signal);
  try {
    const connection = await createConnection({
      stream: socket,
      user: target.user ?? 'root',
      password: target.password ?? '',
      ...(target.database !== undefined && { database: target.database }),
      connectTimeout: 0,
    });
    // Without a listener a connection that breaks between two questions would end the process.
    connection.on('error', () => {});
    connected();
    const facts = await factsOf(connection);
    // A client that just goes is counted by the server as one that was cut off, and logged.
    await connection.end();
    return facts;
  } finally {
    socket.destroy();
  }
}

async function factsOf(connection: Connection): Promise<ServerFacts> {
  const [about] = await rowsOf(connection, 'SELECT VERSION() AS version, @@max_connections AS most');
  const listed = await rowsOf(
    connection,
    "SHOW GLOBAL STATUS WHERE Variable_name IN ('Threads_connected', 'Memory_used')",
  );
  const status = new Map(listed.map((row) => [String(row.Variable_name), row.Value]));
  const [size] = await rowsOf(
    connection,
    'SELECT CASE WHEN DATABASE() IS NOT NULL THEN COALESCE(SUM(data_length + index_length), 0) END AS bytes FROM information_schema.tables WHERE table_schema = DATABASE()',
  );
  return {
    ...productOf(String(about?.version)),
    connections: { used: Number(status.get('Threads_connected')), most: Number(about?.most) },
    memoryBytes: numberOf(status.get('Memory_used')),
    dataBytes: numberOf(size?.bytes),
    ...(await replicationOf(connection)),
  };
}

function productOf(version: string): Pick<ServerFacts, 'product' | 'version'> {
  const product = version.includes('MariaDB') ? 'MariaDB' : 'MySQL';
  return { product, version: version.split('-')[0] ?? '' };
}

/** Only privileged users are told; a server that follows none has no row. */
async function replicationOf(
  connection: Connection,
): Promise<Pick<ServerFacts, 'replicationLagMs' | 'faults'>> {
  let row: RowDataPacket | undefined;
  try {
    [row] = await rowsOf(connection, 'SHOW REPLICA STATUS');
  } catch (error) {
    // What the server answered with an error leaves the connection as it is.
    if (error instanceof Error && 'sqlState' in error && !('fatal' in error && error.fatal)) return {};
    throw error;
  }
  if (row === undefined) return {};
  const lag = numberOf(row.Seconds_Behind_Source ?? row.Seconds_Behind_Master);
  return lag === undefined ? { faults: ['Its replication has stopped.'] } : { replicationLagMs: lag * 1000 };
}

async function rowsOf(connection: Connection, statement: string): Promise<RowDataPacket[]> {
  const [rows] = await connection.query<RowDataPacket[]>(statement);
  return rows;
}
