// Transactions whose connection is cut. The driver writes a transaction's next statement, and its own rollback or commit,
// to a socket that is gone: an exception that nothing can catch and that ends the process; where another query has opened
// the connection anew, the statement would even run within somebody else's transaction. So no statement reaches the driver
// once the connection has ended, and the work of such a transaction is never seen to end: its caller is told by the end of
// the connection itself.
import type { Sql, TransactionSql } from 'postgres';
import { Unavailable } from '../errors.ts';

type Work = (tx: TransactionSql) => unknown;

/** The same client, its transactions held so. */
export function guardTransactions(client: Sql): Sql {
  const begin = client.begin.bind(client) as (work: Work) => Promise<unknown>;
  return Object.assign(client, { begin: (work: Work) => beginAgain(begin, work, mostConnections) });
}

/** More than any pool has. */
const mostConnections = 64;

/**
 * What the server said as it ended a session, the driver says once more to the first who uses the connection again, without
 * sending anything: not begun is begun again, whatever number of connections was cut.
 */
async function beginAgain(
  begin: (work: Work) => Promise<unknown>,
  work: Work,
  attempts: number,
): Promise<unknown> {
  const connection = { begun: false, ended: false };
  try {
    return await begin((tx) => {
      connection.begun = true;
      return guardedWork(tx, work, connection);
    });
  } catch (error) {
    if (connection.begun || attempts === 1 || !/^(57P0[12]|25P0[34])$/.test(codeOf(error))) throw error;
    return beginAgain(begin, work, attempts - 1);
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

/** Codes of a server that ends a session, and of the driver and the network when the connection is gone. */
const endings = /^(57P0[1-5]|25P0[34]|08...|CONNECTION_\w+|CONNECT_TIMEOUT|ECONN\w+|EPIPE|ETIMEDOUT)$/;

/** The error, or what drizzle has wrapped into it. */
function isEndOfConnection(error: unknown): boolean {
  return endings.test(codeOf(error)) || (error instanceof Error && isEndOfConnection(error.cause));
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}
