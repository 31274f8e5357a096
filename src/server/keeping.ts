/**
 * Who keeps a shared vault. One server at a time does, its **keeper**: it has the store open for writing,
 * which the store's lock lets nobody else have, and every change of the vault's pools, tapes and locks in
 * its catalog stands in the vault's ledger before it counts. The other servers are **guests** of the vault.
 *
 * A change is one transaction of the catalog, which is committed once the ledger has it: where the ledger
 * cannot be written (a full disk), nothing has changed. Where the process dies between the two, the change
 * stands, although nobody was told so. As long as a change is under way nobody else has the catalog.
 *
 * A server that comes to keep a vault makes its rows what the ledger says, whatever it knew before.
 */
import { decorate } from '../base/decorate.ts';
import { CapstanError, isCapstanError } from '../base/errors.ts';
import type { Catalog, VaultRow } from '../ports/catalog.ts';
import type { Engine } from '../ports/engine.ts';
import { SharedLedger } from './shared-ledger.ts';
import { settleMoves } from './shared-moves.ts';
import { VaultRows, changedRecords, changesTo } from './shared-records.ts';
import type { VaultRecord } from './shared-records.ts';
import { Sequence } from './context.ts';

/** The process that locks a tape which a server of a shared vault has mounted; behind it, the server. */
export const MOUNTING = 'mount on ';

/** What such a lock is for. */
export function mountReason(
  drive: string,
  { ring, host }: { readonly ring: boolean; readonly host: string },
): string {
  return `${drive} has it ${ring ? 'with' : 'without'} ring for ${host}`;
}

/** Methods of the catalog that change a pool, a tape, a generation or a process lock. */
const CHANGING = [
  'createPool',
  'updatePool',
  'renamePool',
  'movePool',
  'deletePool',
  'createTape',
  'createTapes',
  'updateTape',
  'renameTape',
  'moveTape',
  'deleteTape',
  'recordContent',
  'recordErase',
  'recordMigration',
  'recordMount',
  'recordDismount',
  'takeLock',
  'releaseLock',
] as const satisfies readonly (keyof Catalog)[];
const IS_CHANGING: ReadonlySet<string> = new Set(CHANGING);

interface KeptVault {
  readonly ledger: SharedLedger;
  /** Pools and tapes of the ledger whose names are taken here, in another vault. */
  readonly leftOut: ReadonlySet<string>;
}

interface Recorded {
  readonly vault: string;
  readonly records: readonly VaultRecord[];
}

type RecordsListener = (vault: string, records: readonly VaultRecord[]) => void;

export class Keeping {
  /** The catalog as the server is to use it: with every change in the ledger. */
  readonly catalog: Catalog;
  readonly #catalog: Catalog;
  readonly #server: string;
  readonly #kept = new Map<string, KeptVault>();
  /** Shared vaults that another server keeps, and which as far as it is known. */
  readonly #elsewhere = new Map<string, string | undefined>();
  /** Calls of the catalog, and what changes a ledger, one after another while a vault is kept. */
  readonly #order = new Sequence();
  #onRecords: RecordsListener = () => {};

  constructor(catalog: Catalog, server: string) {
    this.#server = server;
    this.#catalog = catalog;
    this.catalog = this.#recording(catalog);
  }

  /** Called with what has changed of a vault that is kept here, once it is durable. */
  onRecords(listener: RecordsListener): void {
    this.#onRecords = listener;
  }

  isKept(vault: string): boolean {
    return this.#kept.has(vault);
  }

  isElsewhere(vault: string): boolean {
    return this.#elsewhere.has(vault);
  }

  get hasElsewhere(): boolean {
    return this.#elsewhere.size > 0;
  }

  /** Names of what the ledger has and this server's rows have not. */
  leftOut(vault: string): ReadonlySet<string> {
    return this.#kept.get(vault)?.leftOut ?? new Set();
  }

