// Progress of fetching or making an image, as events: at most a few a second, the newest always told in the end.
import type { NewEvent } from '../model/events.ts';
import type { Change } from '../postgres/change.ts';
import { findOpenRedeploys, type RedeployRow } from '../postgres/redeploys.ts';
import type { ImageProgress } from '../runtime/runtime.ts';
import { type Hold, write } from './deps.ts';

const tellEveryMs = 500;

export function progressReporter(
  hold: Hold,
  redeploy: RedeployRow,
): { readonly tell: (progress: ImageProgress) => void; readonly close: () => Promise<void> } {
  let newest: ImageProgress | undefined;
  let writing: Promise<void> = Promise.resolve();
  let waiting = false;
  const closed = new AbortController();
  const signal = AbortSignal.any([hold.signal, closed.signal]);
  const { environmentId, serviceId, id: redeployId } = redeploy;
  function flush(): void {
    waiting = false;
    const told = newest;
    newest = undefined;
    if (told === undefined) return;
    const data = { text: told.text, current: told.current ?? null, total: told.total ?? null };
    const event = {
      environmentId,
      serviceId,
      redeployId,
      type: 'IMAGE_PROGRESS' as const,
      data,
      message: told.text,
    };
    // Progress that can't be told harms nothing; the image is what counts.
    writing = writing.then(() => write(hold, (change) => emitWhileOpen(change, event))).catch(() => {});
  }
  return {
    tell: (progress) => {
      newest = progress;
      if (waiting) return;
      waiting = true;
      void hold.deps.clock.sleep(tellEveryMs, signal).then(flush, () => {});
    },
    close: async () => {
      closed.abort();
      flush();
      await writing;
    },
  };
}

/** Nothing is told of a redeploy after its end: whoever ends one holds the lock of its service, as this does. */
async function emitWhileOpen(
  change: Change,
  event: NewEvent & { readonly serviceId: string },
): Promise<void> {
  const open = await findOpenRedeploys(change.tx, [event.serviceId]);
  if (open.get(event.serviceId)?.id === event.redeployId) change.emit(event);
}
