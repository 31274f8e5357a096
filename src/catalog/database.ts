/**
 * One SQLite file as the catalog needs it: durable transactions, statements prepared once, and
 * SQLite's error codes as operating errors.
 *
 * Every transaction is in the write-ahead log and synchronised before it counts (WAL,
 * `synchronous=FULL`), so what was acknowledged survives a power cut.
 */
import {
  DatabaseSync,
  type SQLInputValue,
  type SQLOutputValue,
  type StatementSync,
} from 'node:sqlite';
import { assert } from '../base/assert.ts';
import { CapstanError } from '../base/errors.ts';
import { GIB, SECOND_MS } from '../base/units.ts';
import { type Table, insertSql, replaceSql, selectSql, toRow, toValues } from './tables.ts';

/** Largest catalog file unless told otherwise, bytes. */
export const CATALOG_BYTES_MAX = 8 * GIB;
/** How long a transaction waits for another process's. */
const BUSY_TIMEOUT_MS = 2 * SECOND_MS;
const PAGE_BYTES = 4096;

export type Parameters = Readonly<Record<string, SQLInputValue>>;
export type SqlRow = Readonly<Record<string, SQLOutputValue>>;

export class Database {
  readonly #path: string;
  readonly #connection: DatabaseSync;
  #isWithin = false;
  readonly #statements = new Map<string, StatementSync>();
  /** By what stands behind FROM. */
  readonly #selections = new Map<object, Map<string, StatementSync>>();

