// From a received push to its build: what the hook announces becomes a build of the service, and the build's lines go back
// to whoever pushed. The pusher travels through git as an opaque text that is written and read here only. A push whose token
// ended on the way is taken back, or the next start would find it kept and build it.
import { z } from 'zod';
import type { Repositories } from '../build/git.ts';
import { runGit } from '../build/git-command.ts';
import { listenForPushes, type Push } from '../build/push-channel.ts';
import type { Control } from '../control/control.ts';
import { recordPush, showPush } from '../control/pushes.ts';
import { isTokenValid } from '../control/token-watch.ts';
import type { Log } from '../log.ts';
import type { Caller } from '../model/callers.ts';

const pusher = z.object({ tokenId: z.string(), tokenName: z.string(), address: z.string().nullable() });

export function writePusher({ tokenId, tokenName, address }: Caller): string {
  return JSON.stringify({ tokenId, tokenName, address: address ?? null } satisfies z.infer<typeof pusher>);
}

export async function acceptPushes(
  control: Control,
  repositories: Repositories,
  socketPath: string,
  logger: Log,
): Promise<{ close(): Promise<void> }> {
  return listenForPushes(
    socketPath,
    async (push, say, signal) => {
      const { repositoryId: serviceId, newSha: sha, context } = push;
      const { address, ...who } = pusher.parse(JSON.parse(context));
      if (!(await isTokenValid(control, who.tokenId))) {
        await takeBack(repositories, push);
        return say('The token was revoked or has expired; the push was taken back.');
      }
      const pushedBy = { ...who, address: address ?? undefined };
      const { subject } = await repositories.commit(serviceId, sha);
      const job = await recordPush(control, { serviceId, sha, subject, pushedBy });
      if (job === undefined) return say('The service is being deleted; the push is kept and not built.');
      await showPush(control, job.id, say, signal);
    },
    (error) => logger.error({ err: error }, 'a push failed'),
  );
}

/** Unless somebody has pushed on top of it: then the branch is theirs. */
async function takeBack(repositories: Repositories, { repositoryId, oldSha, newSha }: Push): Promise<void> {
  const main = 'refs/heads/main';
  const update = /^0+$/.test(oldSha) ? ['-d', main, newSha] : [main, oldSha, newSha];
  await runGit([`--git-dir=${repositories.path(repositoryId)}`, 'update-ref', ...update], {
    environment: repositories.pushEnvironment(repositoryId, ''),
    // git says no more than this when the branch is no longer where it was.
    okCodes: [1, 128],
  });
  if ((await repositories.head(repositoryId)) === newSha)
    throw new Error(
      `${newSha} was pushed to ${repositoryId} with an ended token and could not be taken back`,
    );
}