  /** Identities of the shared vaults kept here, by name. */
  get kept(): ReadonlyMap<string, string> {
    return new Map([...this.#kept].map(([vault, { ledger }]) => [vault, ledger.id]));
  }

  /** Another server keeps the vault. */
  setElsewhere(vault: string, keeper: string | undefined): void {
    this.#elsewhere.set(vault, keeper);
  }

  /** Forgets a vault, which is this server's no more. */
  async forget(vault: string): Promise<void> {
    const kept = this.#kept.get(vault);
    this.#elsewhere.delete(vault);
    this.#kept.delete(vault);
    if (kept !== undefined) await this.#order.run(() => kept.ledger.close());
  }

  /** `open`, or who keeps the vault, in a few words. */
  stateOf(vault: string): string {
    if (!this.#elsewhere.has(vault)) return this.#kept.has(vault) ? 'open, kept here' : 'open';
    const keeper = this.#elsewhere.get(vault);
    return keeper === undefined ? 'kept elsewhere, out of reach' : `kept by ${keeper}`;
  }

  /** Throws VAULT_ELSEWHERE where another server keeps it. */
  refuseElsewhere(vault: string): void {
    if (!this.#elsewhere.has(vault)) return;
    const keeper = this.#elsewhere.get(vault);
    throw new CapstanError('VAULT_ELSEWHERE', {
      vault,
      keeper: keeper ?? 'another server that cannot be reached now',
    });
  }

  /**
   * Takes over a shared vault whose store is open for writing: rows become what the ledger says, and
   * mounts that a server had are over. Rejects INVALID_ARGUMENT where it is another vault than the row
   * says, or none that is shared; STORE_CORRUPT.
   */
  async take(row: VaultRow, engine: Engine): Promise<void> {
    const ledger = await openLedger(row, engine);
    try {
      const { arrived } = await settleMoves(
        this.#catalog,
        { server: this.#server, vault: row.name },
        ledger.rows,
      );
      const changes = await changesTo(this.#catalog, row.name, ledger.rows, arrived);
      const leftOut = new Set(await this.#catalog.applyVaultChanges(row.name, changes));
      this.#kept.set(row.name, { ledger, leftOut });
      this.#elsewhere.delete(row.name);
      await this.#endMounts(row.name);
    } catch (error) {
      this.#kept.delete(row.name);
      await ledger.close();
      throw error;
    }
  }

  /** Shares a vault that was this server's alone. */
  async share(row: VaultRow, id: string, engine: Engine): Promise<void> {
    const records = await changedRecords(this.#catalog, row.name, new VaultRows());
    const ledger = await SharedLedger.create(engine, { id, name: row.name }, records);
    await this.#catalog.shareVault(row.name, id);
    this.#kept.set(row.name, { ledger, leftOut: new Set() });
    // What changed meanwhile.
    await this.#order.run(async () => this.#tell(await this.#record()));
  }

  /** All that the ledger of a kept vault says; `with` runs before anything else is recorded. */
  records(vault: string, and: () => void): Promise<readonly VaultRecord[]> {
    const kept = this.#kept.get(vault);
    if (kept === undefined) {
      throw new CapstanError('NOT_FOUND', { kind: 'shared vault kept here', name: vault });
    }
    return this.#order.run(async () => {
      and();
      return kept.ledger.rows.records();
    });
  }

  /** A ledger's image is closed before its store is. */
  async close(): Promise<void> {
    for (const { ledger } of this.#kept.values()) await this.#order.run(() => ledger.close());
    this.#kept.clear();
  }

  /** Nobody has a tape of a vault that was just opened: a mount goes through who keeps the vault. */
  async #endMounts(vault: string): Promise<void> {
    const tapes = (await this.#catalog.listTapes()).filter((tape) => tape.vault === vault);
    const names = new Set(tapes.map(({ name }) => name));
    for (const { tape, process } of await this.#catalog.listLocks()) {
      if (tape === undefined || !names.has(tape) || !process.startsWith(MOUNTING)) continue;
      await this.catalog.releaseLock({ tape }, process);
    }
  }

  #recording(catalog: Catalog): Catalog {
    return decorate(catalog, (name, call) => {
      if (this.#kept.size === 0) return call();
      return this.#order.run(() => (IS_CHANGING.has(name) ? this.#recorded(call) : call()));
    });
  }

  async #recorded(change: () => Promise<unknown>): Promise<unknown> {
    const recorded: Recorded[] = [];
    try {
      return await this.#catalog.atomically(async () => {
        const value = await change();
        recorded.push(...(await this.#record()));
        return value;
      });
    } catch (error) {
      // Where a ledger has what was not committed, it says so no more.
      recorded.push(...(await this.#recordedAgain()));
      throw error;
    } finally {
      this.#tell(recorded);
    }
  }

  async #recordedAgain(): Promise<readonly Recorded[]> {
    try {
      return await this.#record();
    } catch (error) {
      // The ledger cannot be written: the next change makes up for it.
      if (!isCapstanError(error)) throw error;
      return [];
    }
  }

  #tell(recorded: readonly Recorded[]): void {
    for (const { vault, records } of recorded) this.#onRecords(vault, records);
  }

  /** Has the ledgers say what the catalog says; what they did not. */
  async #record(): Promise<readonly Recorded[]> {
    const recorded: Recorded[] = [];
    for (const [vault, { ledger, leftOut }] of this.#kept) {
      const changed = await changedRecords(this.#catalog, vault, ledger.rows);
      const records = changed.filter(
        (each) => !((each.is === 'no-tape' || each.is === 'no-pool') && leftOut.has(each.name)),
      );
      if (records.length === 0) continue;
      await ledger.append(records);
      recorded.push({ vault, records });
    }
    return recorded;
  }
}

async function openLedger(row: VaultRow, engine: Engine): Promise<SharedLedger> {
  const refuse = (reason: string, cause?: unknown): CapstanError => {
    const fields = { what: `The folder ${row.path} for the shared vault ${row.name}`, reason };
    return new CapstanError('INVALID_ARGUMENT', fields, { cause });
  };
  let ledger: SharedLedger;
  try {
    ledger = await SharedLedger.open(engine);
  } catch (error) {
    if (!isCapstanError(error, 'NOT_FOUND')) throw error;
    throw refuse('the vault in it is not shared', error);
  }
  if (ledger.name === row.name && (row.sharedId === '' || ledger.id === row.sharedId))
    return ledger;
  await ledger.close();
  throw refuse(`it holds the shared vault ${ledger.name} of the identity ${ledger.id}`);
}
