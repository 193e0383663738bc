// How git is run: with an argument vector, a deadline, and an environment of our own in which neither the user's nor the
// system's git configuration has a say. What git is asked for is in git.ts and http-backend.ts.
import { execFile, spawn } from 'node:child_process';
import { PassThrough, type Readable } from 'node:stream';
import { finished } from 'node:stream/promises';

/** git itself failed or is missing. Not the fault of what was pushed. */
export class GitFault extends Error {
  readonly exitCode: number | undefined;
  constructor(operation: string, detail: string, exitCode?: number) {
    super(`git ${operation} failed: ${detail.trim().slice(0, 2000)}`);
    this.name = 'GitFault';
    this.exitCode = exitCode;
  }
}

const commandTimeoutMs = 30_000;

/** Settings given with each call instead of in files: a repository can't lose or change them. */
const settings: Readonly<Record<string, string>> = {
  'init.defaultBranch': 'main',
  'core.fsmonitor': 'false',
  // Archives give the modes that a checkout with the usual umask would have.
  'tar.umask': '0022',
  'gc.autoDetach': 'false',
  'http.receivepack': 'true',
  'http.uploadpack': 'true',
  'receive.denyDeletes': 'true',
  'receive.denyDeleteCurrent': 'true',
  'receive.maxInputSize': String(512 * 1024 * 1024),
  'receive.fsckObjects': 'true',
  // Old blemishes that many public histories carry and that harm nothing.
  'receive.fsck.badTimezone': 'ignore',
  'receive.fsck.missingSpaceBeforeDate': 'ignore',
  'receive.fsck.zeroPaddedFilemode': 'ignore',
  'transfer.advertiseObjectInfo': 'false',
};

/** The whole environment of a git process; nothing else of this process's environment reaches it. */
export function gitEnvironment(
  home: string,
  more: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const environment: Record<string, string> = {
    PATH: process.env.PATH ?? '/usr/local/bin:/usr/bin:/bin',
    HOME: home,
    LC_ALL: 'C.UTF-8',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_ATTR_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_LITERAL_PATHSPECS: '1',
    GIT_OPTIONAL_LOCKS: '0',
  };
  return { ...environment, ...configuration({ ...settings, ...more }) };
}

function configuration(values: Readonly<Record<string, string>>): Record<string, string> {
  const entries = Object.entries(values);
  const environment: Record<string, string> = { GIT_CONFIG_COUNT: String(entries.length) };
  for (const [index, [key, value]] of entries.entries()) {
    environment[`GIT_CONFIG_KEY_${index}`] = key;
    environment[`GIT_CONFIG_VALUE_${index}`] = value;
  }
  return environment;
}

/** What git printed. `okCodes` are exit codes that are answers, not failures. */
export function runGit(
  args: readonly string[],
  options: { environment: Record<string, string>; maxBytes?: number; okCodes?: readonly number[] },
): Promise<{ code: number; output: Buffer }> {
  return new Promise((resolve, reject) => {
    const limits = { timeout: commandTimeoutMs, maxBuffer: options.maxBytes ?? 16 * 1024 * 1024 };
    execFile(
      'git',
      [...args],
      { env: options.environment, encoding: 'buffer', cwd: '/', ...limits },
      (error, output, errorOutput) => {
        if (error === null) return resolve({ code: 0, output });
        if (typeof error.code === 'number' && options.okCodes?.includes(error.code))
          return resolve({ code: error.code, output });
        const detail = errorOutput.length > 0 ? errorOutput.toString('utf8') : error.message;
        reject(
          new GitFault(operationOf(args), detail, typeof error.code === 'number' ? error.code : undefined),
        );
      },
    );
  });
}

/** git's output as a stream that ends only when git has ended well; destroying it ends git. */
export function streamGit(args: readonly string[], environment: Record<string, string>): Readable {
  const child = spawn('git', [...args], { env: environment, cwd: '/', stdio: ['ignore', 'pipe', 'pipe'] });
  const result = new PassThrough();
  const errors: Buffer[] = [];
  child.stderr.on('data', (chunk: Buffer) => {
    if (errors.length < 16) errors.push(chunk);
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  child.stdout.on('error', (error) => result.destroy(error));
  child.stdout.pipe(result, { end: false });
  ended.then(
    (code) => {
      if (code === 0) result.end();
      else
        result.destroy(
          new GitFault(operationOf(args), Buffer.concat(errors).toString('utf8'), code ?? undefined),
        );
    },
    (error: Error) => result.destroy(new GitFault(operationOf(args), error.message)),
  );
  finished(result).catch(() => {
    child.stdout.destroy();
    child.kill('SIGTERM');
  });
  return result;
}

function operationOf(args: readonly string[]): string {
  return args.find((arg) => !arg.startsWith('-')) ?? '';
}
