// What keeps a transaction on the connection it has begun on. The driver's transaction writes its next statement, and its own
// rollback or commit, wherever its connection is by then: to nothing, an exception that nobody can catch and that ends the
// process; or, where another query has opened the connection anew, into somebody else's transaction. So a statement goes to
// the driver only while the connection is this transaction's own, looked at in the moment it is sent, and the driver never
// sees the end of work that has lost its connection. Every statement of such a transaction is refused, and so is the whole.
import type { Sql, TransactionSql } from 'postgres';
import { Unavailable } from '../errors.ts';

type Work = (tx: TransactionSql) => unknown;
type Query = object & PromiseLike<unknown>;
type QueryOptions = NonNullable<Parameters<Sql['unsafe']>[2]>;

export interface BeginOptions extends QueryOptions {
  /** Called by the driver with the connection that the transaction is to have, as its `begin` is sent. */
  readonly onexecute: (connection: object) => void;
}

export interface Session {
  /** Of the query that begins the transaction. */
  seize(options: BeginOptions): BeginOptions;
  /** What the driver is to carry out as the transaction. */
  carryOut(tx: TransactionSql): Promise<unknown>;
  hasBegun(): boolean;
  /** Rejects when the work is done and its connection was lost meanwhile. */
  readonly lost: Promise<never>;
  /** The transaction is over for its caller: what was or will be asked within it is refused. */
  end(): void;
}

export function isBegin(options: QueryOptions | undefined): options is BeginOptions {
  return options !== undefined && 'onexecute' in options;
}

export function openSession(work: Work): Session {
  const asked = new Set<Query>();
  const lost = Promise.withResolvers<never>();
  lost.promise.catch(() => {});
  let isOwn = () => false;
  let begun = false;
  let over = false;
  const isOpen = () => !over && isOwn();

  async function carryOut(tx: TransactionSql, part: Work): Promise<unknown> {
    try {
      const result = await part(guard(tx));
      // From here to the driver's commit nothing else has a turn.
      if (isOpen()) return result;
    } catch (error) {
      if (isOpen()) throw error;
    }
    lost.reject(cut());
    return new Promise(() => {});
  }
  function guard(tx: TransactionSql): TransactionSql {
    const unsafe = (...question: Parameters<TransactionSql['unsafe']>) => hold(tx.unsafe(...question));
    const savepoint = async (part: Work) => {
      // So that the driver's own statement follows in the turn of the look.
      await undefined;
      if (!isOpen()) throw cut();
      return Promise.race([tx.savepoint((inner) => carryOut(inner, part)), lost.promise]);
    };
    const held = new Map<PropertyKey, unknown>(Object.entries({ unsafe, savepoint }));
    return new Proxy(tx, { get: (target, name) => held.get(name) ?? Reflect.get(target, name) });
  }
  function hold<Q extends Query>(query: Q): Q {
    const send: unknown = Reflect.get(query, 'handler');
    if (typeof send !== 'function') throw new Error('the driver has changed');
    const sendOrRefuse = () => {
      const forget = () => asked.delete(query);
      query.then(forget, forget);
      if (!isOpen()) return refuse(query);
      asked.add(query);
      return send(query);
    };
    Reflect.set(query, 'handler', sendOrRefuse);
    return query;
  }

  return {
    seize: ({ onexecute, ...others }) => ({
      ...others,
      onexecute: (connection) => {
        onexecute(connection);
        // The driver's mark of this very transaction; gone in the moment the connection ends.
        const mark: unknown = Reflect.get(connection, 'reserved');
        isOwn = () => typeof mark === 'function' && Reflect.get(connection, 'reserved') === mark;
      },
    }),
    carryOut: (tx) => {
      begun = true;
      return carryOut(tx, work);
    },
    hasBegun: () => begun,
    lost: lost.promise,
    end: () => {
      over = true;
      lost.reject(cut());
      for (const query of asked) refuse(query);
    },
  };
}

function refuse(query: Query): void {
  const reject: unknown = Reflect.get(query, 'reject');
  if (typeof reject === 'function') reject(cut());
}

function cut(): Unavailable {
  return new Unavailable('The connection to the database was cut. Nothing was changed; try again.');
}
