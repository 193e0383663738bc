// Queries and transactions whose connection is cut or silent. The driver writes a transaction's next statement, and its own
// rollback or commit, to a socket that is gone: an exception that nothing can catch and that ends the process; where another
// query has opened the connection anew, the statement would even run within somebody else's transaction. So no statement
// reaches the driver once the connection has ended, and the work of such a transaction is never seen to end: its caller is
// told by the end of the connection itself. What can't have changed anything is asked again; nothing outside a transaction
// is waited for past its deadline. Silence on a connection is src/postgres/wire.ts's.
import type { PendingQuery, Sql, TransactionSql } from 'postgres';
import { Unavailable } from '../errors.ts';

type Work = (tx: TransactionSql) => unknown;
type Unsafe = (...question: Parameters<Sql['unsafe']>) => PendingQuery<never[]>;

/** The same client, its transactions and queries held so. */
export function guardClient(client: Sql, deadlineMs: number): Sql {
  const begin = client.begin.bind(client) as (work: Work) => Promise<unknown>;
  const unsafe = client.unsafe.bind(client) as Unsafe;
  return Object.assign(client, {
    begin: (work: Work) => beginGuarded(begin, work),
    unsafe: (...question: Parameters<Sql['unsafe']>) => ask(unsafe, question, deadlineMs),
  });
}

/** Other connections may have been cut at the same moment, and not all of it be known here yet. */
const mostAttempts = 3;

async function askAgain<T>(question: () => Promise<T>, mayRepeat: () => boolean): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await question();
    } catch (error) {
      if (attempt === mostAttempts || !mayRepeat() || !cuts.test(codeOf(error))) throw error;
    }
  }
}

function ask(unsafe: Unsafe, question: Parameters<Sql['unsafe']>, deadlineMs: number): PendingQuery<never[]> {
  const [text, , options] = question;
  const query = unsafe(...question);
  if (options !== undefined && 'onexecute' in options) return beginInTime(query, deadlineMs);
  const mayRepeat = () => /^\s*select\b/i.test(text);
  const answer = (form: (query: PendingQuery<never[]>) => Promise<unknown>) =>
    inTime(deadlineMs, (track) => askAgain(() => form(track(unsafe(...question))), mayRepeat));
  return new Proxy(query, {
    get(target, name) {
      if (name === 'values') return () => answer((each) => each.values());
      const own: unknown = Reflect.get(target, name);
      if (typeof own !== 'function') return own;
      if (name !== 'then' && name !== 'catch' && name !== 'finally') return own.bind(target);
      return (...handlers: unknown[]): unknown => {
        const answered = answer(async (each) => each);
        return Reflect.apply(answered[name], answered, handlers);
      };
    },
  });
}

/** One that is still queued at its deadline is taken back; one that was sent is left to its connection's end. */
function inTime<T>(
  deadlineMs: number,
  work: (track: <Q extends PendingQuery<never[]>>(query: Q) => Q) => Promise<T>,
): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  let current: PendingQuery<never[]> | undefined;
  const timer = setTimeout(() => {
    reject(late());
    if (current !== undefined) takeBack(current);
  }, deadlineMs);
  const track = <Q extends PendingQuery<never[]>>(query: Q): Q => {
    current = query;
    return query;
  };
  work(track)
    .then(resolve, reject)
    .finally(() => clearTimeout(timer));
  return promise;
}

/** A transaction that finds no connection in time is never begun. */
function beginInTime<Q extends PendingQuery<never[]>>(query: Q, deadlineMs: number): Q {
  const timer = setTimeout(() => takeBack(query), deadlineMs);
  const clear = () => clearTimeout(timer);
  query.then(clear, clear);
  return query;
}

function takeBack(query: PendingQuery<never[]>): void {
  // What was sent would be cancelled through a connection of its own, which may be as silent.
  if (Reflect.get(query, 'state') === null) query.cancel();
}

/** Of the network's kind: drizzle wraps it, and the edge knows it by its code. */
function late(): Error {
  return Object.assign(new Error('the database did not answer in time'), { code: 'ETIMEDOUT' });
}

async function beginGuarded(begin: (work: Work) => Promise<unknown>, work: Work): Promise<unknown> {
  const connection = { begun: false, ended: false };
  const beginOnce = () =>
    begin((tx) => {
      connection.begun = true;
      return guardedWork(tx, work, connection);
    });
  try {
    return await askAgain(beginOnce, () => !connection.begun);
  } catch (error) {
    throw !connection.begun && codeOf(error) === takenBack ? late() : error;
  } finally {
    connection.ended = true;
  }
}

async function guardedWork(
  tx: TransactionSql,
  work: Work,
  connection: { readonly ended: boolean },
): Promise<unknown> {
  try {
    const result = await work(guardStatements(tx, connection));
    if (!connection.ended) return result;
  } catch (error) {
    if (!connection.ended && !isEndOfConnection(error)) throw error;
  }
  return new Promise(() => {});
}

function guardStatements(tx: TransactionSql, connection: { readonly ended: boolean }): TransactionSql {
  return new Proxy(tx, {
    get(target, name, receiver) {
      if (connection.ended && (name === 'unsafe' || name === 'savepoint'))
        throw new Unavailable('The connection to the database was cut. Nothing was changed; try again.');
      return Reflect.get(target, name, receiver);
    },
  });
}

/** The driver's word for a query that was taken back before it was sent. */
const takenBack = '57014';
/** Codes of a session that the server or the network has ended, at once and in so many words. */
const cuts = /^(57P0[12]|25P0[34]|CONNECTION_CLOSED|ECONNRESET|EPIPE)$/;
/** All codes of a server that ends a session, and of the driver and the network when the connection is gone. */
const endings = /^(57P0[1-5]|25P0[34]|08...|CONNECTION_\w+|CONNECT_TIMEOUT|ECONN\w+|EPIPE|ETIMEDOUT)$/;

/** The error, or what drizzle has wrapped into it. */
function isEndOfConnection(error: unknown): boolean {
  return endings.test(codeOf(error)) || (error instanceof Error && isEndOfConnection(error.cause));
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}
