// So much work at a time, and of one environment less: those whose work hangs hold up nobody else's.
import limitTo, { type LimitFunction } from 'p-limit';

export interface FairLimit {
  run<T>(environmentId: string, work: () => Promise<T>): Promise<T>;
  /** What hasn't begun never does; who waits for it is answered never. */
  clear(): void;
}

export function fairLimit(ofEnvironment: number, most = Number.POSITIVE_INFINITY): FairLimit {
  const all = limitTo(most);
  const limits = new Map<string, LimitFunction>();
  return {
    run: async (environmentId, work) => {
      const own = limits.get(environmentId) ?? limitTo(ofEnvironment);
      limits.set(environmentId, own);
      try {
        return await own(() => all(work));
      } finally {
        if (own.activeCount + own.pendingCount === 0) limits.delete(environmentId);
      }
    },
    clear: () => {
      for (const limit of [...limits.values(), all]) limit.clearQueue();
    },
  };
}
