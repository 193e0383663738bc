// What a language is to a build: how a source of it is recognised, and the Dockerfile that is made for one that brings
// none. Also the few lines that all such Dockerfiles share. Each language is a file beside this one.
import type { Procfile } from '../procfile.ts';

/** A root file's text; undefined when there is none. */
export type ReadFile = (path: string) => Promise<string | undefined>;

export interface Source {
  /** Names at the root. */
  readonly files: readonly string[];
  readonly read: ReadFile;
  readonly procfile: Procfile | undefined;
  /** Path within the context of the CA that installs must trust; undefined when the public ones do. */
  readonly certificate: string | undefined;
}

export interface GeneratedBuild {
  readonly dockerfile: string;
  /** Files the Dockerfile copies from the folder `.berth` of the context: name → text. */
  readonly files: Readonly<Record<string, string>>;
}

export interface Language {
  readonly name: string;
  /** What it is recognised by, in words, for the list that a pusher is shown. */
  readonly knownBy: string;
  recognises(files: readonly string[], read: ReadFile): boolean | Promise<boolean>;
  /** BuildInputInvalid when the source is of this language and still can't be built or started. */
  dockerfile(source: Source): GeneratedBuild | Promise<GeneratedBuild>;
}

/** A generated context has two folders, so that nothing of ours gets among the source's files. */
export const sourceFolder = 'source';
export const ownFolder = '.berth';

export const manifestMaxBytes = 1024 * 1024;

/** A user with no rights, by number, since not every base has a name for one. */
export const appUser = '1000:1000';

/** The port of every code service's `web`. */
export const webPort = 8080;

/** A command in the form that no shell reads. */
export function execForm(command: readonly string[]): string {
  return JSON.stringify(command);
}

/** The command of `web` as the Procfile has it, else `otherwise`. */
export function webCommand(procfile: Procfile | undefined, otherwise: readonly string[]): readonly string[] {
  const line = procfile?.get('web');
  return line === undefined ? otherwise : ['/bin/sh', '-c', line];
}

const certificatePath = '/tmp/berth-ca.pem';

/** Lines that run `command` with the CA trusted for these variables. Neither it nor they are left in the image's files. */
export function installLines(
  source: Source,
  command: string,
  options: { owner: string; certificateVariables: readonly string[] },
): readonly string[] {
  if (source.certificate === undefined) return [`RUN ${command}`];
  const trust = options.certificateVariables.map((name) => `${name}=${certificatePath}`).join(' ');
  return [
    `COPY --chown=${options.owner} ${source.certificate} ${certificatePath}`,
    `RUN export ${trust} && ${command} && rm -f ${certificatePath}`,
  ];
}

/** A made Dockerfile as text; undefined lines are left out. */
export function lines(all: readonly (string | undefined)[]): string {
  return `${all.filter((line) => line !== undefined).join('\n')}\n`;
}
