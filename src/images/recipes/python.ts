// Python with its standard library and pip, in the version Debian has, as a base for builds: root like the official image,
// with a user `app` to change to. There is no compiler in it: packages that come as wheels install, others don't.
import { glob, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { addText, type ImageTree } from '../tree.ts';
import { entryFile, entrypoint } from './entry.ts';
import type { Recipe } from './recipe.ts';

export const python: Recipe = {
  name: 'python',
  madeFrom: 'Debian packages',
  packages: ['python3', 'python3-pip', 'ca-certificates', 'media-types', 'tzdata'],
  take: /^(?:python3.*|ca-certificates|media-types|tzdata)$/,
  version: { ofPackage: /^python3\.\d+$/ },
  keep: [
    'usr/bin/python3*',
    'usr/bin/pip*',
    'usr/lib/python3',
    'usr/lib/python3.*',
    'usr/share/zoneinfo',
    'etc/mime.types',
  ],
  // The mark that tells pip to keep its hands off belongs to a whole Debian, which this isn't.
  leave: /EXTERNALLY-MANAGED$|\/__pycache__$|\/(?:test|tests|idlelib|turtledemo)$|zoneinfo\/(?:right|posix)$/,
  links: { 'usr/bin/python': 'python3' },
  user: { name: 'app', uid: 1000, gid: 1000, home: '/home/app' },
  folders: [{ path: '/home/app', mode: 0o755, own: true }],
  files: [entryFile('language', 'python3')],
  config: {
    environment: { LANG: 'C.UTF-8', PYTHONUNBUFFERED: '1' },
    entrypoint,
    command: ['python3'],
    folder: '/',
    asRoot: true,
  },
  extra: { revision: 1, add: addOwn },
};

/** The bundle that a whole Debian would make when it installs the certificates. */
async function addOwn(tree: ImageTree, unpacked: string): Promise<void> {
  const certificates: string[] = [];
  for await (const path of glob(join(unpacked, 'usr/share/ca-certificates/mozilla/*.crt')))
    certificates.push(path);
  const texts = await Promise.all(certificates.sort().map((path) => readFile(path, 'utf8')));
  const bundle = texts.map((text) => `${text.trim()}\n`).join('');
  addText(tree, '/etc/ssl/certs/ca-certificates.crt', bundle);
  addText(tree, '/usr/lib/ssl/cert.pem', bundle);
}
