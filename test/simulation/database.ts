// The real Postgres, by the simulation's clock: its `now()` is shadowed by one that shows what the session was told last. All
// that is asked of it, by whatever process of a world, goes over one connection, one thing after the other, so that the same
// seed gives the same story; and it is known when nothing is under way.
import type { Sql, TransactionSql } from 'postgres';
import type { Clock } from '../../src/clock.ts';
import { type Database, openStore, type Store } from '../../src/postgres/open.ts';
import type { Replica } from '../../src/postgres/replicas.ts';

export interface SimulatedDatabase {
  readonly store: Store;
  /** From here on by this clock. */
  follow(clock: Clock): void;
  /** As one process of the world has it: nothing can be asked once it is dead. */
  storeOf(process: { readonly dead: boolean }): Store;
  /** With its sign of life, until it is closed. */
  newReplica(): Promise<Replica>;
  /** Answers when nothing is under way. */
  settle(): Promise<void>;
  /** Nothing is left but what the installation is made of. */
  clear(): Promise<void>;
  close(): Promise<void>;
}

const kept = ['installation', 'organizations', 'pods', 'secret_facts', 'replicas'];
/** Of questions one after the other, without any time in between. */
const mostLooks = 3_000;
const lockClass = 7_226_002;

export async function openDatabase(url: string): Promise<SimulatedDatabase> {
  await shadowTime(url);
  const base = openStore(url, { connections: 1, readConnections: 1 });
  // The store has transactions on connections of their own; here they go the way of all that is asked.
  const transact: Database['transaction'] = Reflect.get(Object.getPrototypeOf(base.db), 'transaction').bind(
    base.db,
  );
  const tables = await base.raw<{ name: string }[]>`
    select tablename as name from pg_tables where schemaname = 'public'`;
  const emptied = tables.map(({ name }) => name).filter((name) => !kept.includes(name));
  const emptying = emptied.map((name) => `delete from "${name}"`).join('; ');
  await base.raw.unsafe(`create procedure sim.clear() language plpgsql as $$ begin
    perform set_config('session_replication_role', 'replica', true); ${emptying}; end $$`);
  let clock: Clock | undefined;
  let told = Number.NaN;
  let underWay = 0;
  let over = Promise.withResolvers<void>();

  /** Before anything is asked, the session is told what time it is. */
  function touch(): void {
    if (clock === undefined || clock.now() === told) return;
    told = clock.now();
    const time = clock.date().toISOString();
    // Not a moment later: a transaction that begins now has to find it.
    client.unsafe("select set_config('sim.now', $1, false)", [time]).execute();
  }
  const turns = newTurns();
  async function awaited<T>(work: Promise<T>): Promise<T> {
    underWay++;
    try {
      return await turns(work);
    } finally {
      underWay--;
      over.resolve();
    }
  }
  const client: Sql = Reflect.get(base.db, '$client');
  trackQueries(client, awaited, turns);
  function storeOf(process: { readonly dead: boolean }): Store {
    const guard = () => {
      if (process.dead) throw new Error('This process is dead.');
      touch();
    };
    const transaction: Database['transaction'] = (work, config) => {
      guard();
      return awaited(transact(work, config));
    };
    const db = new Proxy(base.db, {
      get: (target, name) => {
        if (name === 'transaction') return transaction;
        guard();
        return Reflect.get(target, name);
      },
    });
    return { ...base, db };
  }
  async function newReplica(): Promise<Replica> {
    const [row] = await client.unsafe("insert into replicas (host) values ('simulated') returning number");
    const number: number = row?.number ?? 0;
    const lock = (verb: string) => client.unsafe(`select pg_advisory_${verb}($1, $2)`, [lockClass, number]);
    await lock('lock');
    return { number, close: async () => void (await lock('unlock')) };
  }

  return {
    store: storeOf({ dead: false }),
    storeOf,
    follow: (next) => {
      clock = next;
      told = Number.NaN;
    },
    newReplica,
    settle: async () => {
      for (let looks = 0; ; looks++) {
        if (looks > mostLooks) throw new Error('It goes on at one moment without an end.');
        // Whatever needs no answer has come as far as it comes.
        await new Promise(setImmediate);
        if (underWay === 0) return;
        over = Promise.withResolvers();
        await over.promise;
      }
    },
    clear: async () => {
      await base.raw`call sim.clear()`;
    },
    close: () => base.close(),
  };
}

