/** The vaults of a server: their open stores, and what their images are against the catalog's rows. */
import { toHex } from '../base/encodings.ts';
import { CapstanError, isCapstanError } from '../base/errors.ts';
import { checkName } from '../base/names.ts';
import type { Generation } from '../base/units.ts';
import type { TapeRow, VaultRow } from '../ports/catalog.ts';
import type { Engine, ImageInfo } from '../ports/engine.ts';
import { LABEL_LENGTH } from '../tape/labels.ts';
import type { ServerContext } from './context.ts';
import { movesUnderWay } from './pending-moves.ts';

/** Bytes of the longest label that a new tape has: five blocks. */
const LABEL_BYTES_MAX = 5 * LABEL_LENGTH;

/** Behind a tape's name: its copy while it is received, not to be mounted. */
export const INCOMING_SUFFIX = '.INCOMING';
/** Behind a tape's name: its content on its way from another name or vault, or an empty one. */
export const MOVING_SUFFIX = '.MOVING';
/** Behind a tape's name: nothing; the tape is being deleted. */
export const DELETING_SUFFIX = '.DELETING';
/** Behind a tape's name: the same content, while what it refers to is mended. */
export const REPAIR_SUFFIX = '.REPAIR';

/** The ledger of a shared vault; a tape's name has no more than six characters. */
export const LEDGER_IMAGE = 'SHARED-LEDGER';
/** What is to take the ledger's place. */
export const LEDGER_STAGED = `${LEDGER_IMAGE}.NEXT`;

/** What keeps a vault closed and not the server. */
const DISK_FAULTS = ['DISK_IO', 'STORE_CORRUPT', 'STORE_FAILED', 'NO_SPACE'] as const;

/** A tape's content that comes back from a backup application. */
export const RECALL_SUFFIX = '.RECALL';

/** What is never a tape's image when a server starts. */
const STAGING_SUFFIXES = [INCOMING_SUFFIX, REPAIR_SUFFIX, MOVING_SUFFIX, RECALL_SUFFIX];

export interface VaultUsage extends VaultRow {
  /** `open`, or why it is not. */
  readonly state: string;
  readonly poolCount: number;
  readonly tapeCount: number;
  /** What hosts wrote, before compression and deduplication. */
  readonly payloadBytes: number;
  /** Vaults with the same one share it, and what is free on it. */
  readonly fileSystem?: string;
  readonly totalBytes?: number;
  readonly freeBytes?: number;
}

export class Vaults {
  readonly #context: ServerContext;
  readonly #engines = new Map<string, Engine>();
  /** Vaults that could not be opened, and why. */
  readonly #failures = new Map<string, CapstanError>();

  private constructor(context: ServerContext) {
    this.#context = context;
  }

  /**
   * Opens every vault of the catalog. One whose disk fails stays closed, and the server runs without it;
   * rejects where another process has one, where something else than a disk is wrong, and where none can
   * be opened, unless for want of room: then none stays open.
   */
  static async open(context: ServerContext): Promise<Vaults> {
    const vaults = new Vaults(context);
    try {
      for (const row of await context.ports.catalog.listVaults()) await vaults.#openAtStart(row);
      await vaults.#reportClosed();
    } catch (error) {
      await vaults.close();
      throw error;
    }
    return vaults;
  }

