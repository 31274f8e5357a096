/**
 * What another server asks of this one for Instant DR, beside copies: what it has, deletions, roles.
 *
 * Nothing is deleted but what the asker sent and nobody changed since. A scheme's role is taken over only
 * by a server that was set up as its standby for the asker.
 */
import { CapstanError, isCapstanError } from '../base/errors.ts';
import { checkName } from '../base/names.ts';
import type { TapeRow } from '../ports/catalog.ts';
import type { Holding, InstantDrReceiver, TapeInquiry } from '../ports/copy-receiver.ts';
import { reasonOf } from './context.ts';
import { placeOf, samePlace } from './same-place.ts';
import type { ServerContext } from './context.ts';
import { knows, sameVersion, versionOf } from './copy-lineage.ts';
import { COPY_TO_ITSELF, IN_ANOTHER_POOL, MOUNTED_THERE } from './copy-refusals.ts';
import { contentOf, removeIfThere } from './vaults.ts';
import type { Vaults } from './vaults.ts';

type Inquiry = Parameters<InstantDrReceiver['inquire']>[0];
type Removal = Parameters<InstantDrReceiver['remove']>[0];

/** What another server asks about a scheme, as src/server/instant-dr.ts decides it. */
export interface SchemeRoles {
  /** Throws a refusal where this server is the scheme's source itself. */
  checkIsTarget(scheme: string, sourceServer: string): Promise<void>;
  takeOver: InstantDrReceiver['takeOver'];
}

export class CopyInquiries implements InstantDrReceiver {
  readonly #context: ServerContext;
  readonly #vaults: Vaults;
  readonly #busyTapes: ReadonlySet<string>;
  readonly #roles: SchemeRoles;

  constructor(options: {
    readonly context: ServerContext;
    readonly vaults: Vaults;
    readonly busyTapes: ReadonlySet<string>;
    readonly roles: SchemeRoles;
  }) {
    this.#context = options.context;
    this.#vaults = options.vaults;
    this.#busyTapes = options.busyTapes;
    this.#roles = options.roles;
  }

  async inquire(inquiry: Inquiry): Promise<readonly (Holding | undefined)[]> {
    const { scheme, sourceServer, thorough, tapes } = inquiry;
    const { serverName } = this.#context.settings;
    if (sourceServer === serverName) {
      const tape = tapes
        .map((each) => each.tape)
        .join(' ')
        .slice(0, 40);
      throw new CapstanError('COPY_REFUSED', { peer: serverName, tape, reason: COPY_TO_ITSELF });
    }
    for (const asked of tapes) await this.#refuseSamePlace(asked, inquiry);
    if (scheme !== '') await this.#roles.checkIsTarget(scheme, sourceServer);
    const holdings: (Holding | undefined)[] = [];
    for (const tape of tapes) holdings.push(await this.#holding(tape, thorough));
    return holdings;
  }

  /** What is here would be called in step with itself. */
  async #refuseSamePlace(
    { tape }: TapeInquiry,
    { places = [], sourceServer }: Inquiry,
  ): Promise<void> {
    if (places.length === 0) return;
    const row = await this.#context.ports.catalog.findTape(tape);
    if (row === undefined) return;
    const here = await placeOf(this.#context, row.vault);
    const reason = places.map((place) => samePlace(place, here)).find((why) => why !== undefined);
    if (reason === undefined) return;
    await this.#context.eventLog.log('COPY_REFUSED', { tape, source: sourceServer, reason });
    const peer = this.#context.settings.serverName;
    throw new CapstanError('PEER_REFUSED', { peer, what: `an inquiry about ${tape}`, reason });
  }

  takeOver(request: Parameters<InstantDrReceiver['takeOver']>[0]): Promise<void> {
    return this.#roles.takeOver(request);
  }

  async #holding(asked: TapeInquiry, thorough: boolean): Promise<Holding | undefined> {
    const { catalog } = this.#context.ports;
    const row = await catalog.findTape(checkName('tape', asked.tape));
    if (row === undefined) return undefined;
    const mounted = this.#busyTapes.has(row.name);
    const damaged = thorough && !mounted && (await this.#isDamaged(row));
    const current = await versionOf(catalog, this.#vaults, row);
    const knowsOurs = await knows(catalog, { name: row.name, current }, asked);
    return { pool: row.pool, ...current, knowsOurs, mounted, damaged };
  }

  /** Reads all of the tape: every chunk's digest, and that the whole is what the catalog says. */
  async #isDamaged(row: TapeRow): Promise<boolean> {
    const engine = this.#vaults.engine(row.vault);
    try {
      const { damages } = await engine.verify({ images: [row.name] });
      if (damages.length > 0) return true;
      const { catalog } = this.#context.ports;
      const recorded = await catalog.findGeneration(row.name, row.generation);
      const { manifestDigest } = await contentOf(engine, row.name);
      return recorded !== undefined && recorded.manifestDigest !== manifestDigest;
    } catch (error) {
      if (!isCapstanError(error, 'STORE_CORRUPT', 'NOT_FOUND')) throw error;
      return true;
    }
  }

  async remove(removal: Removal): Promise<void> {
    const { scheme, sourceServer } = removal;
    const tape = checkName('tape', removal.tape);
    const { ports, eventLog, decisions } = this.#context;
    await this.#roles.checkIsTarget(scheme, sourceServer);
    const pool = await decisions.run(async () => {
      const row = await ports.catalog.findTape(tape);
      if (row === undefined) return undefined;
      const refusal = await this.#refusalToRemove(row, removal);
      if (refusal !== undefined) {
        const peer = this.#context.settings.serverName;
        throw new CapstanError('PEER_REFUSED', { peer, what: tape, reason: refusal });
      }
      // Row first, image second, as every deletion.
      await ports.catalog.deleteTape(tape);
      await removeIfThere(this.#vaults.engine(row.vault), tape);
      return row.pool;
    });
    if (pool === undefined) return;
    await eventLog.log('IDR_COPY_DELETED', { tape, pool, source: sourceServer, scheme });
  }

  async #refusalToRemove(row: TapeRow, removal: Removal): Promise<string | undefined> {
    const { catalog } = this.#context.ports;
    if (row.pool !== removal.pool) return IN_ANOTHER_POOL;
    if (this.#busyTapes.has(row.name)) return MOUNTED_THERE;
    if (row.userLocked || row.autoloadLocked) return 'the virtual tape is locked';
    try {
      const current = await versionOf(catalog, this.#vaults, row);
      const isTheirs = row.copiedFrom === removal.sourceServer && sameVersion(current, removal);
      return isTheirs ? undefined : 'the virtual tape is no longer what the source copied';
    } catch (error) {
      return reasonOf(error);
    }
  }
}
