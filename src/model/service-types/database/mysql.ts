// MySQL and MariaDB, which share a protocol: the server speaks first, and its greeting carries protocol version 10.
import { type Credentials, type EngineKind, mebibyte } from '../engine-kind.ts';

const common = {
  type: 'DATABASE',
  port: 3306,
  dataPath: '/var/lib/mysql',
  tmpfs: {
    '/tmp': 64 * mebibyte,
    '/run': 16 * mebibyte,
    '/run/mysqld': 16 * mebibyte,
    '/var/run/mysqld': 16 * mebibyte,
  },
  minimumMemoryMiB: 256,
  stopGraceSeconds: 60,
  handshake: { accepts: (answer: Uint8Array) => answer.length > 5 && answer[4] === 10 },
  url: (host: string, { user, password, database }: Credentials) =>
    `mysql://${user}:${password}@${host}:3306/${database}`,
  customaryVariables: () => ({}),
} as const;

export const mariadb: EngineKind = {
  ...common,
  runtime: 'MARIADB',
  check: 'MYSQL',
  title: 'MariaDB',
  versions: ['10.11', '11.8', '11.4'].map((version) => ({
    version,
    image: `docker.io/library/mariadb:${version}`,
  })),
  ownVariables: ({ user, password, database }) => ({
    MARIADB_ROOT_PASSWORD: password,
    MARIADB_USER: user,
    MARIADB_PASSWORD: password,
    MARIADB_DATABASE: database,
  }),
};

export const mysql: EngineKind = {
  ...common,
  runtime: 'MYSQL',
  check: 'MYSQL',
  title: 'MySQL',
  minimumMemoryMiB: 512,
  versions: ['8.4', '8.0'].map((version) => ({ version, image: `docker.io/library/mysql:${version}` })),
  ownVariables: ({ user, password, database }) => ({
    MYSQL_ROOT_PASSWORD: password,
    MYSQL_USER: user,
    MYSQL_PASSWORD: password,
    MYSQL_DATABASE: database,
  }),
};
