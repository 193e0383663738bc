// Python: known by requirements.txt, pyproject.toml, app.py or main.py. Requirements are installed when there are any; a
// pyproject.toml that lists dependencies is installed as the project it describes.
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

const requirementsName = 'requirements.txt';
const projectName = 'pyproject.toml';
const programs = ['app.py', 'main.py'];

export const python: Language = {
  name: 'Python',
  knownBy: 'requirements.txt, pyproject.toml, app.py or main.py (Python)',
  recognises: (files) => [requirementsName, projectName, ...programs].some((name) => files.includes(name)),
  async dockerfile(source) {
    const command = webCommand(source.procfile, startCommand(source));
    const text = lines([
      'FROM python:3.11',
      'ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp',
      `RUN mkdir -p /app && chown ${appUser} /app`,
      'WORKDIR /app',
      ...(await installAndCopy(source)),
      `USER ${appUser}`,
      `ENV PORT=${webPort}`,
      `EXPOSE ${webPort}`,
      'ENTRYPOINT []',
      `CMD ${execForm(command)}`,
    ]);
    return { dockerfile: text, files: {} };
  },
};

function startCommand(source: Source): readonly string[] {
  const program = programs.find((name) => source.files.includes(name));
  if (program !== undefined) return ['python3', program];
  if (source.procfile !== undefined) return [];
  throw new BuildInputInvalid(
    'This Python source doesn\'t say how to start: add an app.py or main.py, or a Procfile with "web: <command>".',
  );
}

async function installAndCopy(source: Source): Promise<readonly string[]> {
  const copyAll = `COPY --chown=${appUser} ${sourceFolder}/ ./`;
  const requirements = entriesOf((await source.read(requirementsName)) ?? '');
  if (requirements.length > 0) {
    const install = pip(source, `-r ${requirementsName}`);
    // An entry that begins so points to another file of the source.
    if (requirements.some((entry) => /^(?:-|\.|\/|file:)|@\s*file:/.test(entry)))
      return [copyAll, ...install];
    return [`COPY ${sourceFolder}/${requirementsName} ./`, ...install, copyAll];
  }
  const project = (await source.read(projectName)) ?? '';
  return listsDependencies(project) ? [copyAll, ...pip(source, '.')] : [copyAll];
}

function entriesOf(requirements: string): readonly string[] {
  return requirements
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
}

/** Whether the table [project] has a non-empty list of dependencies; the rest of the file is often about tools only. */
function listsDependencies(toml: string): boolean {
  const table = /^\[project\][^\S\n]*(?:#.*)?$([\s\S]*?)(?=^\[(?!\s*["'])|(?![\s\S]))/m.exec(toml)?.[1] ?? '';
  return /^dependencies\s*=\s*\[(?:\s|#.*$)*["']/m.test(table);
}

function pip(source: Source, what: string): readonly string[] {
  const options = '--no-cache-dir --disable-pip-version-check';
  const command = `PIP_BREAK_SYSTEM_PACKAGES=1 PIP_ROOT_USER_ACTION=ignore python3 -m pip install ${options} ${what}`;
  return installLines(source, command, {
    owner: '0:0',
    certificateVariables: ['PIP_CERT', 'SSL_CERT_FILE', 'REQUESTS_CA_BUNDLE'],
  });
}