  /** Opens or creates `path` (or ':memory:'), checks it, and lets `prepare` bring it up to date. */
  constructor(path: string, bytesMax: number, prepare: (connection: DatabaseSync) => void) {
    this.#path = path;
    this.#connection = guard(path, () => new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS }));
    try {
      guard(path, () => {
        this.#connection.exec(`
          PRAGMA page_size = ${PAGE_BYTES};
          PRAGMA synchronous = FULL;
          PRAGMA foreign_keys = ON;
          PRAGMA trusted_schema = OFF;
          PRAGMA max_page_count = ${Math.floor(bytesMax / PAGE_BYTES)};
        `);
        const { quick_check: found } = this.one('PRAGMA quick_check(1)') ?? {};
        if (found !== 'ok') {
          throw new CapstanError('STORE_CORRUPT', { place: path, what: String(found) });
        }
        prepare(this.#connection);
        // Last, so that a file which is refused stays as it was.
        this.#connection.exec('PRAGMA journal_mode = WAL');
      });
    } catch (error) {
      this.#connection.close();
      throw error;
    }
  }

  /**
   * Runs `body` as one transaction: durable when this returns, without effect when it throws. Within
   * {@link atomically} it is part of that one, and what it has done when it throws goes with it.
   */
  transaction<Result>(body: () => Result): Result {
    return guard(this.#path, () => {
      this.#assertOpen();
      if (this.#isWithin) return body();
      this.run('BEGIN IMMEDIATE');
      try {
        const result = body();
        this.run('COMMIT');
        return result;
      } catch (error) {
        this.rollBack();
        throw error;
      }
    });
  }

  /** The same of work that waits: its transactions are one, which is rolled back where it rejects. */
  async atomically<Result>(work: () => Promise<Result>): Promise<Result> {
    guard(this.#path, () => {
      this.#assertOpen();
      this.run('BEGIN IMMEDIATE');
    });
    this.#isWithin = true;
    try {
      const result = await work();
      this.#isWithin = false;
      guard(this.#path, () => this.run('COMMIT'));
      return result;
    } catch (error) {
      this.rollBack();
      throw error;
    }
  }

  /** Takes back what is not committed, as the end of a process does. */
  rollBack(): void {
    this.#isWithin = false;
    // SQLite has rolled back by itself after some errors, a full disk among them.
    if (this.#connection.isTransaction) this.run('ROLLBACK');
  }

  /** Runs a statement of a transaction; the number of rows changed. */
  run(sql: string, parameters: Parameters = {}): number {
    return Number(this.#prepared(sql).run(parameters).changes);
  }

  /** The first row that `sql` gives, as SQLite has it. */
  one(sql: string, parameters: Parameters = {}): SqlRow | undefined {
    return guard(this.#path, () => this.#prepared(sql).get(parameters));
  }

  /**
   * The rows of `table`; `rest` is the statement behind FROM, with its order. A bare parameter behind LIMIT has SQLite
   * parse the statement anew at each call, because its plan depends on the number; `+:limit` says that it must not.
   */
  rows<Row>(table: Table<Row>, rest: string, parameters: Parameters = {}): Row[] {
    return guard(this.#path, () => {
      const found = this.#selection(table, rest).all(parameters) as unknown as SQLOutputValue[][];
      return found.map((values) => toRow(table, values));
    });
  }

  /** `onConflict`: what to do where the row is there, as SQL has it; nothing said is an error. */
  insert<Row>(table: Table<Row>, row: Row, onConflict = ''): void {
    const sql = insertSql(table);
    this.#prepared(onConflict === '' ? sql : `${sql} ${onConflict}`).run(...toValues(table, row));
  }

  /** Inserts, or takes the place of the row of the same primary key. */
  replace<Row>(table: Table<Row>, row: Row): void {
    this.#prepared(replaceSql(table)).run(...toValues(table, row));
  }

  /** Inserts under the next number; the row as it is kept. */
  insertNumbered<Row extends { readonly id: number }>(
    table: Table<Row>,
    row: Omit<Row, 'id'>,
  ): Row {
    const values = toValues(table, row as Row);
    const { lastInsertRowid } = this.#prepared(insertSql(table)).run(...values);
    // Tables are STRICT and every value is given: reading the row back would show what went in.
    return { ...toRow(table, values), id: Number(lastInsertRowid) };
  }

  close(): void {
    if (this.#connection.isOpen) this.#connection.close();
  }

  #prepared(sql: string): StatementSync {
    this.#assertOpen();
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#connection.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  /** A statement of {@link rows}, which gives a row's values by place: as named ones they cost twice as much. */
  #selection<Row>(table: Table<Row>, rest: string): StatementSync {
    this.#assertOpen();
    let selections = this.#selections.get(table);
    if (selections === undefined) {
      selections = new Map();
      this.#selections.set(table, selections);
    }
    let statement = selections.get(rest);
    if (statement === undefined) {
      statement = this.#connection.prepare(`${selectSql(table)} ${rest}`);
      statement.setReturnArrays(true);
      selections.set(rest, statement);
    }
    return statement;
  }

  #assertOpen(): void {
    assert(this.#connection.isOpen, 'a catalog is not used after it was closed');
  }
}

/**
 * What SQLite's result codes mean at the port; all others are our own mistakes.
 * @source https://www.sqlite.org/rescode.html
 */
const RESULT_CODES: Readonly<
  Record<number, 'STORE_LOCKED' | 'DISK_IO' | 'STORE_CORRUPT' | 'NO_SPACE'>
> = {
  3: 'DISK_IO', // SQLITE_PERM
  5: 'STORE_LOCKED', // SQLITE_BUSY
  6: 'STORE_LOCKED', // SQLITE_LOCKED
  8: 'DISK_IO', // SQLITE_READONLY
  10: 'DISK_IO', // SQLITE_IOERR
  11: 'STORE_CORRUPT', // SQLITE_CORRUPT
  13: 'NO_SPACE', // SQLITE_FULL
  14: 'DISK_IO', // SQLITE_CANTOPEN
  26: 'STORE_CORRUPT', // SQLITE_NOTADB
  // Extended codes, where they say more.
  4874: 'NO_SPACE', // SQLITE_IOERR_SHMSIZE: no room for the index of the log
};

/** Runs `body`, turning SQLite's errors into operating errors that name the file. */
function guard<Result>(path: string, body: () => Result): Result {
  try {
    return body();
  } catch (error) {
    const resultCode = sqliteResultCode(error);
    const code =
      resultCode === undefined
        ? undefined
        : (RESULT_CODES[resultCode] ?? RESULT_CODES[resultCode & 0xff]);
    if (code === undefined) throw error;
    const what = (error as Error).message;
    const fields = {
      STORE_LOCKED: { path, holder: 'another program' },
      DISK_IO: { place: path, what },
      STORE_CORRUPT: { place: path, what },
      NO_SPACE: { path },
    }[code];
    throw new CapstanError(code, fields, { cause: error });
  }
}

/** SQLite's (extended) result code, where `error` is SQLite's. */
function sqliteResultCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error)) return undefined;
  return typeof error.errcode === 'number' ? error.errcode : undefined;
}
