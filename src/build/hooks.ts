// The hook files that git runs on a push, written into a private folder at each start. They are two lines each and only
// lead to hook.ts, so that what a hook does is ordinary checked code. No shell has a part in it.
import { chmod, mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Unavailable } from '../errors.ts';

const interpreter = 'berth-node';

/** `interpreterDirectory` goes first on the PATH of the git process that runs the hooks. */
export async function writeHooks(
  directory: string,
): Promise<{ directory: string; interpreterDirectory: string }> {
  const interpreterDirectory = join(directory, 'bin');
  if (interpreterDirectory.includes(':'))
    throw new Unavailable(`The data folder's path may not contain a colon: ${directory}.`);
  await mkdir(interpreterDirectory, { recursive: true, mode: 0o700 });
  await chmod(directory, 0o700);
  // A #! line ends at a space and after some hundred bytes, and the path of our Node may have either. Found by name on a
  // PATH of our own it may lie anywhere.
  await replace(join(interpreterDirectory, interpreter), (path) => symlink(process.execPath, path));
  const program = JSON.stringify(new URL('./hook.ts', import.meta.url).href);
  for (const [name, main] of [
    ['pre-receive', 'preReceive'],
    ['post-receive', 'postReceive'],
  ] as const) {
    const text = `#!/usr/bin/env ${interpreter}\nimport(${program}).then((hook) => hook.${main}());\n`;
    await replace(join(directory, name), (path) => writeFile(path, text, { mode: 0o700 }));
  }
  return { directory, interpreterDirectory };
}

/** A push that runs at this moment sees the old file or the new one, never half of one. */
async function replace(path: string, make: (path: string) => Promise<void>): Promise<void> {
  const aside = `${path}.${process.pid}`;
  await rm(aside, { force: true });
  await make(aside);
  await rename(aside, path);
}
