// PostgreSQL, in the one major version Debian has, with the variables of the official image (POSTGRES_USER,
// POSTGRES_PASSWORD, POSTGRES_DB, PGDATA) and its user's number, so that a data volume can move between the two.
import { entryFile, entrypoint } from './entry.ts';
import type { Recipe } from './recipe.ts';

export const postgres: Recipe = {
  name: 'postgres',
  madeFrom: 'Debian packages',
  packages: ['postgresql', 'tzdata'],
  take: /^(?:postgresql-\d+|postgresql-client-\d+|tzdata)$/,
  version: { ofPackage: /^postgresql-\d+$/ },
  keep: [
    'usr/lib/postgresql/*/bin/*',
    'usr/lib/postgresql/*/lib',
    'usr/share/postgresql/*',
    'usr/share/zoneinfo',
    'usr/bin/locale',
  ],
  leave:
    /\/(?:bitcode|llvmjit.*|pgxs|man|contrib|sepgsql\.so|pgbench|pg_upgrade)$|zoneinfo\/(?:right|posix)$/,
  onPath: 'usr/lib/postgresql/*/bin/*',
  links: {},
  user: { name: 'postgres', uid: 999, gid: 999, home: '/var/lib/postgresql' },
  folders: [
    { path: '/var/lib/postgresql', mode: 0o755, own: true },
    { path: '/var/lib/postgresql/data', mode: 0o700, own: true },
    { path: '/run/postgresql', mode: 0o1777, own: true },
  ],
  files: [entryFile('postgres')],
  config: {
    environment: { PGDATA: '/var/lib/postgresql/data', LANG: 'C.UTF-8' },
    entrypoint,
    command: ['postgres'],
    folder: '/var/lib/postgresql',
    port: 5432,
  },
};
