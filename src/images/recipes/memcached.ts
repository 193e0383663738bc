// memcached, in the version Debian has. It keeps nothing on disk.
import { entryFile, entrypoint } from './entry.ts';
import { nothing, type Recipe } from './recipe.ts';

export const memcached: Recipe = {
  name: 'memcached',
  madeFrom: 'Debian packages',
  packages: ['memcached'],
  take: /^memcached$/,
  version: { ofPackage: /^memcached$/ },
  keep: ['usr/bin/memcached'],
  leave: nothing,
  links: {},
  user: { name: 'memcache', uid: 11211, gid: 11211, home: '/nonexistent' },
  folders: [],
  files: [entryFile('command', 'memcached')],
  config: { environment: {}, entrypoint, command: ['memcached'], folder: '/', port: 11211 },
};
