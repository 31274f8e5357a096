/**
 * What a guest of a shared vault has of it: rows as its keeper tells them. (Its tapes: remote-mounts.ts.)
 *
 * The rows lie in the guest's own catalog, where everybody looks; nobody but the keeper's word changes them.
 */
import type { IscSession } from '../isc/session.ts';
import type { ServerContext } from './context.ts';
import { Sequence } from './context.ts';
import { ask } from './isc-messages.ts';
import { settleMoves } from './shared-moves.ts';
import type { SettledMoves } from './shared-moves.ts';
import { VaultRows, changesOf, changesTo } from './shared-records.ts';
import type { VaultRecord } from './shared-records.ts';

/** A vault that another server keeps, as long as its session lasts. */
export class GuestVault {
  readonly name: string;
  readonly keeper: string;
  readonly session: IscSession;
  readonly #context: ServerContext;
  readonly #rows = new VaultRows();
  readonly #order = new Sequence();
  readonly #onChanged: () => void;
  readonly #onSettled: (moves: SettledMoves) => Promise<void>;
  /** What was told while the rows were fetched; undefined once they are here. */
  #early: VaultRecord[] | undefined = [];
  readonly #taken = new Set<string>();

  constructor(parts: {
    readonly context: ServerContext;
    readonly name: string;
    readonly keeper: string;
    readonly session: IscSession;
    /** The rows are others now. */
    readonly onChanged: () => void;
    /** The rows say how moves ended that a crash had cut off here. */
    readonly onSettled: (moves: SettledMoves) => Promise<void>;
  }) {
    this.#context = parts.context;
    this.name = parts.name;
    this.keeper = parts.keeper;
    this.session = parts.session;
    this.#onChanged = parts.onChanged;
    this.#onSettled = parts.onSettled;
  }

  /** Has the catalog's rows be the keeper's, and follow them from now on. */
  async load(): Promise<void> {
    const vault = this.name;
    const { count } = (await ask(this.session, 'subscribe', { vault })).answer;
    let from = 0;
    while (from < count) {
      const { records } = (await ask(this.session, 'records', { vault, from })).answer;
      if (records.length === 0) break;
      this.#rows.take(records);
      from += records.length;
    }
    this.#rows.take(this.#early ?? []);
    this.#early = undefined;
    await this.#order.run(async () => {
      const { catalog } = this.#context.ports;
      const { serverName: server } = this.#context.settings;
      const settled = await settleMoves(catalog, { server, vault }, this.#rows);
      const changes = await changesTo(catalog, vault, this.#rows, settled.arrived);
      await this.#tellTaken(await catalog.applyVaultChanges(vault, changes));
      await this.#onSettled(settled);
    });
    this.#onChanged();
  }

  /** The keeper told of changes; resolves when they stand in the catalog. */
  async hear(records: readonly VaultRecord[]): Promise<void> {
    if (this.#early !== undefined) {
      this.#early.push(...records);
      return;
    }
    this.#rows.take(records);
    await this.#order.run(async () => {
      const { catalog } = this.#context.ports;
      await this.#tellTaken(await catalog.applyVaultChanges(this.name, changesOf(records)));
    });
    this.#onChanged();
  }

  /** Names that cannot be shown here are told of once. */
  async #tellTaken(names: readonly string[]): Promise<void> {
    for (const name of names) {
      if (this.#taken.has(name)) continue;
      this.#taken.add(name);
      await this.#context.eventLog.log('SHARED_NAME_TAKEN', { name, vault: this.name });
    }
  }
}
