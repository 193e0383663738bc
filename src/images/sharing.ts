// One piece of work for all who ask for the same thing at the same time. Everybody hears its progress, a latecomer from the
// newest line on; who gives up leaves alone, and the work itself is given up when nobody is left. Holds no results: a
// finished work is forgotten, and the next asker starts anew.

interface Work<Result, Progress> {
  readonly listeners: Set<(progress: Progress) => void>;
  readonly stop: AbortController;
  last: { readonly progress: Progress } | undefined;
  result: Promise<Result>;
}

export type Sharing<Result, Progress> = (
  key: string,
  work: (onProgress: (progress: Progress) => void, signal: AbortSignal) => Promise<Result>,
  onProgress: (progress: Progress) => void,
  signal: AbortSignal,
) => Promise<Result>;

export function openSharing<Result, Progress>(): Sharing<Result, Progress> {
  const underWay = new Map<string, Work<Result, Progress>>();

  return async (key, work, onProgress, signal) => {
    signal.throwIfAborted();
    const shared = underWay.get(key) ?? begin(key, work);
    // An own function for each asker: two may pass the same one.
    const listener = (progress: Progress): void => onProgress(progress);
    shared.listeners.add(listener);
    if (shared.last) listener(shared.last.progress);
    try {
      return await untilAborted(shared.result, signal);
    } finally {
      shared.listeners.delete(listener);
      if (shared.listeners.size === 0) {
        if (underWay.get(key) === shared) underWay.delete(key);
        shared.stop.abort(new Error(`Nobody waits for ${key} any more.`));
      }
    }
  };

  function begin(key: string, work: Parameters<Sharing<Result, Progress>>[1]): Work<Result, Progress> {
    const stop = new AbortController();
    const listeners = new Set<(progress: Progress) => void>();
    const tell = (progress: Progress): void => {
      shared.last = { progress };
      for (const listener of listeners) listener(progress);
    };
    const shared: Work<Result, Progress> = {
      listeners,
      stop,
      last: undefined,
      result: Promise.resolve() as never,
    };
    underWay.set(key, shared);
    shared.result = work(tell, stop.signal).finally(() => {
      if (underWay.get(key) === shared) underWay.delete(key);
    });
    // Whoever waits hears of the failure; when all have left, nobody needs to.
    shared.result.catch(() => {});
    return shared;
  }
}

function untilAborted<Result>(result: Promise<Result>, signal: AbortSignal): Promise<Result> {
  return new Promise((resolve, reject) => {
    const leave = (): void => reject(signal.reason);
    signal.addEventListener('abort', leave, { once: true });
    result.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave));
  });
}
