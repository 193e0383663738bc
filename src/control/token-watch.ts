// Whether tokens in use are still valid: what lives long on a token (a socket, a stream) is told within two seconds when
// the token was revoked or has expired, on every replica. One query for all of them, by nudge and by clock; while the
// database doesn't answer nothing is known and nothing is ended.
import { withDeadline } from '../postgres/open.ts';
import { listValidTokens } from '../postgres/tokens.ts';
import type { Control } from './control.ts';

export interface TokenWatch {
  /** `onInvalid` is called once. Answers with what ends the watching. */
  watch(tokenId: string, onInvalid: () => void): () => void;
  close(): void;
}

const lookEveryMs = 1_500;

/** Whether the token is valid at this moment, for what takes effect long after its caller was identified. */
export async function isTokenValid({ store }: Pick<Control, 'store'>, tokenId: string): Promise<boolean> {
  return (await withDeadline(store, listValidTokens(store.db, [tokenId]))).has(tokenId);
}

export function watchTokens(control: Pick<Control, 'store' | 'nudges'>): TokenWatch {
  const watched = new Map<string, Set<() => void>>();
  let looking = false;
  let again = false;

  async function look(): Promise<void> {
    const ids = [...watched.keys()];
    if (ids.length === 0) return;
    const valid = await withDeadline(control.store, listValidTokens(control.store.db, ids));
    for (const id of ids) if (!valid.has(id)) end(id);
  }
  function end(tokenId: string): void {
    const told = watched.get(tokenId) ?? [];
    watched.delete(tokenId);
    for (const onInvalid of told) onInvalid();
  }
  async function lookAgain(): Promise<void> {
    again = true;
    if (looking) return;
    looking = true;
    try {
      while (again) {
        again = false;
        await look().catch(() => {});
      }
    } finally {
      looking = false;
    }
  }
  const clock = setInterval(() => void lookAgain(), lookEveryMs);
  const stopListening = control.nudges.listen((topic) => {
    if (topic === undefined || topic === 'tokens') void lookAgain();
  });

  return {
    watch: (tokenId, onInvalid) => {
      // A closure of its own: the same function may be given twice.
      const entry = () => onInvalid();
      const entries = watched.get(tokenId) ?? new Set();
      watched.set(tokenId, entries.add(entry));
      return () => {
        entries.delete(entry);
        if (entries.size === 0 && watched.get(tokenId) === entries) watched.delete(tokenId);
      };
    },
    close: () => {
      clearInterval(clock);
      stopListening();
      watched.clear();
    },
  };
}
