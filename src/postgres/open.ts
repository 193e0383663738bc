// The one way to the database: clients with their deadlines, and migrations under an advisory lock. `db` is for queries by
// drizzle and `raw`, whose parsers drizzle doesn't change, for notifications and locks. What `db` asks outside of transactions
// has few connections of its own: nobody's view waits because transactions wait for locks, and questions that come at once
// share a connection's way to the server.
import { type SQL, sql } from 'drizzle-orm';
import { drizzle, type PostgresJsDatabase } from 'drizzle-orm/postgres-js';
import { migrate as applyMigrations } from 'drizzle-orm/postgres-js/migrator';
import postgres, { type Sql } from 'postgres';
import { Unavailable } from '../errors.ts';
import { guardClient } from './cut-connections.ts';
import { openWire } from './wire.ts';

export type Database = PostgresJsDatabase;
/** A transaction or the database itself; reads take either. */
export type Reader = Pick<
  Database,
  'select' | 'selectDistinct' | 'selectDistinctOn' | 'execute' | '$with' | 'with'
>;
export type Transaction = Parameters<Parameters<Database['transaction']>[0]>[0];

export interface Store {
  readonly db: Database;
  readonly raw: Sql;
  readonly url: string;
  /** Milliseconds after which a call is given up, whatever the network does. */
  readonly deadlineMs: number;
  close(): Promise<void>;
}

const sessionSettings = {
  statement_timeout: 15_000,
  lock_timeout: 5_000,
  idle_in_transaction_session_timeout: 15_000,
  application_name: 'berth',
  // So that the server, too, gives up a session whose other end is gone, and the locks with it.
  tcp_keepalives_idle: 10,
  tcp_keepalives_interval: 5,
  tcp_keepalives_count: 2,
  // Says nothing. The driver sends a message of this length at once; a shorter one it may hold back for ever on a connection
  // that was cut while something waited to be written.
  options: ' '.repeat(1_024),
};

const defaultDeadlineMs = 20_000;

export interface ConnectOptions {
  readonly maximum: number;
  readonly settings?: Record<string, string | number>;
  /** Milliseconds after which a connection that owes an answer and says nothing is thrown away. */
  readonly answerWithinMs?: number;
  /** For a session that holds a lock or listens: it is never given up for its age, and told of when it ends. */
  readonly onEnd?: () => void;
  readonly onNotify?: (channel: string, message: string) => void;
}

export function connect(url: string, options: ConnectOptions): Sql {
  const { onEnd, answerWithinMs = defaultDeadlineMs } = options;
  const { host: hosts, port: ports, path: given, ssl: tls } = postgres(url).options;
  // The driver says false where there is none.
  const path = given || undefined;
  let attempts = 0;
  const untyped = {
    onnotify: options.onNotify,
    socket: () => {
      const at = attempts++ % hosts.length;
      return openWire({ host: hosts[at] ?? '', port: ports[at] ?? 5432, path, tls }, answerWithinMs);
    },
  };
  return postgres(url, {
    max: options.maximum,
    ...(onEnd === undefined ? {} : { max_lifetime: null, onclose: onEnd }),
    ...untyped,
    ssl: false,
    connect_timeout: 5,
    backoff: () => 0.1,
    // Asks the server first on each connection, and if that is cut then, nothing catches the exception. No query needs it.
    fetch_types: false,
    onnotice: () => {},
    connection: { ...sessionSettings, ...options.settings },
  });
}

/** For a column of time: the moment by the database's clock, not by this process's. */
export function databaseNow(): SQL {
  return sql`now()`;
}

/** The time by the database, which all replicas share. */
export async function readClock(reader: Reader): Promise<Date> {
  const [row] = await reader.execute<{ now: string }>(sql`select clock_timestamp()::text as now`);
  return new Date(row?.now ?? Date.now());
}

export interface StoreOptions {
  /** For transactions. */
  readonly connections?: number;
  /** For all else that is asked. */
  readonly readConnections?: number;
  readonly deadlineMs?: number;
  readonly onQuery?: (query: string) => void;
}

export function openStore(url: string, options: StoreOptions = {}): Store {
  const { connections = 12, readConnections = 4, deadlineMs = defaultDeadlineMs, onQuery } = options;
  const limits = { answerWithinMs: deadlineMs };
  const logger = onQuery ? { logger: { logQuery: onQuery } } : {};
  const open = (maximum: number) => {
    const client = guardClient(connect(url, { maximum, ...limits }), deadlineMs);
    return { client, db: drizzle({ client, ...logger }) };
  };
  const [changing, reading] = [open(connections), open(readConnections)];
  const db = Object.assign(reading.db, { transaction: changing.db.transaction.bind(changing.db) });
  const raw = connect(url, { maximum: 3, ...limits });
  return {
    db,
    raw,
    url,
    deadlineMs,
    close: async () => {
      await Promise.all([changing.client, reading.client, raw].map((client) => client.end({ timeout: 2 })));
    },
  };
}

/** A silent network would let a query wait for ever; this ends the wait with a clear refusal. */
export async function withDeadline<T>(store: Store, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_, reject) => {
    const late = new Unavailable(
      'The database did not answer in time. Nothing is known to have changed; look again.',
    );
    timer = setTimeout(() => reject(late), store.deadlineMs);
  });
  try {
    return await Promise.race([work, deadline]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * What is asked together within a transaction, sent in this order without waiting. All answers are awaited, also after one of
 * them was a refusal: nothing of a transaction may still be under way when it is rolled back.
 */
export async function together<T extends readonly unknown[] | []>(
  asked: T,
): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
  // A query is sent each time that it is awaited.
  const answers = asked.map((each) => Promise.resolve(each));
  await Promise.allSettled(answers);
  return Promise.all(answers) as Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }>;
}

/** Of the error, or of what drizzle has wrapped into it. */
export function isDeadlock(error: unknown): boolean {
  if (error instanceof postgres.PostgresError) return error.code === '40P01';
  return error instanceof Error && error.cause !== undefined && isDeadlock(error.cause);
}

const migrationLock = 7_226_001;
const longestMigrationMs = 1_800_000;

/** Brings the schema up to date. Any number of starting replicas may call it at once: one does the work, the rest wait. */
export async function migrate(url: string): Promise<void> {
  const settings = { lock_timeout: 3_000, statement_timeout: 0 };
  const limits = { answerWithinMs: longestMigrationMs };
  const client = guardClient(connect(url, { maximum: 1, settings, ...limits }), longestMigrationMs);
  try {
    await waitForLock(client);
    const migrationsFolder = new URL('../../drizzle', import.meta.url).pathname;
    await applyMigrations(drizzle({ client }), { migrationsFolder });
    await client`select pg_advisory_unlock(${migrationLock})`;
  } finally {
    await client.end({ timeout: 2 });
  }
}

async function waitForLock(client: Sql): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt++) {
    try {
      await client`select pg_advisory_lock(${migrationLock})`;
      return;
    } catch (error) {
      const busy = error instanceof postgres.PostgresError && error.code === '55P03';
      if (!busy) throw error;
    }
  }
  throw new Unavailable(
    'Another process has been migrating the database for five minutes; start again when it is done.',
  );
}
