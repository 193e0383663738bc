// Holds the architecture: who may import whom, where each package is at home, how long a file may be, which calls are
// banned and why, and what may lie at the top. Types and formatting are tsc's and Biome's. Reads the tree as text: Biome's
// format makes imports regular enough for two expressions.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';

interface Source {
  readonly path: string;
  readonly text: string;
}

const root = new URL('..', import.meta.url).pathname;

/** Beside itself, a room may import these; all may import what lies directly in src, but for main.ts. */
const rooms: Readonly<Record<string, readonly string[]>> = {
  model: [],
  postgres: ['model'],
  runtime: ['model'],
  build: ['model'],
  proxy: ['model'],
  checks: ['model'],
  certificates: ['model'],
  webhooks: ['model'],
  images: ['runtime', 'model'],
  control: ['postgres', 'certificates', 'checks', 'model'],
  orchestrator: [
    'postgres',
    'runtime',
    'build',
    'images',
    'proxy',
    'certificates',
    'checks',
    'webhooks',
    'model',
  ],
  graphql: ['control', 'model'],
  http: ['graphql', 'control', 'build', 'model'],
  agents: ['checks', 'model'],
  setup: ['runtime'],
  console: [],
};

/** Each package's home; a room named twice would be a second home, and then the wrapper of the first is missing. */
const homes: Readonly<Record<string, readonly string[]>> = {
  '@graphql-yoga/render-graphiql': ['http'],
  '@peculiar/x509': ['certificates'],
  '@pothos/core': ['graphql'],
  '@pothos/plugin-complexity': ['graphql'],
  '@pothos/plugin-dataloader': ['graphql'],
  '@pothos/plugin-errors': ['graphql'],
  '@pothos/plugin-relay': ['graphql'],
  '@pothos/plugin-scope-auth': ['graphql'],
  '@redis/client': ['checks'],
  'acme-client': ['certificates'],
  dataloader: ['graphql'],
  'dockerfile-ast': ['build'],
  dockerode: ['runtime'],
  'drizzle-orm': ['postgres'],
  // The server speaks the protocol's words (documents, errors, codes) that the schema's room is made of.
  graphql: ['graphql', 'http'],
  'graphql-ws': ['http'],
  'graphql-yoga': ['http'],
  mongodb: ['checks'],
  mysql2: ['checks'],
  nodemailer: ['webhooks'],
  // One connection for one question; postgres is for the rows of our own. See src/checks/postgresql.ts.
  pg: ['checks'],
  pino: ['log.ts'],
  postgres: ['postgres'],
  standardwebhooks: ['webhooks'],
  tldts: ['control'],
  uuid: ['ids.ts'],
  ws: ['http'],
  // Small tools rather than technologies: no wrapper would be shorter than the call.
  'p-limit': ['agents', 'images', 'runtime', 'orchestrator'],
  'tar-stream': ['build', 'images', 'runtime'],
  zod: [
    'agents',
    'build',
    'checks',
    'config.ts',
    'control',
    'graphql',
    'http',
    'postgres',
    'runtime',
    'version.ts',
  ],
};

const longestFile = 300;

