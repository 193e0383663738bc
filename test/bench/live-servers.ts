// The two servers whose subscribers live.ts is: Berth, where each event is committed before anybody is told, and a plain
// `ws` server that sends a text to all. Both say when each number was committed, or sent, by the machine's monotonic clock.
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { type WebSocket, WebSocketServer } from 'ws';
import { createEnvironment } from '../../src/control/environments.ts';
import { hashToken, makeToken } from '../../src/control/tokens.ts';
import { newId } from '../../src/ids.ts';
import { change } from '../../src/postgres/change.ts';
import { insertToken } from '../../src/postgres/tokens.ts';
import type { Subscription } from './subscriber.ts';
import { openBench } from './support.ts';

/** Without a query for a server that asks for nothing. */
export type Ready = Subscription;

export interface Told {
  /** Nanoseconds, as text, of each number in its turn. */
  readonly sentAt: readonly string[];
}

interface Order {
  readonly from: number;
  readonly count: number;
  readonly perSecond: number;
  readonly text: string;
}

interface Server {
  readonly ready: Ready;
  /** Answers when it is committed, or where nothing is, begins to send. */
  tell(number: number, text: string): Promise<bigint>;
  close(): Promise<void>;
}

/** A token may have so many sockets. */
const tokenCount = 10;

async function openBerth(): Promise<Server> {
  const world = await openBench();
  const { control, url } = world.berth;
  const { ids } = await createEnvironment(control, world.caller, { name: 'Live', kind: 'SANDBOX' });
  const { environmentId } = ids;
  const tokens = Array.from({ length: tokenCount }, makeToken);
  for (const token of tokens)
    await insertToken(control.store.db, {
      ...{ id: newId(), organizationId: control.installation.organizationId, environmentId },
      ...{ name: 'live', hash: hashToken(token), scopes: ['read'], operator: false },
      ...{ expiresAt: null, createdBy: 'bench' },
    });
  const id = Buffer.from(`Environment:${environmentId}`).toString('base64url');
  return {
    ready: {
      url: `${url.replace('http', 'ws')}/graphql`,
      query: `subscription { environmentEvents(environmentId: "${id}") {
        __typename ... on Event { cursor type message occurredAt } } }`,
      tokens,
    },
    tell: async (number) => {
      await change(control, async ({ emit }) =>
        emit({
          environmentId,
          type: 'ENVIRONMENT_RENAMED',
          data: { name: `Live ${number}` },
          message: `event ${number}`,
        }),
      );
      return process.hrtime.bigint();
    },
    close: () => world.close(),
  };
}

async function openPlain(): Promise<Server> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false });
  const clients = new Set<WebSocket>();
  server.on('connection', (client) => clients.add(client));
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  return {
    ready: { url: `ws://127.0.0.1:${port}`, query: '', tokens: [] },
    tell: async (number, text) => {
      const message = text.replace(/event \d+/, `event ${number}`);
      const at = process.hrtime.bigint();
      for (const client of clients) client.send(message);
      return at;
    },
    close: async () => {
      for (const client of clients) client.terminate();
      server.close();
    },
  };
}

async function carryOut(server: Server, { from, count, perSecond, text }: Order): Promise<Told> {
  const sentAt: string[] = [];
  const begin = performance.now();
  for (let number = 0; number < count; number++) {
    await sleep(Math.max(0, begin + (number * 1000) / perSecond - performance.now()));
    sentAt.push(String(await server.tell(from + number, text)));
  }
  return { sentAt };
}

const server = process.argv[2] === 'berth' ? await openBerth() : await openPlain();
process.on('message', async (order: Order | 'close') => {
  if (order !== 'close') return process.send?.(await carryOut(server, order));
  await server.close();
  process.exit(0);
});
process.send?.(server.ready);