type Turns = <T>(answer: Promise<T>) => Promise<T>;

/**
 * One answer after the other, each in a turn of its own: what follows from one has come as far as it comes before the next is
 * heard, however many of them the socket has brought at once.
 */
function newTurns(): Turns {
  const waiting: (() => void)[] = [];
  function next(): void {
    waiting.shift()?.();
    if (waiting.length > 0) setImmediate(next);
  }
  const turn = () =>
    new Promise<void>((resolve) => {
      if (waiting.push(resolve) === 1) setImmediate(next);
    });
  return async (answer) => {
    await Promise.allSettled([answer]);
    await turn();
    return answer;
  };
}

/** Every query outside of transactions from when it is sent to its answer; within them each takes its turn, too. */
function trackQueries(client: Sql, awaited: Turns, turns: Turns): void {
  const unsafe = client.unsafe.bind(client) as (text: string, parameters?: Given, options?: object) => object;
  // A transaction's begin is the driver's own affair.
  const isBegin = (options: unknown) =>
    typeof options === 'object' && options !== null && 'onexecute' in options;
  const begin = client.begin.bind(client) as (work: (tx: TransactionSql) => unknown) => Promise<unknown>;
  Object.assign(client, {
    unsafe: (text: string, parameters?: Given, options?: object) =>
      isBegin(options)
        ? unsafe(text, parameters, options)
        : answeredBy(awaited, unsafe(text, parameters, { ...options, prepare: true })),
    begin: (work: (tx: TransactionSql) => unknown) =>
      begin(async (tx) => {
        await turns(Promise.resolve());
        return work(preparing(tx, turns));
      }),
  });
}

/** The query, its answer awaited so. */
function answeredBy(wait: Turns, query: object): object {
  return new Proxy(query, {
    get(target, name) {
      const own: unknown = Reflect.get(target, name);
      if (typeof own !== 'function') return own;
      if (name === 'values') return () => wait(Promise.resolve(own.call(target)));
      if (name !== 'then') return own.bind(target);
      const answer = () => wait(new Promise((resolve, reject) => own.call(target, resolve, reject)));
      return (...handlers: Parameters<Promise<unknown>['then']>) => answer().then(...handlers);
    },
  });
}

type Given = Parameters<Sql['unsafe']>[1];

/** The same few statements are asked thousands of times. */
function preparing(tx: TransactionSql, turns: Turns): TransactionSql {
  const unsafe = (text: string, parameters?: Given, options?: object) =>
    answeredBy(turns, tx.unsafe(text, parameters, { ...options, prepare: true }));
  return new Proxy(tx, {
    get: (target, name) => (name === 'unsafe' ? unsafe : Reflect.get(target, name)),
  });
}

/** Of this one database, for every session that comes. */
async function shadowTime(url: string): Promise<void> {
  const store = openStore(url, { connections: 1 });
  const name = new URL(url).pathname.slice(1);
  await store.raw.unsafe(`
    create schema sim;
    create function sim.now() returns timestamptz language sql stable
      as $$ select current_setting('sim.now')::timestamptz $$;
    create function sim.clock_timestamp() returns timestamptz language sql volatile
      as $$ select current_setting('sim.now')::timestamptz $$;
    alter database "${name}" set search_path = sim, public, pg_catalog;
    alter database "${name}" set jit = off;
    -- Rows would come in the order of their ids' hashes, once it is that what the planner holds best.
    alter database "${name}" set enable_hashjoin = off;
    alter database "${name}" set enable_hashagg = off;
    alter database "${name}" set plan_cache_mode = force_generic_plan;
    alter database "${name}" set sim.now = '2030-01-01 00:00:00Z';
    do $$ declare each record; begin
      for each in select table_name, column_name from information_schema.columns
        where table_schema = 'public' and column_default = 'now()' loop
        execute format('alter table public.%I alter column %I set default sim.now()',
          each.table_name, each.column_name);
      end loop;
    end $$`);
  await store.close();
}
