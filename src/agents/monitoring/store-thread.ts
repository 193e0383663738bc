// The store's own thread. Whatever has arrived while the disk was waited for is added by one commit, so that a slow disk
// makes larger groups instead of a longer queue, and never holds up a check's clock. What a full disk refuses is kept here
// and tried again with the next; beyond `mostWaiting` the oldest are given up.
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import type { Taken } from '../../model/monitoring/agent.ts';
import type { NewResult } from './scheduler.ts';
import { openStore, type Position, type Store } from './store.ts';

export interface ThreadData {
  readonly folder: string;
  readonly keptResults: number | undefined;
}

export type Asked =
  | { readonly kind: 'ADD'; readonly result: NewResult }
  | {
      readonly kind: 'TAKE';
      readonly id: number;
      readonly position: Position | undefined;
      readonly limit: number;
    }
  | { readonly kind: 'CLOSE' };

export type Said =
  | { readonly kind: 'OPEN'; readonly epoch: string; readonly lastSeq: number }
  | { readonly kind: 'ADDED'; readonly lastSeq: number }
  | {
      readonly kind: 'NOT_ADDED';
      readonly reason: string;
      readonly waiting: number;
      readonly givenUp: number;
    }
  | { readonly kind: 'TAKEN'; readonly id: number; readonly taken: Taken }
  | { readonly kind: 'NOT_TAKEN'; readonly id: number; readonly reason: string };

const mostWaiting = 10_000;

if (parentPort === null) throw new Error('This is a thread of the agent, not a program.');
const port = parentPort;
const { folder, keptResults } = workerData as ThreadData;
const store = openStore(folder, keptResults);
let waiting: NewResult[] = [];

const say = (said: Said): void => port.postMessage(said);
say({ kind: 'OPEN', epoch: store.epoch, lastSeq: store.lastSeq() });

port.on('message', (first: Asked) => {
  const asked = [first];
  for (let next = receiveMessageOnPort(port); next !== undefined; next = receiveMessageOnPort(port))
    asked.push(next.message as Asked);
  waiting.push(...asked.flatMap((each) => (each.kind === 'ADD' ? [each.result] : [])));
  if (waiting.length > 0) addWaiting();
  for (const each of asked) if (each.kind === 'TAKE') answer(store, each);
  if (!asked.some(({ kind }) => kind === 'CLOSE')) return;
  store.close();
  port.close();
});

function addWaiting(): void {
  try {
    const lastSeq = store.add(waiting);
    waiting = [];
    say({ kind: 'ADDED', lastSeq });
  } catch (fault) {
    const givenUp = Math.max(0, waiting.length - mostWaiting);
    waiting = waiting.slice(givenUp);
    say({ kind: 'NOT_ADDED', reason: String(fault), waiting: waiting.length, givenUp });
  }
}

function answer(from: Store, { id, position, limit }: Extract<Asked, { kind: 'TAKE' }>): void {
  try {
    say({ kind: 'TAKEN', id, taken: from.take(position, limit) });
  } catch (fault) {
    say({ kind: 'NOT_TAKEN', id, reason: String(fault) });
  }
}
