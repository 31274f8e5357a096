/**
 * The catalog in SQLite: the port's methods, each one transaction.
 *
 * What the port refuses is checked inside the transaction, so that the refusal names what is in the
 * way; the schema's constraints stand behind these checks and never speak first.
 */
import { assert } from '../base/assert.ts';
import { CapstanError } from '../base/errors.ts';
import type {
  Catalog,
  CoreCatalog,
  DismountRecord,
  DriveRow,
  EventFilter,
  EventRow,
  NewEvent,
  GenerationRow,
  MountRequestRow,
  MountRow,
  NewPool,
  NewTape,
  PoolRow,
  TapeRow,
  VaultRow,
} from '../ports/catalog.ts';
import { accessCatalog } from './access-catalog.ts';
import {
  findTape,
  insertEvent,
  insertPool,
  insertTape,
  refuseMounted,
  refuseTaken,
  requireRow,
  tapeExists,
} from './checks.ts';
import { eventCondition } from './event-condition.ts';
import { CATALOG_BYTES_MAX, Database } from './database.ts';
import { hostsCatalog } from './hosts-catalog.ts';
import { copiesCatalog } from './copies-catalog.ts';
import { instantDrCatalog } from './instant-dr-catalog.ts';
import { mediaCatalog } from './media-catalog.ts';
import { policyCatalog } from './policy-catalog.ts';
import { sharedCatalog } from './shared-catalog.ts';
import { licencesCatalog } from './licences-catalog.ts';
import { MIGRATIONS, migrate } from './schema.ts';
import { DRIVE, EVENT, GENERATION, MOUNT, MOUNT_REQUEST, POOL, TAPE, VAULT } from './tables.ts';

/** Events that are kept; the oldest make room for new ones. */
export const EVENT_COUNT_MAX = 1_000_000;

/**
 * Opens the catalog at `path`, or makes it; ':memory:' is one that ends with its closing.
 * Throws STORE_CORRUPT, DISK_IO, NO_SPACE, STORE_LOCKED, and INVALID_ARGUMENT where a newer Capstan
 * or another program made the file.
 */
export function openCatalog(
  path: string,
  options: { readonly bytesMax?: number; readonly eventCountMax?: number } = {},
): Catalog {
  const database = openDatabase(path, options.bytesMax);
  return catalogOf(database, options.eventCountMax);
}

/** The database of a catalog, brought up to date; throws as {@link openCatalog} does. */
export function openDatabase(path: string, bytesMax: number = CATALOG_BYTES_MAX): Database {
  return new Database(path, bytesMax, (connection) => migrate(connection, path, MIGRATIONS));
}

/** The port over a database of {@link openDatabase}; its state is in the database alone. */
export function catalogOf(database: Database, eventCountMax: number = EVENT_COUNT_MAX): Catalog {
  const core = new SqliteCatalog(database, eventCountMax);
  const append = (event: NewEvent): EventRow => core.appendWithin(event);
  return Object.assign(
    core,
    hostsCatalog(database),
    copiesCatalog(database, append),
    instantDrCatalog(database, append),
    mediaCatalog(database, append),
    policyCatalog(database, append),
    accessCatalog(database),
    licencesCatalog(database),
    sharedCatalog(database),
  );
}

class SqliteCatalog implements CoreCatalog {
  readonly #database: Database;
  readonly #eventCountMax: number;

  constructor(database: Database, eventCountMax: number) {
    this.#database = database;
    this.#eventCountMax = eventCountMax;
  }

