// nginx for static files, in the version Debian has, run as its own user from the start. Its temporary files go to /tmp and
// its logs to the container's output whatever the caller's configuration says, so that a read-only root is no obstacle.
import { entryFile, entrypoint } from './entry.ts';
import { nothing, type Recipe } from './recipe.ts';

const settings = `worker_processes 1;
error_log stderr notice;
pid /tmp/nginx.pid;
events {}
http {
  include /etc/nginx/mime.types;
  default_type application/octet-stream;
  access_log /dev/stdout;
  sendfile on;
  include /etc/nginx/conf.d/*.conf;
}
`;

const site = `server {
  listen 80;
  root /usr/share/nginx/html;
}
`;

export const nginx: Recipe = {
  name: 'nginx',
  madeFrom: 'Debian packages',
  packages: ['nginx'],
  take: /^nginx(?:-common)?$/,
  version: { ofPackage: /^nginx$/ },
  keep: ['usr/sbin/nginx', 'etc/nginx/mime.types', 'usr/share/nginx/html/index.html'],
  leave: nothing,
  links: {
    'var/lib/nginx': '/tmp',
    'run/nginx.pid': '/tmp/nginx.pid',
    'var/log/nginx/access.log': '/dev/stdout',
    'var/log/nginx/error.log': '/dev/stderr',
  },
  user: { name: 'nginx', uid: 101, gid: 101, home: '/nonexistent' },
  folders: [
    { path: '/etc/nginx', mode: 0o755, own: true },
    { path: '/etc/nginx/conf.d', mode: 0o755, own: true },
    { path: '/usr/share/nginx/html', mode: 0o755, own: true },
  ],
  files: [
    entryFile('graceful', 'nginx', 'QUIT'),
    { path: '/etc/nginx/nginx.conf', text: settings, mode: 0o644, own: true },
    { path: '/etc/nginx/conf.d/default.conf', text: site, mode: 0o644, own: true },
  ],
  config: {
    environment: {},
    entrypoint,
    command: ['nginx', '-g', 'daemon off;'],
    folder: '/',
    port: 80,
  },
};
