/**
 * The receiving side of a copy: what may come in, and how it becomes a tape.
 *
 * A copy is staged beside the tape under a name that cannot be mounted, synced, renamed over the tape,
 * recorded, and only then acknowledged. An older generation never replaces a newer one. Chunks that
 * arrived stay in the vault when a copy breaks off: the next attempt need not send them.
 */
import { CapstanError } from '../base/errors.ts';
import { checkName } from '../base/names.ts';
import type { PoolRow, TapeRow } from '../ports/catalog.ts';
import type { CopyReceiver, IncomingCopy, OfferAnswer, TapeOffer } from '../ports/copy-receiver.ts';
import type { Engine } from '../ports/engine.ts';
import type { ServerContext } from './context.ts';
import { INCOMING_SUFFIX, contentOf, hexadecimal, removeIfThere } from './vaults.ts';
import type { Vaults } from './vaults.ts';

export interface CopyReceiverOptions {
  readonly context: ServerContext;
  readonly vaults: Vaults;
  /** Tapes that are mounted, or about to be. */
  readonly busyTapes: ReadonlySet<string>;
}

/** A refusal: the reason, a clause that the sender's event log quotes. */
class Refusal {
  readonly reason: string;
  constructor(reason: string) {
    this.reason = reason;
  }
}

export class TapeReceiver implements CopyReceiver {
  readonly #context: ServerContext;
  readonly #vaults: Vaults;
  readonly #busyTapes: ReadonlySet<string>;
  readonly #receiving = new Set<string>();

  constructor(options: CopyReceiverOptions) {
    this.#context = options.context;
    this.#vaults = options.vaults;
    this.#busyTapes = options.busyTapes;
  }

  async offer(offer: TapeOffer): Promise<OfferAnswer> {
    checkName('tape', offer.tape);
    checkName('pool', offer.pool);
    const { tape, sourceServer } = offer;
    if (this.#receiving.has(tape)) {
      return { kind: 'refuse', reason: 'another copy of it is being received' };
    }
    this.#receiving.add(tape);
    let accepted = false;
    try {
      const answer = await this.#consider(offer);
      if (answer instanceof Refusal) {
        const { reason } = answer;
        await this.#context.eventLog.log('COPY_REFUSED', { tape, source: sourceServer, reason });
        return { kind: 'refuse', reason };
      }
      accepted = answer.kind === 'accept';
      return answer;
    } finally {
      if (!accepted) this.#receiving.delete(tape);
    }
  }

  async #consider(offer: TapeOffer): Promise<OfferAnswer | Refusal> {
    const { catalog } = this.#context.ports;
    const row = await catalog.findTape(offer.tape);
    if (row !== undefined && row.pool !== offer.pool) {
      return new Refusal('the virtual tape already exists in another pool on the target');
    }
    if (this.#busyTapes.has(offer.tape)) return new Refusal('the virtual tape is mounted');
    if (row !== undefined && row.generation > offer.generation) {
      return { kind: 'stale', generation: row.generation };
    }
    if (row !== undefined && row.generation === offer.generation) {
      const engine = this.#vaults.engine(row.vault);
      const { manifestDigest } = await contentOf(engine, row.name);
      if (manifestDigest === hexadecimal(offer.manifestDigest)) return { kind: 'present' };
      return new Refusal('the virtual tape has another content at the same generation');
    }
    const pool = await this.#poolOf(offer.pool);
    if (pool === undefined) return new Refusal('the target has no vault');
    return { kind: 'accept', copy: this.#incoming(offer, pool, row) };
  }

  /** The pool, created in the first vault where it is missing. @source VTS 6.02, p. 50 */
  async #poolOf(name: string): Promise<PoolRow | undefined> {
    const { catalog, clock } = this.#context.ports;
    const existing = (await catalog.listPools()).find((pool) => pool.name === name);
    if (existing !== undefined) return existing;
    const vault = this.#vaults.first;
    if (vault === undefined) return undefined;
    const pool = { name, vault, createdAtMs: clock.nowMs() };
    await catalog.createPool(pool);
    return pool;
  }

  #incoming(offer: TapeOffer, pool: PoolRow, row: TapeRow | undefined): IncomingCopy {
    const engine = this.#vaults.engine(pool.vault);
    const staged = `${offer.tape}${INCOMING_SUFFIX}`;
    return {
      engine,
      commit: async (manifest) => {
        try {
          await engine.stageImage(staged, manifest, { generation: offer.generation });
          await engine.sync();
          await this.#publish(engine, staged, offer, pool, row);
        } catch (error) {
          await removeIfThere(engine, staged);
          throw error;
        } finally {
          this.#receiving.delete(offer.tape);
        }
      },
      abandon: async () => {
        this.#receiving.delete(offer.tape);
        await removeIfThere(engine, staged);
      },
    };
  }

  async #publish(
    engine: Engine,
    staged: string,
    offer: TapeOffer,
    pool: PoolRow,
    row: TapeRow | undefined,
  ): Promise<void> {
    const { tape, generation, sourceServer } = offer;
    const { catalog, clock } = this.#context.ports;
    if (this.#busyTapes.has(tape)) {
      throw new CapstanError('COPY_REFUSED', {
        peer: this.#context.settings.serverName,
        tape,
        reason: 'the virtual tape is mounted',
      });
    }
    const content = await contentOf(engine, staged);
    await engine.publishImage(staged, tape);
    const atMs = clock.nowMs();
    await catalog.recordContent(
      {
        mountedAtMs: undefined,
        dismountedAtMs: undefined,
        createdAtMs: atMs,
        ...row,
        name: tape,
        pool: pool.name,
        vault: pool.vault,
        labelType: offer.labelType,
        capacityBytes: offer.capacityBytes,
        generation,
        payloadBytes: content.payloadBytes,
        writtenAtMs: atMs,
        copiedFrom: sourceServer,
      },
      { tape, generation, atMs, origin: sourceServer, ...content },
    );
    this.#context.eventLog.report('COPY_RECEIVED', {
      tape,
      source: sourceServer,
      pool: pool.name,
      generation,
    });
  }
}
