// Running a program as root: directly when we are, else through sudo where it asks for no password. Nothing else here.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { Unavailable } from '../errors.ts';

const run = promisify(execFile);

/** What stands before the argument vector of a program that runs as root. */
export type Administrator = readonly string[];

export async function findAdministrator(): Promise<Administrator> {
  if (process.getuid?.() === 0) return [];
  try {
    await run('sudo', ['-n', 'true'], { timeout: 10_000 });
    return ['sudo', '-n', '--'];
  } catch {
    throw new Unavailable(
      'No Docker Engine answers, and this user may not install or start one. Run "sudo apt-get install docker.io" and ' +
        'add the user to the group "docker", start Berth once as root, or set DOCKER_HOST to an engine elsewhere.',
    );
  }
}

/** Rejects with what the program wrote to stderr in the message. */
export async function asAdministrator(
  administrator: Administrator,
  vector: readonly string[],
  options: { timeoutMilliseconds: number },
): Promise<string> {
  const [program = '', ...args] = [...administrator, ...vector];
  const { stdout } = await run(program, args, {
    timeout: options.timeoutMilliseconds,
    maxBuffer: 64 * 1024 * 1024,
  });
  return stdout;
}
