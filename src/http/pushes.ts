// From a received push to its build: what the hook announces becomes a build of the service, and the build's lines go back
// to whoever pushed.
import { listenForPushes } from '../build/push-channel.ts';
import type { Control } from '../control/control.ts';
import { type PushedCode, showPush, takePush } from '../control/pushes.ts';
import type { Log } from '../log.ts';

export async function acceptPushes(
  control: Control,
  code: PushedCode,
  socketPath: string,
  logger: Log,
): Promise<{ close(): Promise<void> }> {
  return listenForPushes(
    socketPath,
    async (push, say, signal) => {
      const job = await takePush(control, code, push);
      if (job === 'TAKEN_BACK') return say('The token was revoked or has expired; the push was taken back.');
      if (job === undefined) return say('The service is being deleted; the push is kept and not built.');
      await showPush(control, job.id, say, signal);
    },
    (error) => logger.error({ err: error }, 'a push failed'),
  );
}