  async #openAtStart(row: VaultRow): Promise<void> {
    try {
      if (row.sharedId !== undefined) await this.#openShared(row);
      else {
        const open = (): Promise<Engine> => this.#openStore(row);
        this.#engines.set(row.name, await this.#withBallast(row, open));
      }
    } catch (error) {
      if (!isCapstanError(error, ...DISK_FAULTS)) throw error;
      this.#failures.set(row.name, error);
    }
  }

  /** Runs what opens a vault; where its disk is full, once more with what is held back in it. */
  async #withBallast<T>(row: VaultRow, open: () => Promise<T>): Promise<T> {
    const { ballasts, ports } = this.#context;
    try {
      return await ballasts.rescue(open);
    } catch (error) {
      if (!isCapstanError(error, 'NO_SPACE')) throw error;
      if ((await ports.ballasts?.vault(row).release()) !== true) throw error;
      return open();
    }
  }

  /**
   * Opens a shared vault unless another server has it open, and takes its ledger over. Whether this server
   * keeps it now.
   */
  #openShared(row: VaultRow): Promise<boolean> {
    return this.#withBallast(row, () => this.#takeShared(row));
  }

  async #takeShared(row: VaultRow): Promise<boolean> {
    const { keeping } = this.#context;
    let engine: Engine;
    try {
      engine = await this.#openStore(row);
    } catch (error) {
      if (!isCapstanError(error, 'STORE_LOCKED')) throw error;
      keeping.setElsewhere(row.name, undefined);
      return false;
    }
    try {
      await keeping.take(row, engine);
    } catch (error) {
      await engine.close();
      throw error;
    }
    this.#engines.set(row.name, engine);
    return true;
  }

  /**
   * Has this server keep a shared vault, unless another does; `finish` ends what a crash left in it. Whether
   * it keeps it now. Within a decision. Rejects as opening it does.
   */
  async keep(row: VaultRow, finish: () => Promise<void>): Promise<boolean> {
    if (this.#engines.has(row.name)) return true;
    if (!(await this.#openShared(row))) return false;
    this.#failures.delete(row.name);
    await finish();
    const tapes = await this.#context.ports.catalog.listTapes();
    await this.#reconcileVault(row.name, this.engine(row.name), tapes);
    this.#context.ballasts.holdAgain();
    return true;
  }

  async #openStore(row: VaultRow): Promise<Engine> {
    try {
      return await this.#context.ports.openEngine(row, 'write');
    } catch (error) {
      if (!isCapstanError(error, 'NOT_FOUND')) throw error;
      const what = 'there is no store in this folder; its file system may not be mounted';
      throw new CapstanError('DISK_IO', { place: row.path, what }, { cause: error });
    }
  }

  async #reportClosed(): Promise<void> {
    const [first] = this.#failures.values();
    // On a full disk it says so, and opens the vault where it is told that there is room.
    if (first !== undefined && this.#engines.size === 0 && first.code !== 'NO_SPACE') {
      throw first;
    }
    for (const [vault, { message: reason }] of this.#failures) {
      await this.#context.eventLog.log('VAULT_NOT_OPENED', { vault, reason });
    }
  }

  /**
   * Opens a vault that could not be opened at the start; `finish` ends what a crash left in it. Rejects
   * NOT_FOUND, and as opening it does.
   */
  async reopen(name: string, finish: () => Promise<void>): Promise<VaultRow> {
    const { catalog } = this.#context.ports;
    checkName('vault', name);
    const row = (await catalog.listVaults()).find((each) => each.name === name);
    if (row === undefined) throw new CapstanError('NOT_FOUND', { kind: 'vault', name });
    if (this.#engines.has(name)) return row;
    if (row.sharedId !== undefined) {
      if (!(await this.keep(row, finish))) this.#context.keeping.refuseElsewhere(name);
      return row;
    }
    const engine = await this.#withBallast(row, () => this.#openStore(row));
    this.#engines.set(name, engine);
    this.#failures.delete(name);
    await finish();
    await this.#reconcileVault(name, engine, await catalog.listTapes());
    this.#context.ballasts.holdAgain();
    return row;
  }

  /** `VAULT05: kept by east`, `VAULT06: The disk … is full`; undefined where this server has it open. */
  whyNotHere(name: string): string | undefined {
    const { keeping } = this.#context;
    const elsewhere = keeping.isElsewhere(name) ? keeping.stateOf(name) : undefined;
    const reason = this.#failures.get(name)?.message ?? elsewhere;
    return reason === undefined ? undefined : `${name}: ${reason}`;
  }

  /** Vaults that could not be opened, with the reason. */
  get closed(): ReadonlyMap<string, string> {
    return new Map(Array.from(this.#failures, ([name, error]) => [name, error.message]));
  }

  /** Makes a vault's store, then its row: a crash between leaves a folder that is used again. */
  async create(name: string, path: string, eventLog = this.#context.eventLog): Promise<VaultRow> {
    checkName('vault', name);
    const { catalog, clock } = this.#context.ports;
    await this.refuseNested(name, path);
    if (this.#engines.has(name) || this.#failures.has(name)) {
      throw new CapstanError('ALREADY_EXISTS', { kind: 'vault', name, where: '' });
    }
    const row = { name, path, createdAtMs: clock.nowMs() };
    const engine = await this.#context.ports.openEngine(row, 'create');
    try {
      const [image] = await engine.listImages();
      if (image !== undefined) refuseForeignTapes(name, path, image);
      await catalog.createVault(row);
    } catch (error) {
      await engine.close();
      throw error;
    }
    this.#engines.set(name, engine);
    this.#context.ballasts.holdAgain();
    await eventLog.log('VAULT_CREATED', { vault: name, path });
    return row;
  }

  /**
   * Takes a vault that has no pools out of the server. Its folder stays where it is: what it holds is
   * nobody's any more, and removing it is the operator's. Rejects NOT_FOUND, IN_USE.
   */
  async delete(name: string, eventLog = this.#context.eventLog): Promise<VaultRow> {
    const { catalog } = this.#context.ports;
    checkName('vault', name);
    const row = (await catalog.listVaults()).find((each) => each.name === name);
    if (row === undefined) throw new CapstanError('NOT_FOUND', { kind: 'vault', name });
    await catalog.deleteVault(name);
    await this.release(name);
    await eventLog.log('VAULT_DELETED', { vault: name, path: row.path });
    return row;
  }

  /** The vault has another name in the catalog now. */
  rename(name: string, newName: string): void {
    const engine = this.#engines.get(name);
    const failure = this.#failures.get(name);
    this.#engines.delete(name);
    this.#failures.delete(name);
    if (engine !== undefined) this.#engines.set(newName, engine);
    if (failure !== undefined) this.#failures.set(newName, failure);
  }

  /** Closes a vault that is this server's no more. */
  async release(name: string): Promise<void> {
    await this.#context.keeping.forget(name);
    const engine = this.#engines.get(name);
    this.#engines.delete(name);
    this.#failures.delete(name);
    await engine?.close();
  }

  /** Every vault, with what is in it and what is left on its file system. */
  async list(): Promise<readonly VaultUsage[]> {
    const { catalog, fileSystems } = this.#context.ports;
    const [tapes, pools] = [await catalog.listTapes(), await catalog.listPools()];
    const usages: VaultUsage[] = [];
    for (const vault of await catalog.listVaults()) {
      const own = tapes.filter((tape) => tape.vault === vault.name);
      const usage = await fileSystems?.usage(vault.path).catch((error: unknown) => {
        // A vault whose file system does not answer is shown without it.
        if (!isCapstanError(error)) throw error;
        return undefined;
      });
      usages.push({
        ...vault,
        state: this.#failures.get(vault.name)?.message ?? this.#context.keeping.stateOf(vault.name),
        poolCount: pools.filter((pool) => pool.vault === vault.name).length,
        tapeCount: own.length,
        payloadBytes: own.reduce((sum, tape) => sum + tape.payloadBytes, 0),
        ...(usage && {
          fileSystem: usage.id,
          totalBytes: usage.totalBytes,
          freeBytes: usage.freeBytes,
        }),
      });
    }
    return usages;
  }

  /** A vault's folder is its own: one within another would be taken for damage there. */
  async refuseNested(name: string, path: string): Promise<void> {
    const within = (inner: string, outer: string): boolean =>
      inner.startsWith(outer.endsWith('/') ? outer : `${outer}/`);
    const other = (await this.#context.ports.catalog.listVaults()).find(
      (each) => within(path, each.path) || within(each.path, path),
    );
    if (other === undefined) return;
    const reason = `it lies within vault ${other.name} at ${other.path}, or that within it`;
    throw new CapstanError('INVALID_ARGUMENT', { what: `The folder of vault ${name}`, reason });
  }

  /** The vault that a pool goes to where nobody says: the first by name. */
  get first(): string | undefined {
    return [...this.#engines.keys()].toSorted()[0];
  }

  get all(): readonly (readonly [string, Engine])[] {
    return [...this.#engines];
  }

  engine(vault: string): Engine {
    const engine = this.#engines.get(vault);
    if (engine === undefined) {
      this.#context.keeping.refuseElsewhere(vault);
      const cause = this.#failures.get(vault);
      if (cause !== undefined) {
        const fields = { vault, reason: cause.message };
        throw new CapstanError('VAULT_CLOSED', fields, { cause });
      }
      throw new CapstanError('NOT_FOUND', { kind: 'vault', name: vault });
    }
    return engine;
  }

  async close(): Promise<void> {
    await this.#context.keeping.close();
    for (const engine of this.#engines.values()) await engine.close();
    this.#engines.clear();
  }

  /**
   * Start-up: the engine commits first, the catalog second, so after a crash an image may be ahead of
   * its row: the row follows. Copies that were being received, and repairs, are given up.
   */
  async reconcile(): Promise<void> {
    const tapes = await this.#context.ports.catalog.listTapes();
    for (const [vault, engine] of this.all) await this.#reconcileVault(vault, engine, tapes);
  }

  async #reconcileVault(vault: string, engine: Engine, tapes: readonly TapeRow[]): Promise<void> {
    const images = new Map((await engine.listImages()).map((image) => [image.name, image]));
    const remove = async (name: string): Promise<void> => {
      images.delete(name);
      await removeIfThere(engine, name);
    };
    // A deletion whose row is gone is ended first: its image is nobody's.
    for (const name of images.keys()) {
      const tape = name.slice(0, -DELETING_SUFFIX.length);
      if (!name.endsWith(DELETING_SUFFIX)) continue;
      if (!tapes.some((row) => row.name === tape)) await remove(tape);
      await remove(name);
    }
    // A move that cannot be ended yet, since the other vault is not open, still needs what it has staged.
    const moving = await movesUnderWay(this.#context.ports.catalog);
    for (const name of images.keys()) {
      if (name.endsWith(MOVING_SUFFIX) && moving.has(name.slice(0, -MOVING_SUFFIX.length))) {
        images.delete(name);
        continue;
      }
      const isStaged = STAGING_SUFFIXES.some((end) => name.endsWith(end));
      if (isStaged || name === LEDGER_STAGED) await remove(name);
    }
    for (const row of tapes.filter((each) => each.vault === vault)) {
      if (!moving.has(row.name)) await this.#reconcileTape(engine, row, images.get(row.name));
      images.delete(row.name);
    }
    const leftOut = this.#context.keeping.leftOut(vault);
    for (const [name, image] of images) {
      if (name === LEDGER_IMAGE || leftOut.has(name) || moving.has(name)) continue;
      if (isUnwritten(image)) await remove(name);
      else await this.#reportStray(vault, name);
    }
  }

  async #reportStray(vault: string, name: string): Promise<void> {
    await this.#context.eventLog.log('STORE_DAMAGED', {
      vault,
      place: `images/${name}`,
      what: 'the image belongs to no cartridge of the catalog; it is kept',
    });
  }

  async #reconcileTape(engine: Engine, row: TapeRow, image: ImageInfo | undefined): Promise<void> {
    const { eventLog } = this.#context;
    const place = `images/${row.name}`;
    if (image === undefined || image.generation < row.generation) {
      const what =
        image === undefined
          ? 'the image is missing or damaged'
          : `the image has generation ${image.generation}, the catalog ${row.generation}`;
      await eventLog.log('STORE_DAMAGED', { vault: row.vault, place, what });
      return;
    }
    if (image.generation === row.generation) return;
    // What a mount was writing when the crash came is this server's own, and no copy any more.
    const open = await this.#context.ports.catalog.listMounts({ open: true });
    const writing = open.some((mount) => mount.tape === row.name && mount.ring);
    const found = writing ? { ...row, copiedFrom: undefined } : row;
    await this.recordContent(engine, found, image.generation, 'found');
    await eventLog.log('CONTENT_FOUND', {
      tape: row.name,
      found: image.generation,
      recorded: row.generation,
    });
  }

  /** Records the content of a tape's image as it now is. */
  async recordContent(
    engine: Engine,
    row: TapeRow,
    generation: Generation,
    origin: string,
  ): Promise<void> {
    const atMs = this.#context.ports.clock.nowMs();
    const content = await contentOf(engine, row.name);
    await this.#context.ports.catalog.recordContent(
      { ...row, generation, payloadBytes: content.payloadBytes, writtenAtMs: atMs },
      { tape: row.name, generation, atMs, origin, ...content },
    );
  }
}

/** A store that has tapes is another server's: this one's start would take some of them for leavings. */
function refuseForeignTapes(vault: string, path: string, { name }: ImageInfo): never {
  throw new CapstanError('INVALID_ARGUMENT', {
    what: `The folder ${path} of vault ${vault}`,
    reason: `there is a store with tapes in it (${name}), which is another server's`,
  });
}

/** What is behind a tape that was about to be made: at most its label, which nobody has written upon. */
function isUnwritten({ generation, partitions }: ImageInfo): boolean {
  const payloadBytes = partitions.reduce((sum, partition) => sum + partition.payloadBytes, 0);
  return generation === 0 && payloadBytes <= LABEL_BYTES_MAX;
}

export interface ImageContent {
  readonly payloadBytes: number;
  /** Hexadecimal. */
  readonly manifestDigest: string;
}

/** What an image holds as of its last sync. */
export async function contentOf(engine: Engine, image: string): Promise<ImageContent> {
  const { digest, partitions } = await engine.readManifest(await engine.exportManifest(image));
  return {
    payloadBytes: partitions.reduce((sum, partition) => sum + partition.payloadBytes, 0),
    manifestDigest: toHex(digest),
  };
}

/** Removes an image that may not be there. */
export async function removeIfThere(engine: Engine, image: string): Promise<void> {
  try {
    await engine.removeImage(image);
  } catch (error) {
    if (!isCapstanError(error, 'NOT_FOUND')) throw error;
  }
}
