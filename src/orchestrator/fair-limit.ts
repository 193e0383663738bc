// So much work at a time, and of one environment less: those whose work hangs hold up nobody else's.
import limitTo, { type LimitFunction } from 'p-limit';

export interface FairLimit {
  run<T>(environmentId: string, work: () => Promise<T>): Promise<T>;
  /** What hasn't begun never does; who waits for it is answered never. */
  clear(): void;
}

export function fairLimit(ofEnvironment: number, most = Number.POSITIVE_INFINITY): FairLimit {
  const all = limitTo(most);
  const limits = new Map<string, { readonly limit: LimitFunction; users: number }>();
  return {
    run: async (environmentId, work) => {
      const own = limits.get(environmentId) ?? { limit: limitTo(ofEnvironment), users: 0 };
      limits.set(environmentId, own);
      own.users += 1;
      try {
        return await own.limit(() => all(work));
      } finally {
        own.users -= 1;
        if (own.users === 0) limits.delete(environmentId);
      }
    },
    clear: () => {
      for (const limit of [...[...limits.values()].map((each) => each.limit), all]) limit.clearQueue();
    },
  };
}
