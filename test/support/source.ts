// A source in a git repository of its own, pushed by the real git.
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface Source {
  /** Commits these files beside those that are there; null removes one. */
  commit(files: Readonly<Record<string, string | null>>, message?: string): Promise<string>;
  /** What git said of the push, be it refused or not. */
  push(remote: string, refs?: string): Promise<{ readonly accepted: boolean; readonly said: string }>;
  remove(): Promise<void>;
}

export async function newSource(): Promise<Source> {
  const folder = await mkdtemp(join(tmpdir(), 'berth-source-'));
  const who = ['-c', 'user.name=Tester', '-c', 'user.email=tester@localhost', '-c', 'commit.gpgSign=false'];
  const git = async (...args: string[]) => run('git', [...who, ...args], { cwd: folder });
  await git('init', '--quiet', '--initial-branch=main');
  return {
    commit: async (files, message = 'Change') => {
      for (const [name, text] of Object.entries(files)) {
        const path = join(folder, name);
        await mkdir(dirname(path), { recursive: true });
        if (text === null) await rm(path);
        else await writeFile(path, text);
      }
      await git('add', '--all');
      await git('commit', '--quiet', '--allow-empty', '--message', message);
      return (await git('rev-parse', 'HEAD')).stdout.trim();
    },
    push: (remote, refs = 'main') =>
      git('push', '--force', remote, refs).then(
        ({ stderr }) => ({ accepted: true, said: stderr }),
        ({ stderr }: { stderr: string }) => ({ accepted: false, said: stderr }),
      ),
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}