  async createVault(vault: VaultRow): Promise<void> {
    this.#database.transaction(() => {
      refuseTaken(
        this.#database,
        { kind: 'vault', name: vault.name, sql: 'SELECT name, path FROM vault WHERE name = :name' },
        {
          name: vault.name,
        },
      );
      refuseTaken(
        this.#database,
        { kind: 'vault', name: vault.name, sql: 'SELECT name, path FROM vault WHERE path = :path' },
        {
          path: vault.path,
        },
      );
      this.#database.insert(VAULT, vault);
    });
  }

  async listVaults(): Promise<readonly VaultRow[]> {
    return this.#database.rows(VAULT, 'ORDER BY name');
  }

  async createPool(pool: NewPool): Promise<PoolRow> {
    return this.#database.transaction(() => {
      requireRow(this.#database, 'vault', pool.vault);
      refuseTaken(
        this.#database,
        { kind: 'pool', name: pool.name, sql: 'SELECT vault FROM pool WHERE name = :name' },
        {
          name: pool.name,
        },
      );
      return insertPool(this.#database, pool);
    });
  }

  async listPools(): Promise<readonly PoolRow[]> {
    return this.#database.rows(POOL, 'ORDER BY name');
  }

  async createTape(tape: NewTape): Promise<TapeRow> {
    return this.#database.transaction(() => insertTape(this.#database, tape));
  }

  async findTape(name: string): Promise<TapeRow | undefined> {
    return findTape(this.#database, name);
  }

  async listTapes(pool?: string): Promise<readonly TapeRow[]> {
    return pool === undefined
      ? this.#database.rows(TAPE, 'ORDER BY name')
      : this.#database.rows(TAPE, 'WHERE pool = :pool ORDER BY name', { pool });
  }

  async deleteTape(name: string): Promise<void> {
    this.#database.transaction(() => {
      requireRow(this.#database, 'tape', name);
      refuseMounted(this.#database, 'tape', name);
      this.#database.run('DELETE FROM tape WHERE name = :name', { name });
    });
  }

  async listGenerations(tape: string): Promise<readonly GenerationRow[]> {
    return this.#database.rows(GENERATION, 'WHERE tape = :tape ORDER BY generation', {
      tape,
    });
  }

  async recordContent(tape: NewTape, generation: GenerationRow): Promise<void> {
    assert(
      generation.tape === tape.name && generation.generation === tape.generation,
      'a recorded content is the generation that the tape is at',
    );
    this.#database.transaction(() => {
      const present = findTape(this.#database, tape.name);
      if (present === undefined) {
        insertTape(this.#database, tape);
      } else if (present.pool !== tape.pool) {
        throw tapeExists(present);
      } else {
        this.#database.run(
          `UPDATE tape SET labelType = :labelType, capacityBytes = :capacityBytes,
             generation = :generation, payloadBytes = :payloadBytes,
             writtenAtMs = :writtenAtMs, updatedAtMs = :atMs, copiedFrom = :copiedFrom,
             keyId = :keyId
           WHERE name = :name`,
          {
            name: tape.name,
            labelType: tape.labelType,
            capacityBytes: tape.capacityBytes,
            generation: tape.generation,
            payloadBytes: tape.payloadBytes,
            writtenAtMs: tape.writtenAtMs ?? null,
            atMs: generation.atMs,
            copiedFrom: tape.copiedFrom ?? null,
            keyId: tape.keyId ?? null,
          },
        );
      }
      this.#database.replace(GENERATION, generation);
    });
  }

  async createDrive(drive: DriveRow): Promise<void> {
    const { name, host, device, serialNumber } = drive;
    this.#database.transaction(() => {
      refuseTaken(
        this.#database,
        {
          kind: 'drive',
          name: name,
          sql: 'SELECT name, host, device FROM drive WHERE name = :name',
        },
        {
          name,
        },
      );
      refuseTaken(
        this.#database,
        {
          kind: 'connection',
          name: `${host} ${device}`,
          sql: 'SELECT name AS drive FROM drive WHERE host = :host AND device = :device',
        },
        { host, device },
      );
      refuseTaken(
        this.#database,
        {
          kind: 'drive',
          name: name,
          sql: 'SELECT name, serialNumber FROM drive WHERE serialNumber = :serialNumber',
        },
        { serialNumber },
      );
      this.#database.insert(DRIVE, drive);
    });
  }

  async deleteDrive(name: string): Promise<void> {
    this.#database.transaction(() => {
      requireRow(this.#database, 'drive', name);
      refuseMounted(this.#database, 'drive', name);
      this.#database.run('DELETE FROM drive WHERE name = :name', { name });
    });
  }

  async listDrives(host?: string): Promise<readonly DriveRow[]> {
    return host === undefined
      ? this.#database.rows(DRIVE, 'ORDER BY name')
      : this.#database.rows(DRIVE, 'WHERE host = :host ORDER BY name', { host });
  }

  async recordMount(mount: Omit<MountRow, 'id' | 'dismountedAtMs' | 'state'>): Promise<MountRow> {
    return this.#database.transaction(() => {
      requireRow(this.#database, 'tape', mount.tape);
      requireRow(this.#database, 'drive', mount.drive);
      refuseMounted(this.#database, 'tape', mount.tape);
      refuseMounted(this.#database, 'drive', mount.drive);
      const row = this.#database.insertNumbered(MOUNT, {
        ...mount,
        dismountedAtMs: undefined,
        state: 'open',
      });
      this.#database.run('UPDATE tape SET mountedAtMs = :atMs WHERE name = :tape', {
        tape: mount.tape,
        atMs: mount.mountedAtMs,
      });
      if (mount.requestNumber !== undefined) {
        this.#deleteMountRequest(mount.host, mount.requestNumber);
      }
      return row;
    });
  }

  async recordDismount(record: DismountRecord): Promise<void> {
    const { mountId, atMs, state, content } = record;
    this.#database.transaction(() => {
      const [mount] = this.#database.rows(MOUNT, "WHERE id = :id AND state = 'open'", {
        id: mountId,
      });
      if (mount === undefined) {
        throw new CapstanError('NOT_FOUND', { kind: 'open mount', name: mountId });
      }
      const { tape } = mount;
      this.#database.run('UPDATE mount SET state = :state, dismountedAtMs = :atMs WHERE id = :id', {
        id: mountId,
        state,
        atMs,
      });
      this.#database.run('UPDATE tape SET dismountedAtMs = :atMs WHERE name = :tape', {
        tape,
        atMs,
      });
      if (content !== undefined) {
        const { generation, payloadBytes } = content;
        this.#database.run(
          `UPDATE tape SET generation = :generation, payloadBytes = :payloadBytes,
             writtenAtMs = :atMs, updatedAtMs = :atMs, copiedFrom = NULL
           WHERE name = :tape`,
          { tape, generation, payloadBytes, atMs },
        );
        this.#database.replace(GENERATION, { tape, atMs, origin: mount.host, ...content });
      }
      for (const ruleId of record.queueRuleIds) this.#queueCopy(tape, ruleId, atMs);
    });
  }

  async listMounts(
    filter: { readonly open: true } | { readonly tape: string },
  ): Promise<readonly MountRow[]> {
    return 'tape' in filter
      ? this.#database.rows(MOUNT, 'WHERE tape = :tape ORDER BY id', { tape: filter.tape })
      : this.#database.rows(MOUNT, "WHERE state = 'open' ORDER BY id");
  }

  async putMountRequest(request: MountRequestRow): Promise<void> {
    this.#database.transaction(() => {
      requireRow(this.#database, 'tape', request.tape);
      // The row keeps its place in the order of arrival when it is replaced.
      this.#database.insert(
        MOUNT_REQUEST,
        request,
        `ON CONFLICT (host, requestNumber) DO UPDATE SET tape = excluded.tape,
           device = excluded.device, ring = excluded.ring,
           receivedAtMs = excluded.receivedAtMs, reason = excluded.reason`,
      );
    });
  }

  async deleteMountRequest(host: string, requestNumber: number): Promise<void> {
    this.#database.transaction(() => {
      this.#deleteMountRequest(host, requestNumber);
    });
  }

  async listMountRequests(): Promise<readonly MountRequestRow[]> {
    return this.#database.rows(MOUNT_REQUEST, 'ORDER BY id');
  }

  async appendEvent(event: NewEvent): Promise<EventRow> {
    return this.#database.transaction(() => this.appendWithin(event));
  }

  async listEvents(filter: {
    readonly afterId?: number;
    readonly limit: number;
    readonly where?: EventFilter;
  }): Promise<readonly EventRow[]> {
    const { afterId, limit, where } = filter;
    assert(Number.isSafeInteger(limit) && limit > 0, 'events are listed by whole numbers above 0');
    const { condition, parameters } = eventCondition(where ?? {});
    if (afterId !== undefined) {
      const rest = `WHERE id > :afterId AND ${condition} ORDER BY id LIMIT +:limit`;
      return this.#database.rows(EVENT, rest, { ...parameters, afterId, limit });
    }
    const rest = `WHERE ${condition} ORDER BY id DESC LIMIT +:limit`;
    return this.#database.rows(EVENT, rest, { ...parameters, limit }).reverse();
  }

  atomically<Result>(work: () => Promise<Result>): Promise<Result> {
    return this.#database.atomically(work);
  }

  async close(): Promise<void> {
    this.#database.close();
  }

  /** A rule that was deleted in the meantime owes nothing: no row, no error. */
  #queueCopy(tape: string, ruleId: number, atMs: number): void {
    this.#database.run(
      `INSERT INTO copyJob (tape, ruleId, generation, state, attempts, queuedAtMs, nextAttemptAtMs,
         copiedGeneration, lastError, bytesSent)
       SELECT tape.name, copyRule.id, tape.generation, 'due', 0, :atMs, :atMs, NULL, NULL, 0
       FROM tape, copyRule WHERE tape.name = :tape AND copyRule.id = :ruleId
       ON CONFLICT (tape, ruleId) DO UPDATE SET generation = excluded.generation,
         state = 'due', attempts = 0, queuedAtMs = :atMs, nextAttemptAtMs = :atMs,
         lastError = NULL, bytesSent = 0`,
      { tape, ruleId, atMs },
    );
  }

  /** Appends within the transaction that runs. */
  appendWithin(event: NewEvent): EventRow {
    return insertEvent(this.#database, event, this.#eventCountMax);
  }

  #deleteMountRequest(host: string, requestNumber: number): void {
    this.#database.run(
      'DELETE FROM mountRequest WHERE host = :host AND requestNumber = :requestNumber',
      { host, requestNumber },
    );
  }
}
