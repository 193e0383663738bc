// Hints between processes by LISTEN and NOTIFY. A nudge says only "look again": whoever waits reads the tables. Sent
// after commit, coalesced, with ids and nothing else. A listener that has gone deaf is noticed by its own echo, opened
// again, and everybody looks again.
import type { Sql } from 'postgres';
import { connect, type Store } from './open.ts';

const channel = 'berth';
const coalesceMs = 2;
const againAfterMs = 500;
/** NOTIFY takes 8,000 bytes at most. */
const idsPerMessage = 150;

/** `events:<environment>`, `results:<environment>`, `due`, `checks`, `lines:<job>`, `tokens`. */
export type Topic =
  | `events:${string}`
  | `results:${string}`
  | 'due'
  | 'checks'
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
  const pending = new Set<string>();
  const echo = `echo:${crypto.randomUUID()}`;
  let closed = false;
  let flushing: NodeJS.Timeout | undefined;
  let sending = false;

  function hear(message: string): void {
    for (const topic of message.split(',')) if (!topic.startsWith('echo:')) tell(topic);
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
    for (let from = 0; from < topics.length; from += idsPerMessage) {
      const message = topics.slice(from, from + idsPerMessage).join(',');
      // A lost hint costs time, not truth: the slow poll beneath finds what it would have told.
      await store.raw`select pg_notify(${channel}, ${message})`.catch(() => {});
    }
    sending = false;
    send([]);
  }
  function send(topics: Iterable<string>): void {
    for (const topic of topics) pending.add(topic);
    if (pending.size > 0 && !closed && !sending) flushing ??= setTimeout(() => void flush(), coalesceMs);
  }
  const ear = await openEar(store, { hear, missed: () => tell(undefined), deafAfterMs: 2.4 * echoEveryMs });
  const checking = setInterval(() => {
    send([echo]);
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
