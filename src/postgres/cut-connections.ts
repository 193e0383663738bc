// Queries and transactions whose connection is cut or silent. What can't have changed anything is asked again; nothing outside
// a transaction is waited for past its deadline; how a transaction is kept off a connection that is no longer its own is
// src/postgres/sessions.ts's. Silence on a connection is src/postgres/wire.ts's.
import type { PendingQuery, Sql, TransactionSql } from 'postgres';
import { isBegin, openSession, type Session } from './sessions.ts';

type Work = (tx: TransactionSql) => unknown;
type Unsafe = (...question: Parameters<Sql['unsafe']>) => PendingQuery<never[]>;

/** The same client, its transactions and queries held so. */
export function guardClient(client: Sql, deadlineMs: number): Sql {
  const begin = client.begin.bind(client) as (work: Work) => Promise<unknown>;
  const unsafe = client.unsafe.bind(client) as Unsafe;
  let beginning: Session | undefined;
  const beginIn = (session: Session) => {
    // The driver asks for its `begin` before it returns.
    beginning = session;
    try {
      return begin(session.carryOut);
    } finally {
      beginning = undefined;
    }
  };
  return Object.assign(client, {
    begin: (work: Work) => beginGuarded(beginIn, work),
    unsafe: (...question: Parameters<Sql['unsafe']>) => {
      const [text, parameters, options] = question;
      if (!isBegin(options)) return ask(unsafe, question, deadlineMs);
      return beginInTime(unsafe(text, parameters, beginning?.seize(options) ?? options), deadlineMs);
    },
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
  const [text] = question;
  const query = unsafe(...question);
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

async function beginGuarded(begin: (session: Session) => Promise<unknown>, work: Work): Promise<unknown> {
  let session: Session | undefined;
  const hasBegun = () => session?.hasBegun() === true;
  const beginOnce = async () => {
    session = openSession(work);
    try {
      return await Promise.race([begin(session), session.lost]);
    } finally {
      session.end();
    }
  };
  try {
    return await askAgain(beginOnce, () => !hasBegun());
  } catch (error) {
    throw !hasBegun() && codeOf(error) === takenBack ? late() : error;
  }
}

/** The driver's word for a query that was taken back before it was sent. */
const takenBack = '57014';
/** Codes of a session that the server or the network has ended, at once and in so many words. */
const cuts = /^(57P0[12]|25P0[34]|CONNECTION_CLOSED|ECONNRESET|EPIPE)$/;

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}