const bans: readonly { pattern: RegExp; where: RegExp; reason: string }[] = [
  {
    pattern:
      /import\s*\{[^}]*\bexec(Sync)?\b[^}]*\}\s*from 'node:child_process'|child_process\.exec(Sync)?\(/,
    where: /./,
    reason: 'exec runs a shell; use execFile or spawn with an argument vector',
  },
  {
    pattern: /\bshell:\s*(true|')/,
    where: /./,
    reason: 'no shell: whatever a caller names would become its words',
  },
  {
    pattern: /\bMath\.random\(/,
    where: /./,
    reason: 'guessable and not repeatable; ids come from node:crypto',
  },
  {
    pattern: /\bconsole\.\w+\(/,
    where: /^src\/(?!main\.ts|setup\/|console\/)/,
    reason: 'logging goes through log.ts',
  },
  {
    pattern: /\bprocess\.exit\(/,
    where: /^src\/(?!main\.ts|setup\/|agents\/\w+\/main\.ts)/,
    reason: 'only main.ts ends; it closes first',
  },
  {
    pattern: /\bDate\.now\(|\bnew Date\(\)|\bperformance\.now\(|\brandomUUID\(/,
    where: /^src\/model\//,
    reason: 'the model is pure: time and ids are passed in',
  },
  {
    pattern:
      /await new Promise\(\(\w+\) => setTimeout\(\w+, [\d_]{3,}\)|await (sleep|wait|setTimeout|delay)\([\d_]{3,}\)/,
    where: /^test\/.*\.test\.ts$/,
    reason:
      'a blind sleep is slow when it passes and wrong when it fails; wait for the fact (vi.waitFor, expect.poll)',
  },
  {
    pattern: /\b(test|it|describe)\.(only|skip|todo)\(/,
    where: /^test\//,
    reason: 'a test runs or is not there',
  },
];

const topLevel = [
  ...['.biome.json', '.ci', '.drizzle.config.ts', '.gitignore', '.npmrc', 'LICENSE', 'README.md', 'drizzle'],
  ...['package-lock.json', 'package.json', 'schema.graphql', 'src', 'test', 'tsconfig.json'],
];

/** Where packages and images come from is the machine's to say, not the repository's. Written so as not to match itself. */
const registryAddress =
  /registry\W?(npmjs|yarnpkg)|registry-1\W?docker|(deb|security)\W?debian\W?org|pypi\W?org|ghcr\W?io\//;

function violations(sources: readonly Source[], declared: readonly string[]): string[] {
  return sources.flatMap((source) => [
    ...importsOf(source, declared),
    ...lengthOf(source),
    ...bansIn(source),
  ]);
}

function importsOf(source: Source, declared: readonly string[]): string[] {
  if (!source.path.startsWith('src/')) return [];
  const room = source.path.split('/')[1] ?? '';
  return specifiers(source.text).flatMap((specifier) => {
    const wrong = specifier.startsWith('.')
      ? ofRoom(room, source.path, specifier)
      : specifier.startsWith('node:')
        ? room === 'model' && 'the model does no I/O and knows no platform'
        : ofPackage(room, specifier, declared);
    return wrong ? [`${source.path} imports ${specifier}: ${wrong}`] : [];
  });
}

function specifiers(text: string): string[] {
  const code = text.replace(/^\s*(\/\/|\*|\/\*).*$/gm, '');
  const statements = code.matchAll(/^\s*(?:import|export)\b(?:[^;'"]*?\bfrom)?\s*'([^']+)'/gm);
  const calls = code.matchAll(/\bimport\(\s*'([^']+)'/g);
  return [...statements, ...calls].flatMap((match) => match[1] ?? []);
}

function ofRoom(room: string, path: string, specifier: string): string | false {
  const [top, target = '', ...deeper] = join(dirname(path), specifier).split('/');
  if (top !== 'src') return 'src imports nothing outside src';
  if (room === 'main.ts' || room === target) return false;
  if (deeper.length === 0) return target === 'main.ts' && 'main.ts constructs; nothing imports it';
  const allowed = rooms[room] ?? [];
  return !allowed.includes(target) && `${room} may import only ${allowed.join(', ') || 'itself'}`;
}

function ofPackage(room: string, specifier: string, declared: readonly string[]): string | false {
  const name = specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
  if (!declared.includes(name)) return `${name} is not among the dependencies in package.json`;
  const home = homes[name];
  if (home === undefined) return `${name} has no home in test/tidy.test.ts yet`;
  return !home.includes(room) && `${name} is at home in ${home.join(', ')}`;
}

function lengthOf({ path, text }: Source): string[] {
  const lines = text.split('\n').length - 1;
  return lines > longestFile
    ? [`${path} has ${lines} lines; ${longestFile} is the limit: it holds two stories`]
    : [];
}

function bansIn({ path, text }: Source): string[] {
  if (path === 'test/tidy.test.ts') return [];
  return bans
    .filter((ban) => ban.where.test(path))
    .flatMap(({ pattern, reason }) => {
      const at = text.search(pattern);
      return at < 0 ? [] : [`${path}:${text.slice(0, at).split('\n').length}: ${reason}`];
    });
}

/** Tracked files and those about to be; not what git ignores. */
function files(): string[] {
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
  });
  return [...new Set(listed.toString().split('\0'))].filter(
    (path) => path !== '' && existsSync(join(root, path)),
  );
}

const read = (path: string): string => readFileSync(join(root, path), 'utf8');

test('every file keeps to its room, its length and the calls that are allowed', () => {
  const sources = files()
    .filter((path) => /^(src|test)\/.*\.(ts|mjs)$/.test(path))
    .map((path) => ({ path, text: read(path) }));
  expect(sources.length).toBeGreaterThan(50);
  const declared = Object.keys(JSON.parse(read('package.json')).dependencies);
  expect(violations(sources, declared)).toEqual([]);
});

test('the top of the repository holds what is known, and no room is nameless', () => {
  const paths = files();
  const tops = [...new Set(paths.map((path) => path.split('/')[0] ?? ''))];
  expect(tops.filter((top) => !topLevel.includes(top))).toEqual([]);
  const found = paths.filter((path) => /^src\/[^/]+\//.test(path)).map((path) => path.split('/')[1] ?? '');
  expect([...new Set(found)].filter((room) => !(room in rooms))).toEqual([]);
});

test('no tracked file names the address of a package registry', () => {
  expect(files().filter((path) => registryAddress.test(read(path)))).toEqual([]);
});

test.each([
  ['src/model/a.ts', "import { readFileSync } from 'node:fs';", 'no I/O'],
  ['src/model/a.ts', "import type {\n  Rows,\n} from '../postgres/rows.ts';", 'may import only itself'],
  ['src/control/a.ts', "export type { Runtime } from '../runtime/runtime.ts';", 'may import only'],
  ['src/http/a.ts', "import '../postgres/open.ts';", 'may import only'],
  ['src/graphql/a.ts', "const rows = await import('../postgres/rows.ts');", 'may import only'],
  ['src/orchestrator/a.ts', "import Docker from 'dockerode';", 'at home in runtime'],
  ['src/postgres/a.ts', "import { z } from 'left-pad';", 'not among the dependencies'],
  ['src/graphql/a.ts', "import { main } from '../main.ts';", 'nothing imports it'],
  ['src/build/a.ts', "import { exec, spawn } from 'node:child_process';", 'argument vector'],
  ['src/build/a.ts', 'spawn(name, [], { shell: true });', 'no shell'],
  ['src/model/a.ts', 'const now = new Date();', 'passed in'],
  ['test/a.test.ts', 'await new Promise((done) => setTimeout(done, 500));', 'blind sleep'],
  ['src/proxy/a.ts', '\n'.repeat(301), '300 is the limit'],
])('a breach in %s is found (case %#)', (path, text, expected) => {
  expect(violations([{ path, text }], ['dockerode'])).toEqual([expect.stringContaining(expected)]);
});
