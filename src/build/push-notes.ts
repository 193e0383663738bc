// What the hook noted of a push before the branch moved (hook.ts writes it): for when its word to Berth was lost.
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { notePath } from './hook.ts';

const pushNote = z.object({ context: z.string(), oldSha: z.string().regex(/^[0-9a-f]{40}([0-9a-f]{24})?$/) });

/** `context` as it was given to pushEnvironment; `oldSha` all zeros for the first push. */
export type PushNote = z.infer<typeof pushNote>;

export async function findPush(repositoryPath: string, sha: string): Promise<PushNote | undefined> {
  try {
    return pushNote.parse(JSON.parse(await readFile(notePath(repositoryPath, sha), 'utf8')));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
