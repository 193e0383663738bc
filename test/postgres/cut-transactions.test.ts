// A transaction whose connection is cut at any of its statements, in any of the ways in which connections end, and whatever
// the transaction does about it: it ends, all its statements do, the process goes on, and the next one is served. And so with
// a connection that is cut as it logs in.
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type SQL, sql } from 'drizzle-orm';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { openStore, type Store, type Transaction } from '../../src/postgres/open.ts';
import { type ControlWorld, openControl } from '../support/control.ts';
import { type CutKind, cutKinds, lastWords, openCuttingServer } from './cutting-server.ts';

let world: ControlWorld;
const uncaught: unknown[] = [];
const note = (error: unknown) => void uncaught.push(error);

beforeAll(async () => {
  world = await openControl();
  await world.control.store.raw`create table written (what int)`;
});

beforeEach(() => {
  uncaught.length = 0;
  process.on('uncaughtException', note).on('unhandledRejection', note);
});

afterEach(() => {
  process.off('uncaughtException', note).off('unhandledRejection', note);
});

afterAll(() => world.close());

type Ask = (statement: SQL) => Promise<unknown>;
interface Asking {
  readonly tx: Transaction;
  readonly number: number;
  /** Asks within the transaction, and keeps the answer in mind. */
  readonly ask: Ask;
}
type Work = (asking: Asking) => Promise<unknown>;

const write = (number: number) => sql`insert into written values (${number})`;
const plain = sql`select 1`;
const long = sql.raw(`select '${'x'.repeat(3_000)}'`);
const turn = () => new Promise((resolve) => setImmediate(resolve));

const works: Readonly<Record<string, Work>> = {
  'one after another': async ({ ask, number }) => {
    for (const statement of [plain, write(number), plain, long]) await ask(statement);
  },
  'all at once': ({ ask, number }) => Promise.all([plain, write(number), long, plain].map(ask)),
  'with a pause between': async ({ ask, number }) => {
    for (const statement of [plain, write(number), plain]) {
      await ask(statement);
      await turn();
    }
  },
  'without heed of what is refused': async ({ ask, number }) => {
    for (const statement of [plain, write(number), long, plain, plain]) {
      await ask(statement).catch(() => {});
      // As many moments as there are between the end of a connection and the word of it.
      for (let moment = 0; moment < 5; moment++) {
        await undefined;
        void ask(moment % 2 === 0 ? plain : long).catch(() => {});
      }
    }
  },
  'and given up by itself': async ({ ask }) => {
    await ask(plain);
    await ask(plain);
    throw new Error('on second thoughts');
  },
  'one within the other': async ({ tx, ask, number }) => {
    await ask(write(number));
    await tx.transaction(async (inner) => {
      await inner.execute(plain);
      await ask(plain);
    });
    await ask(plain);
  },
};

const mostAnswers = 8;
/** By then everything has to be settled; nothing is waited for where it is sooner. */
const boundMs = 5_000;
let lastNumber = 0;

/** Carries the work out; it ends, and so does all it has asked, and the pool is as good as before. */
async function carryOut(store: Store, work: Work, stopCutting = () => {}): Promise<void> {
  const number = ++lastNumber;
  const asked: Promise<unknown>[] = [];
  const transaction = store.db.transaction((tx) => {
    const ask: Ask = (statement) => {
      const answer = tx.execute(statement).then((rows) => rows);
      asked.push(answer);
      return answer;
    };
    return work({ tx, number, ask });
  });
  const outcome = await within(transaction);
  stopCutting();
  for (const answer of asked) await within(answer);
  const rows = await store.db.execute<{ what: number }>(sql`select what from written where what = ${number}`);
  if (outcome === 'fulfilled') expect(rows.map(({ what }) => what)).toEqual([number]);
  await store.db.transaction((tx) => tx.execute(plain));
}

async function within(work: Promise<unknown>): Promise<'fulfilled' | 'rejected'> {
  const settled = Promise.allSettled([work]).then(([outcome]) => outcome.status);
  const clock = new AbortController();
  const late = sleep(boundMs, 'unsettled' as const, { signal: clock.signal }).catch(
    () => 'unsettled' as const,
  );
  const status = await Promise.race([settled, late]);
  clock.abort();
  if (status === 'unsettled') throw new Error('a promise was never settled');
  return status;
}

/** Cut in this way at each answer in turn; answers with how often it was. */
async function cutEverywhere(kind: CutKind, work: Work): Promise<number> {
  const server = await openCuttingServer(world.control.store.url);
  const store = openStore(server.url, { connections: 1, readConnections: 1 });
  let cuts = 0;
  for (let answer = 1; answer <= mostAnswers; answer++) {
    server.cutAt(answer, kind);
    await carryOut(store, work, () => {
      if (server.wasCut()) cuts += 1;
    });
  }
  await store.close();
  await server.close();
  return cuts;
}

test.each(Object.entries(works))('statements %s', async (_what, work) => {
  const cuts = await Promise.all(cutKinds.map((kind) => cutEverywhere(kind, work)));
  expect(uncaught).toEqual([]);
  expect(Math.min(...cuts)).toBeGreaterThanOrEqual(4);
});

test('cut by the server itself in the moment of a write, over and over', async () => {
  const { raw, url } = world.control.store;
  const work = async ({ tx, ask, number }: Asking) => {
    const [row] = await tx.execute<{ pid: number }>(sql`select pg_backend_pid() as pid`);
    const ending = raw`select pg_terminate_backend(${row?.pid ?? 0})`.execute();
    for (let statement = 0; statement < 40; statement++) {
      if (statement % 4 === 0) await turn();
      await ask(statement === 0 ? write(number) : plain);
    }
    await ending;
  };
  const stores = Array.from({ length: 4 }, () => openStore(url, { connections: 1, readConnections: 1 }));
  const times = Array.from({ length: 25 }, (_, at) => at);
  await Promise.all(
    stores.map(async (store) => {
      for (const _ of times) await carryOut(store, work);
      await store.close();
    }),
  );
  expect(uncaught).toEqual([]);
});

test.each([
  ['a password', [3]],
  ['a hashed password', [5, 0]],
  ['a proof', [10, ...Buffer.from('SCRAM-SHA-256\0\0')]],
])('asked for %s and cut in one breath, a connection fails its query and nothing else', async (_, asked) => {
  const [kind, ...rest] = asked;
  const question = Buffer.from(['R'.charCodeAt(0), 0, 0, 0, 0, 0, 0, 0, kind ?? 0, ...rest]);
  question.writeUInt32BE(question.length - 1, 1);
  const server = createServer((client) => {
    client.on('error', () => {}).once('data', () => client.end(Buffer.concat([question, lastWords])));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : 0;
  const store = openStore(`postgres://nobody@127.0.0.1:${port}/none`, { connections: 1, readConnections: 1 });
  expect(await within(store.db.execute(sql`update written set what = 1`))).toBe('rejected');
  expect(await within(store.db.transaction((tx) => tx.execute(plain)))).toBe('rejected');
  await turn();
  expect(uncaught).toEqual([]);
  await store.close();
  await new Promise((resolve) => server.close(resolve));
});
