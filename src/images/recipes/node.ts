// Node as a base for builds: the very binary that runs Berth, with its libraries, and npm's tree from this machine. Root
// like the official image, with its user `node` to change to. Neither git nor a compiler is in it.
import { constants } from 'node:fs';
import { access, readFile, realpath } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { addHostProgram } from '../closure.ts';
import { addFromDisk, addLink, type ImageTree } from '../tree.ts';
import { entryFile, entrypoint } from './entry.ts';
import { nothing, type Recipe } from './recipe.ts';

const { node: version } = process.versions;

export const node: Recipe = {
  name: 'node',
  madeFrom: 'the Node that runs Berth',
  packages: [],
  take: nothing,
  version: { fixed: version },
  keep: [],
  leave: nothing,
  links: {
    'usr/local/bin/nodejs': 'node',
    'usr/local/bin/npm': '../lib/node_modules/npm/bin/npm-cli.js',
    'usr/local/bin/npx': '../lib/node_modules/npm/bin/npx-cli.js',
  },
  user: { name: 'node', uid: 1000, gid: 1000, home: '/home/node' },
  folders: [{ path: '/home/node', mode: 0o755, own: true }],
  files: [entryFile('language', 'node')],
  config: {
    environment: { NODE_VERSION: version, NPM_CONFIG_UPDATE_NOTIFIER: 'false' },
    entrypoint,
    command: ['node'],
    folder: '/',
    asRoot: true,
  },
  inputs: async () => [version, (await findNpm())?.version ?? 'no npm'],
  extra: { revision: 1, add: addOwn },
};

async function addOwn(tree: ImageTree): Promise<void> {
  await addHostProgram(tree, '/usr/local/bin/node', process.execPath);
  const npm = await findNpm();
  if (!npm) throw new Error('npm was not found beside Node or on the PATH.');
  await addFromDisk(tree, '/usr/local/lib/node_modules/npm', npm.folder, /\/npm\/(?:docs|man)$/);
  addLink(tree, 'usr/bin/node', '/usr/local/bin/node');
}

/** npm's own folder: what started us, else beside node, else the one on the PATH. It brings its modules along. */
async function findNpm(): Promise<{ folder: string; version: string } | undefined> {
  const beside = join(dirname(process.execPath), '../lib/node_modules/npm/bin/npm-cli.js');
  const onPath = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, 'npm'));
  for (const path of [process.env.npm_execpath ?? '', beside, ...onPath]) {
    const folder = dirname(dirname(await realpath(path).catch(() => '/')));
    const found = await readNpm(folder);
    if (found) return { folder, version: found };
  }
  return undefined;
}

async function readNpm(folder: string): Promise<string | undefined> {
  try {
    await access(join(folder, 'node_modules'), constants.R_OK);
    const facts: unknown = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
    if (typeof facts !== 'object' || facts === null || !('name' in facts) || facts.name !== 'npm')
      return undefined;
    return 'version' in facts ? String(facts.version) : undefined;
  } catch {
    return undefined;
  }
}
