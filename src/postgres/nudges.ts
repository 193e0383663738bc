// Hints between processes by LISTEN and NOTIFY. A nudge says only "look again": whoever waits reads the tables. Sent
// after commit, coalesced, with ids and nothing else. A listener that has gone deaf is noticed by its own echo, opened
// again, and everybody looks again.
import type { Sql } from 'postgres';
import { connect, type Store } from './open.ts';

const channel = 'berth';
const coalesceMs = 2;
const echoEveryMs = 5_000;
const deafAfterMs = 12_000;
/** NOTIFY takes 8,000 bytes at most. */
const idsPerMessage = 150;

/** `events:<environment>`, `due`, `lines:<job>`, `tokens`. */
export type Topic = `events:${string}` | 'due' | `lines:${string}` | 'tokens';

export interface Nudges {
  /** Called after commit. */
  send(topics: Iterable<Topic>): void;
  /** `listener` is also called after a reconnect, when nobody knows what was missed: then with undefined. */
  listen(listener: (topic: string | undefined) => void): () => void;
  close(): Promise<void>;
}

export async function openNudges(store: Store): Promise<Nudges> {
  const listeners = new Set<(topic: string | undefined) => void>();
  const pending = new Set<string>();
  const echo = `echo:${crypto.randomUUID()}`;
  let heardAt = performance.now();
  let closed = false;
  let client = await subscribe();
  let flushing: NodeJS.Timeout | undefined;

  async function subscribe(): Promise<Sql> {
    const fresh = connect(store.url, { maximum: 1, answerWithinMs: store.deadlineMs });
    await fresh.listen(channel, hear, () => tell(undefined));
    heardAt = performance.now();
    return fresh;
  }
  function hear(message: string): void {
    heardAt = performance.now();
    for (const topic of message.split(',')) if (!topic.startsWith('echo:')) tell(topic);
  }
  function tell(topic: string | undefined): void {
    for (const listener of listeners) listener(topic);
  }
  function flush(): void {
    flushing = undefined;
    const topics = [...pending];
    pending.clear();
    for (let from = 0; from < topics.length; from += idsPerMessage) {
      const message = topics.slice(from, from + idsPerMessage).join(',');
      // A lost hint costs time, not truth: the slow poll beneath finds what it would have told.
      store.raw`select pg_notify(${channel}, ${message})`.catch(() => {});
    }
  }
  function send(topics: Iterable<string>): void {
    for (const topic of topics) pending.add(topic);
    if (pending.size > 0 && !closed) flushing ??= setTimeout(flush, coalesceMs);
  }
  async function checkHearing(): Promise<void> {
    send([echo]);
    if (performance.now() - heardAt < deafAfterMs) return;
    heardAt = performance.now();
    const deaf = client;
    client = await subscribe();
    tell(undefined);
    await deaf.end({ timeout: 0 });
  }
  const checking = setInterval(() => void checkHearing().catch(() => {}), echoEveryMs);

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
      await client.end({ timeout: 1 });
    },
  };
}
