// Clients that lose their server and come back by themselves with the cursor of what they saw last, over WebSocket and over
// SSE, as often as it takes. They keep what each connection brought, so that a test can tell what was lost or came twice.
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import { readEvents } from './sse.ts';

export interface Seen {
  readonly __typename: string;
  readonly cursor: string;
  readonly type?: string;
  readonly message?: string;
  readonly state?: string;
}

export interface ReturningClient {
  /** What each connection that was made brought, oldest first. */
  readonly connections: readonly (readonly Seen[])[];
  /** When the server has completed the stream, or after `stop`. */
  readonly done: Promise<void>;
  stop(): Promise<void>;
}

export interface Following {
  readonly url: string;
  readonly token: string;
  /** A field of Subscription with its arguments, without `after`. */
  readonly field: string;
  readonly arguments: string;
  /** The place to begin behind. */
  readonly after?: string;
  readonly onItem?: (item: Seen) => void;
  /** What is asked of an item; of an event its type and message when absent. */
  readonly selection?: string;
}

const ofEvents =
  '{ __typename ... on Event { cursor type message } ... on RedeployEnded { state } ... on Gap { cursor } }';
const backOffMs = 50;

export function followOverSocket(following: Following): ReturningClient {
  return follow(following, async function* (after, signal) {
    const place = after === undefined ? '' : `, after: "${after}"`;
    const client = createClient({
      url: `${following.url.replace('http', 'ws')}/graphql`,
      webSocketImpl: WebSocket,
      connectionParams: { Authorization: `Bearer ${following.token}` },
      retryAttempts: 0,
    });
    signal.addEventListener('abort', () => client.terminate());
    const query = `subscription { it: ${following.field}(${following.arguments}${place}) ${following.selection ?? ofEvents} }`;
    for await (const { data, errors } of client.iterate<{ it: Seen }>({ query })) {
      if (errors !== undefined) throw new Refused(JSON.stringify(errors));
      if (data) yield { item: data.it, cursor: data.it.cursor };
    }
  });
}

/** Sends its first document again, and Last-Event-ID beside it. */
export function followOverSse(following: Following): ReturningClient {
  const { url, token, after: first } = following;
  return follow(following, async function* (after, signal) {
    const place = first === undefined ? '' : `, after: "${first}"`;
    const query = `subscription { it: ${following.field}(${following.arguments}${place}) ${following.selection ?? ofEvents} }`;
    for await (const { id, event, data } of readEvents(url, token, query, signal, after)) {
      if (event === 'complete') return;
      const { data: answer, errors } = JSON.parse(data) as { data?: { it: Seen }; errors?: unknown };
      if (errors !== undefined) throw new Refused(JSON.stringify(errors));
      if (answer) yield { item: answer.it, cursor: id };
    }
    throw new Error('the stream broke off');
  });
}

class Refused extends Error {}

interface Given {
  readonly item: Seen;
  readonly cursor: string | undefined;
}

function follow(
  { after, onItem }: Following,
  connect: (after: string | undefined, signal: AbortSignal) => AsyncIterable<Given>,
): ReturningClient {
  const connections: Seen[][] = [];
  const stopping = new AbortController();
  let cursor = after;
  async function follow(): Promise<void> {
    while (!stopping.signal.aborted) {
      const seen: Seen[] = [];
      try {
        for await (const given of connect(cursor, stopping.signal)) {
          if (seen.length === 0) connections.push(seen);
          cursor = given.cursor ?? cursor;
          seen.push(given.item);
          onItem?.(given.item);
        }
        return;
      } catch (error) {
        if (error instanceof Refused) throw error;
        await sleep(backOffMs);
      }
    }
  }
  const done = follow();
  done.catch(() => {});
  return {
    connections,
    done,
    stop: async () => {
      stopping.abort();
      await done;
    },
  };
}
