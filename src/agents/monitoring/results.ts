// The store as the rest of the agent uses it: results go in without waiting, and whoever takes them can wait for the first.
// The work is done in the store's thread; should that fail, the agent ends and is started anew.
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { waitForAny } from '../../clock.ts';
import type { Taken } from '../../model/monitoring/agent.ts';
import type { NewResult } from './scheduler.ts';
import type { Position } from './store.ts';
import type { Asked, Said, ThreadData } from './store-thread.ts';

export interface Results {
  readonly epoch: string;
  lastSeq(): number;
  add(result: NewResult): void;
  /** Like the store's own; with nothing to give it waits for the next result, the end of the time or the signal. */
  take(position: Position | undefined, limit: number, waitMs: number, signal: AbortSignal): Promise<Taken>;
  /** Rejects when the store can't go on; otherwise it stays open. */
  readonly failure: Promise<never>;
  /** Everything that was added is committed before it answers. */
  close(): Promise<void>;
}

export interface ResultsOptions {
  readonly folder: string;
  readonly keptResults?: number;
  /** A sentence when results couldn't be written; they are tried again. */
  warn(sentence: string): void;
}

export async function openResults({ folder, keptResults, warn }: ResultsOptions): Promise<Results> {
  const thread = new Worker(new URL('./store-thread.ts', import.meta.url), {
    workerData: { folder, keptResults } satisfies ThreadData,
  });
  const [open] = (await once(thread, 'message')) as [Extract<Said, { kind: 'OPEN' }>];
  const { epoch } = open;
  let { lastSeq } = open;
  let lastId = 0;
  let added = newAdded();
  const takers = new Map<number, PromiseWithResolvers<Taken>>();
  const failure = Promise.withResolvers<never>();
  failure.promise.catch(() => {});
  const exited = new Promise<void>((resolve) => thread.on('exit', () => resolve()));
  thread.on('error', (fault) => {
    failure.reject(fault);
    added.reject(fault);
    for (const taker of takers.values()) taker.reject(fault);
  });
  thread.on('message', (said: Said) => {
    if (said.kind === 'ADDED') {
      lastSeq = said.lastSeq;
      added.resolve();
      added = newAdded();
    } else if (said.kind === 'NOT_ADDED') {
      warn(`Results can't be written (${said.reason}); ${said.waiting} wait, ${said.givenUp} are lost.`);
    } else if (said.kind === 'TAKEN') takers.get(said.id)?.resolve(said.taken);
    else if (said.kind === 'NOT_TAKEN') takers.get(said.id)?.reject(new Error(said.reason));
  });

  const ask = (asked: Asked): void => thread.postMessage(asked);
  async function takeNow(position: Position | undefined, limit: number): Promise<Taken> {
    const id = ++lastId;
    const taker = Promise.withResolvers<Taken>();
    takers.set(id, taker);
    ask({ kind: 'TAKE', id, position, limit });
    return taker.promise.finally(() => takers.delete(id));
  }

  return {
    epoch,
    lastSeq: () => lastSeq,
    add: (result) => ask({ kind: 'ADD', result }),
    async take(position, limit, waitMs, signal) {
      // Before it looks, so that what comes in between isn't missed.
      const next = added.promise;
      const taken = await takeNow(position, limit);
      if (taken.results.length > 0 || waitMs === 0 || signal.aborted) return taken;
      await waitForAny([next], waitMs, signal);
      return signal.aborted ? taken : takeNow(position, limit);
    },
    failure: failure.promise,
    async close() {
      ask({ kind: 'CLOSE' });
      await exited;
    },
  };
}

/** Of the next result: what waits for it hangs on nothing that lasts longer. Rejects when the store fails. */
function newAdded(): PromiseWithResolvers<void> {
  const added = Promise.withResolvers<void>();
  added.promise.catch(() => {});
  return added;
}
