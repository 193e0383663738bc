// PostgreSQL. Ready when the server answers a start-up message with an authentication request: while it starts or
// recovers it answers error 57P03 instead, and during its first initialisation it listens on no network at all.
import { bytes, type EngineKind, mebibyte } from '../engine-kind.ts';

export const postgresql: EngineKind = {
  type: 'DATABASE',
  runtime: 'POSTGRESQL',
  check: 'POSTGRESQL',
  title: 'PostgreSQL',
  versions: ['15', '18', '17', '16'].map((version) => ({
    version,
    image: `docker.io/library/postgres:${version}`,
  })),
  port: 5432,
  dataPath: '/var/lib/postgresql/data',
  tmpfs: { '/tmp': 64 * mebibyte, '/run': 16 * mebibyte, '/var/run/postgresql': 16 * mebibyte },
  minimumMemoryMiB: 128,
  stopGraceSeconds: 60,
  handshake: {
    request: startupMessage('berth'),
    accepts: (answer) => answer[0] === 0x52 || (answer[0] === 0x45 && !text(answer).includes('57P03')),
  },
  // A folder of its own within the volume: a volume's root may hold lost+found, and newer images move their default.
  ownVariables: ({ user, password, database }) => ({
    POSTGRES_USER: user,
    POSTGRES_PASSWORD: password,
    POSTGRES_DB: database,
    PGDATA: '/var/lib/postgresql/data/pgdata',
  }),
  url: (host, { user, password, database }) => `postgresql://${user}:${password}@${host}:5432/${database}`,
  customaryVariables: (host, { user, password, database }) => ({
    PGHOST: host,
    PGPORT: '5432',
    PGUSER: user,
    PGPASSWORD: password,
    PGDATABASE: database,
  }),
};

/** Protocol 3.0: length, version, then name and value pairs ending with an empty name. */
function startupMessage(user: string): Uint8Array {
  const body = bytes(`user\0${user}\0database\0${user}\0\0`);
  const message = new Uint8Array(8 + body.length);
  const view = new DataView(message.buffer);
  view.setUint32(0, message.length);
  view.setUint32(4, 0x00030000);
  message.set(body, 8);
  return message;
}

function text(answer: Uint8Array): string {
  return new TextDecoder('latin1').decode(answer);
}
