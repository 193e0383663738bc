// Results on disk until they were taken, in SQLite: numbered from 1 without a hole, each once. A result exists from the
// commit that `add` ends with: no kill takes it away again, and by `synchronous=FULL` no loss of power either, so a number
// that anybody has seen is never given a second time. What was made and not yet committed is lost with the process.
// Holds no waiting and no clock; store-thread.ts runs it beside the checks, for commits wait for the disk.
import { randomUUID } from 'node:crypto';
import { existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type MadeResult, monitoringAgent, type Taken } from '../../model/monitoring/agent.ts';
import type { NewResult } from './scheduler.ts';

export interface Store {
  readonly epoch: string;
  lastSeq(): number;
  /** All or none of them; answers with the last number. The oldest go when there are more than are kept. */
  add(results: readonly NewResult[]): number;
  /**
   * Results after `after` by that store's numbering, oldest first; what isn't after it is forgotten. To one who has the
   * numbering of another store or none everything is given, and nothing is forgotten.
   */
  take(position: Position | undefined, limit: number): Taken;
  close(): void;
}

export interface Position {
  readonly epoch: string;
  readonly after: number;
}

const fileName = 'results.sqlite';

/** A store that can't be read any more is set aside, and a new one with an epoch of its own begun. */
export function openStore(folder: string, keptResults: number = monitoringAgent.keptResults): Store {
  const path = join(folder, fileName);
  try {
    return openAt(path, keptResults);
  } catch (fault) {
    if (!existsSync(path) || !isBroken(fault)) throw fault;
    for (const tail of ['', '-wal', '-shm']) {
      rmSync(`${path}.broken${tail}`, { force: true });
      if (existsSync(path + tail)) renameSync(path + tail, `${path}.broken${tail}`);
    }
    return openAt(path, keptResults);
  }
}

/** SQLite's primary result codes: the file is damaged, or is no database. */
const brokenCodes = [11, 26];

function isBroken(fault: unknown): boolean {
  return fault instanceof Error && 'errcode' in fault && brokenCodes.includes(Number(fault.errcode) & 0xff);
}

function openAt(path: string, keptResults: number): Store {
  const db = new DatabaseSync(path);
  try {
    return prepare(db, keptResults);
  } catch (fault) {
    db.close();
    throw fault;
  }
}

function prepare(db: DatabaseSync, keptResults: number): Store {
  db.exec(`
    pragma journal_mode = wal;
    pragma synchronous = full;
    create table if not exists result (seq integer primary key autoincrement, body text not null) strict;
    create table if not exists origin (epoch text not null) strict;
  `);
  assertSound(db);
  db.prepare('insert into origin select ? where not exists (select 1 from origin)').run(randomUUID());
  const epoch = String(db.prepare('select epoch from origin').get()?.epoch);
  // AUTOINCREMENT keeps the last number beside the table, in the same transaction as the rows.
  const last = db.prepare(`select seq from sqlite_sequence where name = 'result'`);
  const insert = db.prepare('insert into result (body) values (?)');
  const forget = db.prepare('delete from result where seq <= ?');
  const read = db.prepare('select seq, body from result where seq > ? order by seq limit ?');
  const lastSeq = (): number => Number(last.get()?.seq ?? 0);
  return {
    epoch,
    lastSeq,
    add: (results) =>
      inTransaction(db, () => {
        for (const result of results) insert.run(JSON.stringify(result));
        const seq = lastSeq();
        forget.run(seq - keptResults);
        return seq;
      }),
    take(position, limit) {
      const known = position?.epoch === epoch && position.after <= lastSeq() ? position.after : 0;
      try {
        if (known > 0) forget.run(known);
      } catch {
        // On a full disk: what is taken twice is still given once, for the position says so. The next one forgets it.
      }
      return { epoch, results: read.all(known, limit).map(toResult), lastSeq: lastSeq() };
    },
    close: () => db.close(),
  };
}

function assertSound(db: DatabaseSync): void {
  const { quick_check: verdict } = db.prepare('pragma quick_check(1)').get() ?? {};
  if (verdict !== 'ok') throw Object.assign(new Error(`The store is damaged: ${verdict}`), { errcode: 11 });
}

function inTransaction<T>(db: DatabaseSync, work: () => T): T {
  db.exec('begin immediate');
  try {
    const outcome = work();
    db.exec('commit');
    return outcome;
  } catch (fault) {
    // A full disk has ended the transaction already.
    if (db.isTransaction) db.exec('rollback');
    throw fault;
  }
}

function toResult({ seq, body }: Record<string, unknown>): MadeResult {
  return { seq: Number(seq), ...(JSON.parse(String(body)) as NewResult) };
}
