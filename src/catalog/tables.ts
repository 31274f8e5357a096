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
  columns: {
    server: 'plain',
    address: 'plain',
    port: 'plain',
    user: 'plain',
    hostKey: 'plain',
    transport: 'plain',
  },
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
    server: 'plain',
    address: 'plain',
    port: 'plain',
    user: 'plain',
    hostKey: 'plain',
    transport: 'plain',
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

/** `SELECT` of all columns of `table`; append the rest of the statement. */
export function selectSql<Row>(table: Table<Row>): string {
  return `SELECT ${Object.keys(table.columns).join(', ')} FROM ${table.name}`;
}

/** `INSERT` of a whole row, its values as named parameters; an `id` of NULL takes the next number. */
export function insertSql<Row>(table: Table<Row>, verb: 'INSERT' | 'REPLACE' = 'INSERT'): string {
  const names = Object.keys(table.columns);
  return `${verb} INTO ${table.name} (${names.join(', ')}) VALUES (:${names.join(', :')})`;
}

/** The named parameters of a row. */
export function toParameters<Row>(table: Table<Row>, row: Row): Record<string, SQLInputValue> {
  return Object.fromEntries(
    (Object.keys(table.columns) as (keyof Row & string)[]).map((name) => {
      const value = row[name] as SQLInputValue | boolean | undefined;
      return [name, typeof value === 'boolean' ? Number(value) : (value ?? null)];
    }),
  );
}

/** The port's row out of a row of {@link selectSql}; the schema's checks vouch for the types. */
export function toRow<Row>(
  table: Table<Row>,
  sqlRow: Readonly<Record<string, SQLOutputValue>>,
): Row {
  return Object.fromEntries(
    Object.entries<ColumnKind>(table.columns).map(([name, kind]) => {
      const value = sqlRow[name] ?? undefined;
      return [name, kind === 'boolean' ? value === 1 : value];
    }),
  ) as Row;
}
