// A static site: known by an index.html. Served by nginx with a configuration of our own, which needs nothing of the base
// but the program, so that any build of nginx will do.
import { appUser, execForm, type Language, lines, ownFolder, sourceFolder, webPort } from './language.ts';

const configurationPath = '/etc/berth/nginx.conf';

export const staticSite: Language = {
  name: 'static site',
  knownBy: 'index.html (static site)',
  recognises: (files) => files.includes('index.html'),
  dockerfile(source) {
    const web = source.procfile?.get('web');
    const serve = ['nginx', '-e', 'stderr', '-c', configurationPath];
    const text = lines([
      'FROM nginx:1',
      `COPY ${ownFolder}/nginx.conf ${configurationPath}`,
      `COPY ${sourceFolder}/ /srv/site/`,
      'WORKDIR /srv/site',
      `USER ${appUser}`,
      `ENV PORT=${webPort}`,
      `EXPOSE ${webPort}`,
      'STOPSIGNAL SIGQUIT',
      'ENTRYPOINT []',
      `CMD ${execForm(web === undefined ? serve : ['/bin/sh', '-c', web])}`,
    ]);
    return { dockerfile: text, files: { 'nginx.conf': configuration() } };
  },
};

/** File name endings by media type. */
const mediaTypes: Readonly<Record<string, string>> = {
  'text/html': 'html htm',
  'text/css': 'css',
  'text/javascript': 'js mjs',
  'text/plain': 'txt',
  'text/markdown': 'md',
  'text/xml': 'xml',
  'text/csv': 'csv',
  'application/json': 'json map',
  'application/manifest+json': 'webmanifest',
  'application/rss+xml': 'rss',
  'application/atom+xml': 'atom',
  'application/pdf': 'pdf',
  'application/wasm': 'wasm',
  'application/zip': 'zip',
  'font/woff': 'woff',
  'font/woff2': 'woff2',
  'font/ttf': 'ttf',
  'font/otf': 'otf',
  'image/png': 'png',
  'image/jpeg': 'jpg jpeg',
  'image/gif': 'gif',
  'image/webp': 'webp',
  'image/avif': 'avif',
  'image/svg+xml': 'svg svgz',
  'image/x-icon': 'ico',
  'audio/mpeg': 'mp3',
  'audio/ogg': 'ogg',
  'video/mp4': 'mp4',
  'video/webm': 'webm',
};

/** Everything it writes goes to /tmp or to the log, so that it runs without rights on a read-only root. */
function configuration(): string {
  const types = Object.entries(mediaTypes).map(([type, endings]) => `    ${type} ${endings};`);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  return lines([
    'daemon off;',
    'worker_processes 1;',
    'pid /tmp/nginx.pid;',
    'error_log stderr warn;',
    'events { worker_connections 1024; }',
    'http {',
    '  types {',
    ...types,
    '  }',
    '  default_type application/octet-stream;',
    '  charset utf-8;',
    '  charset_types text/css text/javascript text/plain text/markdown text/csv application/json;',
    '  access_log /dev/stdout;',
    '  sendfile on;',
    '  server_tokens off;',
    // Behind a proxy an absolute redirect would name this port.
    '  absolute_redirect off;',
    '  gzip on;',
    '  gzip_types text/css text/javascript text/plain text/xml application/json image/svg+xml;',
    ...temporary.map((name) => `  ${name}_temp_path /tmp/nginx-${name};`),
    '  server {',
    `    listen ${webPort};`,
    '    root /srv/site;',
    '    index index.html;',
    '    location ^~ /.well-known/ { try_files $uri =404; }',
    '    location ~ /\\. { return 404; }',
    '    location / { try_files $uri $uri/ $uri.html =404; }',
    '  }',
    '}',
  ]);
}
