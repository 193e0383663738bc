// Hints within this process at once, and between processes by LISTEN and NOTIFY. A nudge says only "look again": whoever
// waits reads the tables. Sent after commit, coalesced, with ids and nothing else. A listener that has gone deaf is noticed
// by its own echo, opened again, and everybody looks again.
import type { Sql } from 'postgres';
import { connect, type Store } from './open.ts';

const channel = 'berth';
const coalesceMs = 2;
const againAfterMs = 500;
/** NOTIFY takes 8,000 bytes at most. */
const idsPerMessage = 150;

/** `events:<environment>`, `results:<environment>`, `due`, `builds`, `deletions`, `checks`, `webhooks`, `lines:<job>`, `tokens`. */
export type Topic =
  | `events:${string}`
  | `results:${string}`
  | 'due'
  | 'builds'
  | 'deletions'
  | 'checks'
  | 'webhooks'
  | `lines:${string}`
  | 'tokens';

export interface Nudges {
  /** Called after commit. */
  send(topics: Iterable<Topic>): void;
  /** `listener` is also called after a reconnect, when nobody knows what was missed: then with undefined. */
  listen(listener: (topic: string | undefined) => void): () => void;
  close(): Promise<void>;
}

export interface NudgeOptions {
  /** How often the listener's hearing is tried. */
  readonly echoEveryMs?: number;
}

export async function openNudges(store: Store, options: NudgeOptions = {}): Promise<Nudges> {
  const { echoEveryMs = 5_000 } = options;
  const listeners = new Set<(topic: string | undefined) => void>();
  /** To be told here, and to the other processes. */
  const near = new Set<string>();
  const pending = new Set<string>();
  /** Begins every message, so that a process doesn't hear twice what it has told itself. */
  const self = crypto.randomUUID();
  let echoDue = false;
  let closed = false;
  let telling: NodeJS.Immediate | undefined;
  let flushing: NodeJS.Timeout | undefined;
  let sending = false;

  function hear(message: string): void {
    const [sender, ...topics] = message.split(',');
    if (sender !== self) for (const topic of topics) tell(topic);
  }
  function tellNear(): void {
    telling = undefined;
    const topics = [...near];
    near.clear();
    for (const topic of topics) tell(topic);
  }
  function tell(topic: string | undefined): void {
    for (const listener of listeners) listener(topic);
  }
  /** One at a time: while the database is slow or silent, what is to be told comes together instead of queueing. */
  async function flush(): Promise<void> {
    flushing = undefined;
    sending = true;
    const topics = [...pending];
    pending.clear();
    // Any message is an echo, one without topics as well.
    echoDue = false;
    for (let from = 0; from === 0 || from < topics.length; from += idsPerMessage)
      await notify(topics.slice(from, from + idsPerMessage));
    sending = false;
    flushSoon();
  }
  /** A lost hint costs time, not truth: the slow poll beneath finds what it would have told. */
  async function notify(topics: readonly string[]): Promise<void> {
    const message = [self, ...topics].join(',');
    await store.raw`select pg_notify(${channel}, ${message})`.catch(() => {});
  }
  function flushSoon(): void {
    if ((pending.size > 0 || echoDue) && !closed && !sending)
      flushing ??= setTimeout(() => void flush(), coalesceMs);
  }
  function send(topics: Iterable<string>): void {
    if (closed) return;
    for (const topic of topics) {
      near.add(topic);
      pending.add(topic);
    }
    if (near.size > 0) telling ??= setImmediate(tellNear);
    flushSoon();
  }
  const ear = await openEar(store, { hear, missed: () => tell(undefined), deafAfterMs: 2.4 * echoEveryMs });
  const checking = setInterval(() => {
    echoDue = true;
    flushSoon();
    ear.check();
  }, echoEveryMs);

  return {
    send,
    listen: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close: async () => {
      closed = true;
      clearInterval(checking);
      clearTimeout(flushing);
      clearImmediate(telling);
      listeners.clear();
      await ear.close();
    },
  };
}

interface Ear {
  /** Listens anew when nothing was heard for too long, not even oneself. */
  check(): void;
  close(): Promise<void>;
}

/** The one connection that listens. Whatever happens to it, there is never a second beside it. */
async function openEar(
  store: Store,
  { hear, missed, deafAfterMs }: { hear(message: string): void; missed(): void; deafAfterMs: number },
): Promise<Ear> {
  let current: Sql | undefined;
  let heardAt = 0;
  let opening: Promise<void> | undefined;
  let retrying: NodeJS.Timeout | undefined;
  let closed = false;

  async function subscribe(): Promise<void> {
    await current?.end({ timeout: 0 });
    const fresh: Sql = connect(store.url, {
      maximum: 1,
      answerWithinMs: store.deadlineMs,
      onEnd: () => {
        if (fresh === current) listenAgain();
      },
      onNotify: (_channel, message) => {
        if (fresh !== current) return;
        heardAt = performance.now();
        hear(message);
      },
    });
    current = fresh;
    heardAt = performance.now();
    await fresh.unsafe(`listen ${channel}`);
  }
  function listenAgain(): void {
    if (closed) return;
    opening ??= subscribe()
      .then(missed, () => {
        retrying ??= setTimeout(() => {
          retrying = undefined;
          listenAgain();
        }, againAfterMs);
      })
      .finally(() => {
        opening = undefined;
      });
  }

  try {
    await subscribe();
  } catch (error) {
    closed = true;
    await current?.end({ timeout: 0 });
    throw error;
  }
  return {
    check: () => {
      if (performance.now() - heardAt > deafAfterMs) listenAgain();
    },
    close: async () => {
      closed = true;
      clearTimeout(retrying);
      await current?.end({ timeout: 0 });
      await opening;
      await current?.end({ timeout: 0 });
    },
  };
}
