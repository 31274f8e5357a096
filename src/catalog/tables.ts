/** The tables and their columns, and how a row of the port becomes SQL parameters and back. */
import type { SQLInputValue, SQLOutputValue } from 'node:sqlite';
import type {
  CopyJobRow,
  CopyRuleRow,
  CopyTarget,
  DriveRow,
  EventRow,
  GenerationRow,
  MountRequestRow,
  MountRow,
  PoolRow,
  TapeRow,
  VaultRow,
} from '../ports/catalog.ts';
import type { LockRow } from '../ports/catalog-media.ts';
import type { PeerRow } from '../ports/catalog-shared.ts';

/** How a column's value is kept: as it is, or a boolean as 0 and 1. A missing value is NULL. */
type ColumnKind = 'plain' | 'boolean';

/** A table that keeps rows of one type; its columns are the row's fields, no more and no fewer. */
export interface Table<Row> {
  readonly name: string;
  readonly columns: Readonly<Record<keyof Row, ColumnKind>>;
}

/** A target's fields, wherever a row has one. */
export const COPY_TARGET_COLUMNS = {
  server: 'plain',
  address: 'plain',
  port: 'plain',
  user: 'plain',
  hostKey: 'plain',
  transport: 'plain',
} as const satisfies Table<CopyTarget>['columns'];

/** A copy rule as it lies in its table: the target's fields beside the rule's. */
export type FlatCopyRule = Omit<CopyRuleRow, 'target'> & CopyTarget;

export const VAULT: Table<VaultRow> = {
  name: 'vault',
  columns: {
    name: 'plain',
    path: 'plain',
    createdAtMs: 'plain',
    sharedId: 'plain',
  },
};

export const POOL: Table<PoolRow> = {
  name: 'pool',
  columns: {
    name: 'plain',
    vault: 'plain',
    createdAtMs: 'plain',
    retentionMs: 'plain',
    encrypted: 'boolean',
    locked: 'boolean',
    quotaBytes: 'plain',
  },
};

export const TAPE: Table<TapeRow> = {
  name: 'tape',
  columns: {
    name: 'plain',
    pool: 'plain',
    vault: 'plain',
    labelType: 'plain',
    capacityBytes: 'plain',
    generation: 'plain',
    payloadBytes: 'plain',
    createdAtMs: 'plain',
    writtenAtMs: 'plain',
    mountedAtMs: 'plain',
    dismountedAtMs: 'plain',
    copiedFrom: 'plain',
    owner: 'plain',
    updatedAtMs: 'plain',
    erasedAtMs: 'plain',
    exportedAtMs: 'plain',
    importedAtMs: 'plain',
    migratedAtMs: 'plain',
    migratedBy: 'plain',
    restoredAtMs: 'plain',
    userLocked: 'boolean',
    autoloadLocked: 'boolean',
    keyId: 'plain',
  },
};

export const LOCK: Table<LockRow> = {
  name: 'processLock',
  columns: {
    tape: 'plain',
    pool: 'plain',
    process: 'plain',
    sinceMs: 'plain',
    reason: 'plain',
  },
};

export const PEER: Table<PeerRow> = {
  name: 'peer',
  columns: { ...COPY_TARGET_COLUMNS, clientKey: 'plain' },
};

export const GENERATION: Table<GenerationRow> = {
  name: 'generation',
  columns: {
    tape: 'plain',
    generation: 'plain',
    atMs: 'plain',
    payloadBytes: 'plain',
    manifestDigest: 'plain',
    origin: 'plain',
  },
};

export const DRIVE: Table<DriveRow> = {
  name: 'drive',
  columns: {
    name: 'plain',
    host: 'plain',
    device: 'plain',
    serialNumber: 'plain',
  },
};

export const MOUNT: Table<MountRow> = {
  name: 'mount',
  columns: {
    id: 'plain',
    tape: 'plain',
    drive: 'plain',
    host: 'plain',
    requestNumber: 'plain',
    ring: 'boolean',
    mountedAtMs: 'plain',
    dismountedAtMs: 'plain',
    state: 'plain',
  },
};

