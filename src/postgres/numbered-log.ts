// Reading a log whose items are numbered without a hole, one stream per environment. Within a process one window per
// environment holds the newest items and serves every reader that has caught up; older ones are read by number. Readers
// pull: nothing is queued for anybody. A nudge or the slow poll beneath moves the windows forward. Which tables a log lies in
// is told by its own file.
import type { Nudges } from './nudges.ts';
import { type Store, withDeadline } from './open.ts';

const windowItems = 1_000;
const pollEveryMs = 2_000;

export interface Numbered {
  readonly seq: number;
}

export interface StreamState {
  readonly epoch: string;
  readonly firstSeq: number;
  readonly lastSeq: number;
}

/** The tables of one log. `Part` names a part of a stream that is looked for by an index. */
export interface LogTables<Item extends Numbered, Part> {
  /** Of its nudges: `<topic>:<environment>`. */
  readonly topic: string;
  heads(
    environmentIds: readonly string[],
  ): Promise<readonly { readonly id: string; readonly lastSeq: number }[]>;
  state(environmentId: string): Promise<StreamState | undefined>;
  /** Items after `seq`, oldest first. */
  query(environmentId: string, seq: number, limit: number, part: Part | undefined): Promise<Item[]>;
  belongs(item: Item, part: Part): boolean;
}

export interface ReadOptions<Part> {
  /** Only items of this part. */
  readonly part?: Part | undefined;
  /** Past the window, which may lag a moment behind what is committed. */
  readonly fromTable?: boolean;
}

export interface NumberedLog<Item extends Numbered, Part> {
  state(environmentId: string): Promise<StreamState | undefined>;
  /** Items after `seq`, oldest first. A hole at the beginning means that retention has removed what is missing. */
  read(environmentId: string, seq: number, limit: number, options?: ReadOptions<Part>): Promise<Item[]>;
  /** Keeps the environment's window alive until `release`. */
  follow(environmentId: string): Following;
  close(): void;
}

export interface Following {
  /** Answers when the log has something after `seq`, after `milliseconds`, or when the signal fires; says if it has. */
  wait(seq: number, milliseconds: number, signal: AbortSignal): Promise<boolean>;
  release(): void;
}

interface Window<Item> {
  followers: number;
  items: Item[];
  lastSeq: number;
  advancing: Promise<void> | undefined;
  again: boolean;
  waiters: Set<() => void>;
}

export function openLog<Item extends Numbered, Part>(
  store: Store,
  nudges: Nudges,
  tables: LogTables<Item, Part>,
): NumberedLog<Item, Part> {
  const windows = new Map<string, Window<Item>>();
  const topicStart = `${tables.topic}:`;

  async function advance(environmentId: string, window: Window<Item>): Promise<void> {
    do {
      window.again = false;
      const fresh = await withDeadline(
        store,
        tables.query(environmentId, window.lastSeq, windowItems, undefined),
      );
      const last = fresh.at(-1);
      if (last === undefined) continue;
      window.again ||= fresh.length === windowItems;
      window.items = [...window.items, ...fresh].slice(-windowItems);
      window.lastSeq = last.seq;
      for (const wake of [...window.waiters]) wake();
    } while (window.again);
  }
  function look(environmentId: string): void {
    const window = windows.get(environmentId);
    if (window === undefined) return;
    window.again = true;
    window.advancing ??= advance(environmentId, window)
      .catch(() => {})
      .finally(() => {
        window.advancing = undefined;
      });
  }
  const stopListening = nudges.listen((topic) => {
    if (topic === undefined) for (const id of windows.keys()) look(id);
    else if (topic.startsWith(topicStart)) look(topic.slice(topicStart.length));
  });
  async function poll(): Promise<void> {
    if (windows.size === 0) return;
    const heads = await tables.heads([...windows.keys()]);
    for (const { id, lastSeq } of heads) if (lastSeq > (windows.get(id)?.lastSeq ?? lastSeq)) look(id);
  }
  // One at a time: those that a silent database holds up would only queue.
  let isPolling = false;
  const polling = setInterval(() => {
    if (isPolling) return;
    isPolling = true;
    poll()
      .catch(() => {})
      .finally(() => {
        isPolling = false;
      });
  }, pollEveryMs);

  return {
    state: (environmentId) => withDeadline(store, tables.state(environmentId)),
    read: async (environmentId, seq, limit, { part, fromTable = false } = {}) => {
      const kept = windows.get(environmentId)?.items ?? [];
      const oldest = kept[0]?.seq;
      if (!fromTable && oldest !== undefined && seq >= oldest - 1) {
        const wanted = part === undefined ? kept : kept.filter((item) => tables.belongs(item, part));
        return wanted.filter((item) => item.seq > seq).slice(0, limit);
      }
      return withDeadline(store, tables.query(environmentId, seq, limit, part));
    },
    follow: (environmentId) => follow(windows, environmentId, look),
    close: () => {
      stopListening();
      clearInterval(polling);
    },
  };
}

function follow<Item>(
  windows: Map<string, Window<Item>>,
  environmentId: string,
  look: (id: string) => void,
): Following {
  let window = windows.get(environmentId);
  if (window === undefined) {
    window = {
      followers: 0,
      items: [],
      lastSeq: -1,
      advancing: undefined,
      again: false,
      waiters: new Set(),
    };
    windows.set(environmentId, window);
  }
  const held = window;
  held.followers += 1;
  let released = false;
  return {
    wait: (seq, milliseconds, signal) =>
      new Promise((resolve) => {
        // The first to wait has it looked once; from then on nudges do, and the poll beneath them.
        const isFirst = held.lastSeq < 0;
        if (isFirst && seq >= 0) held.lastSeq = seq;
        if (held.lastSeq > seq || signal.aborted) return resolve(held.lastSeq > seq);
        // However early it fires, it ends the wait: nothing would wake it a second time.
        const timer = setTimeout(finish, milliseconds);
        const wake = () => {
          if (held.lastSeq > seq) finish();
        };
        function finish(): void {
          clearTimeout(timer);
          held.waiters.delete(wake);
          signal.removeEventListener('abort', finish);
          resolve(held.lastSeq > seq);
        }
        held.waiters.add(wake);
        signal.addEventListener('abort', finish);
        if (isFirst) look(environmentId);
      }),
    release: () => {
      if (released) return;
      released = true;
      held.followers -= 1;
      if (held.followers === 0) windows.delete(environmentId);
    },
  };
}
