// A look at PostgreSQL with one question that every user may ask. Not by the client of the postgres room: that one keeps a pool
// which connects again by itself, and what it can't read of an answer it throws where nobody can catch it.
import Client from 'pg/lib/client.js';
import type { CheckTarget } from '../model/monitoring/agent.ts';
import type { CheckType } from './check-type.ts';
import { newSocket } from './connection.ts';
import { lookAtServer, numberOf, type ServerFacts, serverStandard, serverThresholds } from './server-look.ts';
import { noSettings } from './settings.ts';

export const postgresql: CheckType = {
  type: 'POSTGRESQL',
  title: 'PostgreSQL',
  description:
    'Whether PostgreSQL signs in and answers; connections in use, size of the database, replication lag.',
  thresholds: serverThresholds,
  standard: serverStandard,
  schema: noSettings,
  settings: {},
  look: (target, _settings, signal) =>
    lookAtServer('PostgreSQL', target, (connected) => talk(target, signal, connected)),
};

// Only some columns of pg_stat_activity are shown for other users' sessions; these are. What has no user is the server's own.
// On a standby that has replayed all it received the last transaction's age would grow while nothing is written.
const question = `
  select current_setting('server_version') as version,
    (select count(*) from pg_stat_activity where datid is not null and usesysid is not null
      and coalesce(backend_type, 'client backend') = 'client backend') as used,
    current_setting('max_connections')::int - case when current_setting('is_superuser') = 'on' then 0 else
      current_setting('superuser_reserved_connections')::int
      + coalesce(current_setting('reserved_connections', true), '0')::int end as most,
    pg_database_size(current_database()) as size,
    case when not pg_is_in_recovery() then (select extract(epoch from max(replay_lag)) from pg_stat_replication)
      when pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() then 0
      else extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp()) end as lag`;

async function talk(
  { host, port, user = 'postgres', password = '', database = user }: CheckTarget,
  signal: AbortSignal,
  connected: () => void,
): Promise<ServerFacts> {
  const socket = newSocket(signal);
  const client = new Client({
    ...{ host, port, user, database, stream: () => socket, ssl: false },
    // As a function, or an empty one would be looked for in variables and files of the looking process.
    password: () => password,
    application_name: 'Berth check',
  });
  client.on('error', () => {});
  try {
    await client.connect();
    connected();
    const [row] = (await client.query(question)).rows;
    const lag = numberOf(row.lag);
    return {
      version: String(row.version).split(' ')[0] ?? '',
      connections: { used: Number(row.used), most: Number(row.most) },
      dataBytes: numberOf(row.size),
      replicationLagMs: lag === undefined ? undefined : lag * 1000,
    };
  } finally {
    socket.destroy();
  }
}
