// From a received push to its build: what the hook announces becomes a build of the service, and the build's lines go back
// to whoever pushed. The pusher travels through git as an opaque text that is written and read here only.
import { z } from 'zod';
import type { Repositories } from '../build/git.ts';
import { listenForPushes } from '../build/push-channel.ts';
import type { Control } from '../control/control.ts';
import { recordPush, showPush } from '../control/pushes.ts';
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
    async ({ repositoryId: serviceId, newSha: sha, context }, say, signal) => {
      const { address, ...who } = pusher.parse(JSON.parse(context));
      const pushedBy = { ...who, address: address ?? undefined };
      const { subject } = await repositories.commit(serviceId, sha);
      const job = await recordPush(control, { serviceId, sha, subject, pushedBy });
      if (job === undefined) return say('The service is being deleted; the push is kept and not built.');
      await showPush(control, job.id, say, signal);
    },
    (error) => logger.error({ err: error }, 'a push failed'),
  );
}
