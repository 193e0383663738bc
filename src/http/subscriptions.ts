// The life of a subscription, whatever carries it: it takes one of the places of its token and of the process, ends when
// its operation is ended, and then gives its source back. A source that waits for an event is woken by the signal in its context.
import { GraphQLError } from 'graphql';
import { isAsyncIterable, type Plugin } from 'graphql-yoga';
import type { Context } from '../graphql/context.ts';
import { limitError } from '../graphql/limits.ts';
import type { EdgeLimits } from './limits.ts';

/** Why an operation was ended from outside. */
export type Ending = 'LEFT' | 'TOKEN_INVALID' | 'CLOSING';

/** What the carrier of an operation gives to it; part of what GraphQL calls the context. */
export interface Operation {
  /** Aborted, with an Ending as reason, when nobody waits for the operation any more. */
  readonly ending: AbortController;
}

export function useSubscriptions(limits: EdgeLimits): Plugin<Operation> {
  const places = makePlaces(limits);
  return {
    onSubscribe({ subscribeFn, setSubscribeFn }) {
      setSubscribeFn(async (args) => {
        const { ending, caller }: Operation & Pick<Context, 'caller'> = args.contextValue;
        const leave = places.take(caller?.tokenId);
        if (leave instanceof GraphQLError) return { errors: [leave] };
        let result: unknown;
        try {
          result = await subscribeFn(args);
        } catch (error) {
          leave();
          throw error;
        }
        if (isAsyncIterable(result)) return untilEnded(result, ending, leave);
        leave();
        return result;
      });
    },
  };
}

/** `take` answers with what gives the place back, once. All without a token count as one. */
function makePlaces({ subscriptionsPerProcess, subscriptionsPerToken }: EdgeLimits) {
  const liveOfToken = new Map<string | undefined, number>();
  let live = 0;
  return {
    take: (tokenId: string | undefined): (() => void) | GraphQLError => {
      const ofToken = liveOfToken.get(tokenId) ?? 0;
      if (ofToken >= subscriptionsPerToken)
        return tooMany('This token', subscriptionsPerToken, 'Complete one first.');
      if (live >= subscriptionsPerProcess)
        return tooMany('This server', subscriptionsPerProcess, 'Try again later.');
      live += 1;
      liveOfToken.set(tokenId, ofToken + 1);
      return () => {
        live -= 1;
        const left = (liveOfToken.get(tokenId) ?? 1) - 1;
        if (left > 0) liveOfToken.set(tokenId, left);
        else liveOfToken.delete(tokenId);
      };
    },
  };
}

function tooMany(whose: string, most: number, advice: string): GraphQLError {
  const message = `${whose} has ${most} live subscriptions, as many as it may have. ${advice}`;
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
