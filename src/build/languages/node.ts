// Node.js: known by its package.json. Dependencies are installed the way its lock file asks for; a build script is not
// run, since what it would need besides is the source's own to say in a Dockerfile.
import { z } from 'zod';
import { BuildInputInvalid } from '../faults.ts';
import {
  appUser,
  execForm,
  installLines,
  type Language,
  lines,
  type Source,
  sourceFolder,
  webCommand,
  webPort,
} from './language.ts';

const manifestName = 'package.json';
const locks = ['package-lock.json', 'npm-shrinkwrap.json'];

const strings = z.record(z.string(), z.string());
const manifestShape = z.object({
  main: z.string().optional(),
  scripts: strings.optional(),
  dependencies: strings.optional(),
  optionalDependencies: strings.optional(),
  workspaces: z.unknown().optional(),
});
type Manifest = z.infer<typeof manifestShape>;

export const node: Language = {
  name: 'Node.js',
  knownBy: 'package.json (Node.js)',
  recognises: (files) => files.includes(manifestName),
  async dockerfile(source) {
    const manifest = parseManifest((await source.read(manifestName)) ?? '');
    const command = webCommand(source.procfile, startCommand(manifest, source));
    const text = lines([
      'FROM node:24',
      'ENV NODE_ENV=production HOME=/tmp npm_config_update_notifier=false',
      `RUN mkdir -p /app && chown ${appUser} /app`,
      'WORKDIR /app',
      `USER ${appUser}`,
      ...installAndCopy(manifest, source),
      `ENV PORT=${webPort}`,
      `EXPOSE ${webPort}`,
      'ENTRYPOINT []',
      `CMD ${execForm(command)}`,
    ]);
    return { dockerfile: text, files: {} };
  },
};

function parseManifest(text: string): Manifest {
  let value: unknown;
  try {
    value = JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch (error) {
    throw new BuildInputInvalid(`is not valid JSON: ${(error as Error).message}`, manifestName);
  }
  const parsed = manifestShape.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new BuildInputInvalid(
    `${issue?.path.join('.') || 'its content'}: ${issue?.message ?? 'wrong'}.`,
    manifestName,
  );
}

function startCommand(manifest: Manifest, source: Source): readonly string[] {
  if (manifest.scripts?.start !== undefined) return ['npm', 'start'];
  const main = manifest.main ?? ['index.js', 'server.js'].find((name) => source.files.includes(name));
  if (main !== undefined) return ['node', '--', main];
  if (source.procfile !== undefined) return [];
  throw new BuildInputInvalid(
    'doesn\'t say how to start: add a script "start" or "main", an index.js or server.js, or a Procfile.',
    manifestName,
  );
}

/** With the manifests alone the install is cached from push to push; it needs the whole source when they point into it. */
function installAndCopy(manifest: Manifest, source: Source): readonly string[] {
  const copyAll = `COPY --chown=${appUser} ${sourceFolder}/ ./`;
  const dependencies = { ...manifest.dependencies, ...manifest.optionalDependencies };
  if (Object.keys(dependencies).length === 0 && manifest.workspaces === undefined) return [copyAll];
  const command = locks.some((name) => source.files.includes(name)) ? 'npm ci' : 'npm install';
  const install = installLines(
    source,
    `npm_config_cache=/tmp/npm ${command} --omit=dev --no-audit --no-fund && rm -rf /tmp/npm`,
    { owner: appUser, certificateVariables: ['NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE'] },
  );
  if (needsSource(manifest, dependencies)) return [copyAll, ...install];
  const manifests = [manifestName, ...locks, '.npmrc'].filter((name) => source.files.includes(name));
  const copyManifests = `COPY --chown=${appUser} ${manifests.map((name) => `${sourceFolder}/${name}`).join(' ')} ./`;
  return [copyManifests, ...install, copyAll];
}

function needsSource(manifest: Manifest, dependencies: Readonly<Record<string, string>>): boolean {
  const runAtInstall = [
    'preinstall',
    'install',
    'postinstall',
    'prepublish',
    'preprepare',
    'prepare',
    'postprepare',
  ];
  return (
    manifest.workspaces !== undefined ||
    runAtInstall.some((name) => manifest.scripts?.[name] !== undefined) ||
    Object.values(dependencies).some((version) => /^(?:file:|link:|[./~])/.test(version))
  );
}