export const MOUNT_REQUEST: Table<MountRequestRow> = {
  name: 'mountRequest',
  columns: {
    host: 'plain',
    requestNumber: 'plain',
    tape: 'plain',
    device: 'plain',
    ring: 'boolean',
    receivedAtMs: 'plain',
    reason: 'plain',
  },
};

export const COPY_RULE: Table<FlatCopyRule> = {
  name: 'copyRule',
  columns: {
    id: 'plain',
    pool: 'plain',
    ...COPY_TARGET_COLUMNS,
    targetPool: 'plain',
    bytesPerSecond: 'plain',
  },
};

export const COPY_JOB: Table<CopyJobRow> = {
  name: 'copyJob',
  columns: {
    tape: 'plain',
    ruleId: 'plain',
    generation: 'plain',
    state: 'plain',
    attempts: 'plain',
    queuedAtMs: 'plain',
    nextAttemptAtMs: 'plain',
    copiedGeneration: 'plain',
    lastError: 'plain',
    bytesSent: 'plain',
  },
};

export const EVENT: Table<EventRow> = {
  name: 'event',
  columns: {
    id: 'plain',
    atMs: 'plain',
    severity: 'plain',
    messageId: 'plain',
    address: 'plain',
    user: 'plain',
    program: 'plain',
    text: 'plain',
  },
};

/** What is asked of a table over and over, made once. */
interface TableSql {
  readonly columns: readonly (readonly [name: string, kind: ColumnKind])[];
  readonly select: string;
  readonly insert: string;
  readonly replace: string;
}

const TABLE_SQL = new WeakMap<object, TableSql>();

function sqlOf<Row>(table: Table<Row>): TableSql {
  const known = TABLE_SQL.get(table);
  if (known !== undefined) return known;
  const columns = Object.entries<ColumnKind>(table.columns);
  const names = columns.map(([name]) => name).join(', ');
  const places = columns.map(() => '?').join(', ');
  const made = {
    columns,
    select: `SELECT ${names} FROM ${table.name}`,
    insert: `INSERT INTO ${table.name} (${names}) VALUES (${places})`,
    replace: `REPLACE INTO ${table.name} (${names}) VALUES (${places})`,
  };
  TABLE_SQL.set(table, made);
  return made;
}

/** `SELECT` of all columns of `table`; append the rest of the statement. */
export function selectSql<Row>(table: Table<Row>): string {
  return sqlOf(table).select;
}

/** `INSERT` of a whole row, its values by place; an `id` of NULL takes the next number. */
export function insertSql<Row>(table: Table<Row>): string {
  return sqlOf(table).insert;
}

/** As {@link insertSql}, in place of the row of the same primary key. */
export function replaceSql<Row>(table: Table<Row>): string {
  return sqlOf(table).replace;
}

type SqlValue = SQLInputValue | SQLOutputValue;

/** A field's value as SQL has it. */
export function toSqlValue(value: unknown): SQLInputValue {
  return typeof value === 'boolean' ? Number(value) : ((value ?? null) as SQLInputValue);
}

/** A row's values in the order of {@link insertSql}. */
export function toValues<Row>(table: Table<Row>, row: Row): SQLInputValue[] {
  const given = row as Readonly<Record<string, unknown>>;
  return sqlOf(table).columns.map(([name]) => toSqlValue(given[name]));
}

/**
 * The port's row out of the values of {@link selectSql}, or as they went into {@link insertSql}; the schema's
 * checks vouch for the types.
 */
export function toRow<Row>(table: Table<Row>, values: readonly SqlValue[]): Row {
  const row: Record<string, unknown> = {};
  let place = 0;
  for (const [name, kind] of sqlOf(table).columns) {
    const value = values[place] ?? undefined;
    row[name] = kind === 'boolean' ? value === 1 : value;
    place += 1;
  }
  return row as Row;
}
