// Redis, in the version Debian has. Like the official image it answers the network also without a password, keeps its data
// in /data and takes any command.
import { readFileSync } from 'node:fs';
import { entryFile, entrypoint } from './entry.ts';
import { nothing, type Recipe } from './recipe.ts';

const start = readFileSync(new URL('./entry/redis-server.sh', import.meta.url), 'utf8');

export const redis: Recipe = {
  name: 'redis',
  madeFrom: 'Debian packages',
  packages: ['redis-server'],
  take: /^redis-(?:server|tools)$/,
  version: { ofPackage: /^redis-server$/ },
  // The server is a link to redis-check-rdb.
  keep: ['usr/bin/redis-server', 'usr/bin/redis-check-rdb', 'usr/bin/redis-cli'],
  leave: nothing,
  links: {},
  user: { name: 'redis', uid: 999, gid: 999, home: '/data' },
  folders: [{ path: '/data', mode: 0o755, own: true }],
  files: [
    entryFile('command', 'redis-server'),
    { path: '/usr/local/bin/redis-server', text: start, mode: 0o755 },
  ],
  config: { environment: {}, entrypoint, command: ['redis-server'], folder: '/data', port: 6379 },
};
