// What git runs during a push, in a process of its own: first the rules on refs and a note of who pushes what, then, once
// the push is kept, the word to Berth and the progress back to the pusher. It decides nothing about builds. Only Node's own
// modules are loaded, because each push waits for this to start.
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { plainLine } from './plain-text.ts';

interface Update {
  readonly oldSha: string;
  readonly newSha: string;
  readonly ref: string;
}

/** The only branch that is built, and so the only ref that is kept. */
const builtRef = 'refs/heads/main';

/** The server's last line: a connection that ends without it was cut off. No line of text can be equal to it. */
export const endOfProgress = '\u0004';

/** Refuses the whole push, with a sentence, when any of its refs may not be pushed, or nobody would know who pushed. */
export async function preReceive(): Promise<void> {
  const updates = parseUpdates(await text(process.stdin));
  const refused =
    updates.map(refusal).find((sentence) => sentence !== undefined) ?? (await note(updates).catch(notNoted));
  if (refused === undefined) return;
  process.stderr.write(`${plainLine(refused)}\n`);
  process.exitCode = 1;
}

/** Written before the branch moves: should Berth die before it is told of the push, it finds here whose it was. */
async function note(updates: readonly Update[]): Promise<undefined> {
  const context = process.env.BERTH_PUSH_CONTEXT;
  if (context === undefined) return;
  for (const { oldSha, newSha } of updates) {
    const path = notePath(process.env.GIT_DIR ?? '.', newSha);
    const aside = `${path}.${process.pid}`;
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await writeFile(aside, JSON.stringify({ context, oldSha }), { mode: 0o600, flush: true });
    await rename(aside, path);
  }
}

function notNoted(): string {
  return 'Berth could not write down who pushes; nothing was changed. Push again.';
}

/** Where it is noted who pushes this commit. */
export function notePath(repositoryPath: string, sha: string): string {
  return join(repositoryPath, 'berth-pushes', sha);
}

/** One line of git's standard input per ref: old hash, new hash, ref name. */
export function parseUpdates(input: string): Update[] {
  return input
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [oldSha = '', newSha = '', ...ref] = line.split(' ');
      return { oldSha, newSha, ref: ref.join(' ') };
    });
}

/** Why this update is refused; undefined when it isn't. */
export function refusal({ oldSha, newSha, ref }: Update): string | undefined {
  if (!isHash(oldSha) || !isHash(newSha)) return 'Berth could not read what was pushed; nothing was changed.';
  if (!ref.startsWith('refs/heads/'))
    return `Berth keeps only the branch main: ${ref} was refused. Push a branch with: git push <remote> HEAD:main`;
  if (ref !== builtRef)
    return `Berth builds only the branch main: ${ref.slice(11)} was refused. Push it with: git push <remote> ${ref.slice(11)}:main`;
  if (/^0+$/.test(newSha)) return 'The branch main can not be deleted. Remove the service instead.';
  return undefined;
}

function isHash(text: string): boolean {
  return /^[0-9a-f]{40}([0-9a-f]{24})?$/.test(text);
}

/** Tells Berth what was pushed and shows its lines until it is done. The push is kept whatever happens here. */
export async function postReceive(): Promise<void> {
  const update = parseUpdates(await text(process.stdin)).find(({ ref }) => ref === builtRef);
  const socketPath = process.env.BERTH_HOOK_SOCKET;
  if (update === undefined || socketPath === undefined) return;
  const push = {
    repositoryId: process.env.BERTH_REPOSITORY_ID,
    pusherToken: process.env.BERTH_PUSH_CONTEXT,
    oldSha: update.oldSha,
    newSha: update.newSha,
  };
  if (await follow(socketPath, `${JSON.stringify(push)}\n`)) return;
  process.stdout.write("Berth isn't answering; the push is kept and will be built when it is back.\n");
}

/** Prints what the server says; true when the server said that it was done. */
async function follow(socketPath: string, message: string): Promise<boolean> {
  const socket = createConnection(socketPath).setEncoding('utf8');
  // The pusher may be gone at any moment; then nobody is left to tell, and nothing is wrong.
  process.stdout.on('error', () => socket.destroy());
  socket.write(message);
  let rest = '';
  try {
    for await (const chunk of socket) {
      const lines = (rest + String(chunk)).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        if (line === endOfProgress) return true;
        await print(line);
      }
    }
  } catch {
    // Not there, or gone in the middle: the same as an end without the last line.
  }
  return false;
}

/** Waits until the line is taken, so that a slow pusher is felt by the server and not by this process's memory. */
async function print(line: string): Promise<void> {
  if (process.stdout.write(`${plainLine(line)}\n`)) return;
  await new Promise((resolve) => process.stdout.once('drain', resolve).once('error', resolve));
}
