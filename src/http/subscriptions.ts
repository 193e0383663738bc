// The life of a subscription, whatever carries it: it takes one of the process's places, ends when its operation is
// ended, and then gives its source back. A source that waits for an event is woken by the signal in its context.
import { isAsyncIterable, type Plugin } from 'graphql-yoga';
import { limitError } from '../graphql/limits.ts';
import type { EdgeLimits } from './limits.ts';

/** Why an operation was ended from outside. */
export type Ending = 'LEFT' | 'TOKEN_INVALID' | 'CLOSING';

/** What the carrier of an operation gives to it; part of what GraphQL calls the context. */
export interface Operation {
  /** Aborted, with an Ending as reason, when nobody waits for the operation any more. */
  readonly ending: AbortController;
}

export function useSubscriptions({ subscriptionsPerProcess: most }: EdgeLimits): Plugin<Operation> {
  let live = 0;
  return {
    onSubscribe({ subscribeFn, setSubscribeFn }) {
      setSubscribeFn(async (args) => {
        const { ending }: Operation = args.contextValue;
        if (live >= most) return { errors: [tooMany(most)] };
        live += 1;
        let result: unknown;
        try {
          result = await subscribeFn(args);
        } catch (error) {
          live -= 1;
          throw error;
        }
        if (isAsyncIterable(result))
          return untilEnded(result, ending, () => {
            live -= 1;
          });
        live -= 1;
        return result;
      });
    },
  };
}

function tooMany(most: number) {
  const message = `This server has ${most} live subscriptions, as many as it may have. Try again later.`;
  return limitError(message, 'SUBSCRIPTIONS', most, most);
}

/** The same items, one at a time, until the source ends, the consumer returns or the operation is ended. */
function untilEnded<T>(
  source: AsyncIterable<T>,
  ending: AbortController,
  onEnd: () => void,
): AsyncIterableIterator<T, undefined> {
  const iterator = source[Symbol.asyncIterator]();
  const { signal } = ending;
  let ended = false;
  function end(cut: boolean): { done: true; value: undefined } {
    if (ended) return { done: true, value: undefined };
    ended = true;
    signal.removeEventListener('abort', endCut);
    onEnd();
    // Woken first, then returned: a source that waits can't be returned. Nobody waits for it to have tidied up.
    if (cut) ending.abort('LEFT' satisfies Ending);
    iterator.return?.().then(undefined, () => {});
    return { done: true, value: undefined };
  }
  const endCut = () => end(true);
  signal.addEventListener('abort', endCut);
  if (signal.aborted) endCut();
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      if (ended) return endCut();
      try {
        const result = await orAborted(iterator.next(), signal);
        return result === undefined || result.done === true ? end(result === undefined) : result;
      } catch (error) {
        end(false);
        throw error;
      }
    },
    async return() {
      return endCut();
    },
  };
}

/** Not Promise.race, which would keep something of every item for as long as the signal lives. */
function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const settle = () => resolve(undefined);
    if (signal.aborted) settle();
    signal.addEventListener('abort', settle, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', settle));
  });
}
