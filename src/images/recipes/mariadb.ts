// MariaDB, in the version Debian has, with the variables of the official image (MARIADB_ROOT_PASSWORD, MARIADB_USER,
// MARIADB_PASSWORD, MARIADB_DATABASE) and its user's number, so that a data volume can move between the two.
import { entryFile, entrypoint } from './entry.ts';
import type { Recipe } from './recipe.ts';

const settings = `# What a container needs; options of the command line win.
[mariadbd]
datadir = /var/lib/mysql
bind-address = *
skip-name-resolve
character-set-server = utf8mb4
collation-server = utf8mb4_general_ci
[client]
socket = /run/mysqld/mysqld.sock
`;

export const mariadb: Recipe = {
  name: 'mariadb',
  madeFrom: 'Debian packages',
  packages: ['mariadb-server-core', 'mariadb-client-core', 'mariadb-client'],
  take: /^mariadb-(?:server|client)(?:-core)?$/,
  version: { ofPackage: /^mariadb-server-core$/ },
  keep: [
    'usr/sbin/mariadbd',
    'usr/bin/mariadb',
    'usr/bin/mariadb-admin',
    'usr/bin/mariadb-check',
    'usr/bin/mariadb-dump',
    'usr/bin/mariadb-upgrade',
    'usr/bin/my_print_defaults',
    'usr/share/mysql',
  ],
  leave: /mini-benchmark$|wsrep|debian-start|mysql_test|errmsg-utf8\.txt$/,
  links: { 'usr/bin/mysql': 'mariadb', 'usr/bin/mysqldump': 'mariadb-dump', 'usr/sbin/mysqld': 'mariadbd' },
  user: { name: 'mysql', uid: 999, gid: 999, home: '/var/lib/mysql' },
  folders: [
    { path: '/var/lib/mysql', mode: 0o750, own: true },
    { path: '/run/mysqld', mode: 0o1777, own: true },
  ],
  files: [entryFile('mariadb'), { path: '/etc/mysql/my.cnf', text: settings, mode: 0o644 }],
  config: {
    environment: { LANG: 'C.UTF-8' },
    entrypoint,
    command: ['mariadbd'],
    folder: '/var/lib/mysql',
    port: 3306,
  },
};
