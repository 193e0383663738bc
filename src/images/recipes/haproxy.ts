// HAProxy, in the version Debian has, for the platform's own proxies. The caller gives the configuration file.
import { entryFile, entrypoint } from './entry.ts';
import { nothing, type Recipe } from './recipe.ts';

export const haproxy: Recipe = {
  name: 'haproxy',
  madeFrom: 'Debian packages',
  packages: ['haproxy'],
  take: /^haproxy$/,
  version: { ofPackage: /^haproxy$/ },
  keep: ['usr/sbin/haproxy'],
  leave: nothing,
  links: {},
  user: { name: 'haproxy', uid: 99, gid: 99, home: '/var/lib/haproxy' },
  folders: [
    { path: '/var/lib/haproxy', mode: 0o755, own: true },
    { path: '/usr/local/etc/haproxy', mode: 0o755, own: true },
  ],
  files: [entryFile('graceful', 'haproxy', 'USR1')],
  config: {
    environment: {},
    entrypoint,
    command: ['haproxy', '-f', '/usr/local/etc/haproxy/haproxy.cfg'],
    folder: '/var/lib/haproxy',
  },
};
