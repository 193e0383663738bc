// Runs a program of this machine by argument vector, without a shell, and answers with what it wrote. A failure carries
// the end of what the program said. Holds no knowledge of any program.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

export class ProgramFailed extends Error {
  readonly program: string;
  readonly notInstalled: boolean;
  constructor(program: string, message: string, notInstalled: boolean) {
    super(message);
    this.name = 'ProgramFailed';
    this.program = program;
    this.notInstalled = notInstalled;
  }
}

export async function runProgram(
  program: string,
  args: readonly string[],
  options: { readonly folder?: string; readonly signal?: AbortSignal; readonly timeoutSeconds?: number } = {},
): Promise<string> {
  try {
    const { stdout } = await run(program, [...args], {
      ...(options.folder === undefined ? {} : { cwd: options.folder }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
      timeout: (options.timeoutSeconds ?? 120) * 1000,
      maxBuffer: 64 * 1024 * 1024,
      env: environment(),
    });
    return stdout;
  } catch (fault) {
    options.signal?.throwIfAborted();
    throw new ProgramFailed(program, `${program}: ${lastWords(fault)}`, isMissing(fault));
  }
}

/** Untranslated answers, no libraries preloaded from here; proxies of the machine stay. */
function environment(): NodeJS.ProcessEnv {
  const { LD_LIBRARY_PATH: _path, LD_PRELOAD: _preload, ...rest } = process.env;
  return { ...rest, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' };
}

function isMissing(fault: unknown): boolean {
  return fault instanceof Error && 'code' in fault && fault.code === 'ENOENT';
}

function lastWords(fault: unknown): string {
  if (isMissing(fault)) return 'is not installed on this machine';
  const said = fault instanceof Error && 'stderr' in fault ? String(fault.stderr).trim() : '';
  return said === '' ? String(fault) : said.split('\n').slice(-3).join(' ').slice(-600);
}
