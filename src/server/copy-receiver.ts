/**
 * The receiving side of a copy: what may come in, and how it becomes a tape.
 *
 * A copy is staged beside the tape under a name that cannot be mounted, synced, renamed over the tape,
 * recorded, and only then acknowledged. An older generation never replaces a newer one; what was so at
 * the offer is looked at again before the rename, because a host may have had the tape meanwhile.
 * Chunks that arrived stay in the vault when a copy breaks off: the next attempt need not send them.
 *
 * The same generation once more is taken where this one is known to be damaged: what is damaged lacks.
 */
import { toHex } from '../base/encodings.ts';
import { CapstanError, isCapstanError } from '../base/errors.ts';
import { checkName } from '../base/names.ts';
import type { Generation } from '../base/units.ts';
import type { PoolRow, TapeRow } from '../ports/catalog.ts';
import type {
  CopyReceiver,
  IncomingCopy,
  InstantDrReceiver,
  OfferAnswer,
  TapeOffer,
} from '../ports/copy-receiver.ts';
import type { Engine } from '../ports/engine.ts';
import { placeOf, samePlace } from './same-place.ts';
import type { ServerContext } from './context.ts';
import {
  ANOTHER_CONTENT,
  COPY_TO_ITSELF,
  IN_ANOTHER_POOL,
  MOUNTED_THERE,
  WRITTEN_HERE,
} from './copy-refusals.ts';
import { giveUpDamage } from './repair.ts';
import { INCOMING_SUFFIX, contentOf, removeIfThere } from './vaults.ts';
import type { Vaults } from './vaults.ts';

export interface CopyReceiverOptions {
  readonly context: ServerContext;
  readonly vaults: Vaults;
  /** Tapes that are mounted, or about to be. */
  readonly busyTapes: ReadonlySet<string>;
  readonly instantDr: InstantDrReceiver;
}

/** Where an acceptable copy goes; `row` is the tape that it replaces. */
interface Place {
  readonly kind: 'place';
  readonly pool: PoolRow;
  readonly row: TapeRow | undefined;
  /** The same generation is there, and damaged. */
  readonly heals: boolean;
}

/** A copy on its way to become a tape. */
interface Incoming {
  readonly engine: Engine;
  /** The image's name until then. */
  readonly staged: string;
  readonly offer: TapeOffer;
  readonly heals: boolean;
}

const refuse = (reason: string): OfferAnswer & { kind: 'refuse' } => ({ kind: 'refuse', reason });

export class TapeReceiver implements CopyReceiver {
  readonly instantDr: InstantDrReceiver;
  readonly #context: ServerContext;
  readonly #vaults: Vaults;
  readonly #busyTapes: ReadonlySet<string>;
  readonly #receiving = new Set<string>();
  readonly #commits = new Set<Promise<unknown>>();
  #stopped = false;

  constructor(options: CopyReceiverOptions) {
    this.instantDr = options.instantDr;
    this.#context = options.context;
    this.#vaults = options.vaults;
    this.#busyTapes = options.busyTapes;
  }

  async offer(offer: TapeOffer): Promise<OfferAnswer> {
    checkName('tape', offer.tape);
    checkName('pool', offer.pool);
    if (offer.keyId !== undefined) checkName('key', offer.keyId);
    const { tape } = offer;
    if (this.#stopped) return refuse('the server stops');
    if (this.#receiving.has(tape)) return refuse('another copy of it is being received');
    this.#receiving.add(tape);
    let accepted = false;
    try {
      const answer = await this.#context.decisions.run(() => this.#consider(offer));
      accepted = answer.kind === 'place';
      if (answer.kind === 'place') return { kind: 'accept', copy: this.#incoming(offer, answer) };
      // The source asks what was written here, and may offer it once more with what it replaces.
      const isLast = answer.kind === 'refuse' && answer.reason !== WRITTEN_HERE;
      if (isLast || (answer.kind === 'refuse' && offer.replaces !== undefined)) {
        await this.#logRefusal(offer, answer.reason);
      }
      return answer;
    } finally {
      if (!accepted) this.#receiving.delete(tape);
    }
  }

  /** No copy becomes a tape after this. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.allSettled(this.#commits);
  }

  async #logRefusal(offer: TapeOffer, reason: string): Promise<void> {
    const { tape, sourceServer: source } = offer;
    await this.#context.eventLog.log('COPY_REFUSED', { tape, source, reason });
  }

  /** `heals`: the copy was accepted to heal damage, which it may just have done. */
  async #consider(
    offer: TapeOffer,
    heals = false,
  ): Promise<Exclude<OfferAnswer, { kind: 'accept' }> | Place> {
    if (offer.sourceServer === this.#context.settings.serverName) return refuse(COPY_TO_ITSELF);
    const reason = await this.#unreachable(offer);
    if (reason !== undefined) return refuse(reason);
    const row = await this.#context.ports.catalog.findTape(offer.tape);
    if (row !== undefined && row.pool !== offer.pool) {
      return refuse(IN_ANOTHER_POOL);
    }
    if (this.#busyTapes.has(offer.tape)) return refuse(MOUNTED_THERE);
    if (row !== undefined && row.generation > offer.generation) {
      return { kind: 'stale', generation: row.generation };
    }
    const same = row !== undefined && row.generation === offer.generation;
    if (same) {
      const present = await this.#present(row);
      if (present.manifestDigest !== toHex(offer.manifestDigest)) {
        return refuse(ANOTHER_CONTENT);
      }
      if (present.whole && !heals) return { kind: 'present' };
    }
    if (row !== undefined && !same && !(await this.#mayReplace(row, offer))) {
      return refuse(WRITTEN_HERE);
    }
    const orphan = row === undefined ? await this.#orphan(offer.tape) : undefined;
    if (orphan !== undefined && orphan > offer.generation) {
      return { kind: 'stale', generation: orphan };
    }
    const pool = await this.#poolOf(offer.pool);
    return pool === undefined
      ? refuse('the target has no vault')
      : { kind: 'place', pool, row, heals: same };
  }

  /** Why the pool's vault takes nothing from there, if it does not. */
  async #unreachable({ pool: name, place }: TapeOffer): Promise<string | undefined> {
    const { keeping, ports } = this.#context;
    const pool = (await ports.catalog.listPools()).find((each) => each.name === name);
    const vault = pool?.vault ?? this.#vaults.first;
    if (vault === undefined) return undefined;
    if (place !== undefined) {
      const same = samePlace(place, await placeOf(this.#context, vault));
      if (same !== undefined) return same;
    }
    if (!keeping.isElsewhere(vault)) return undefined;
    return `pool ${name} lies in the shared vault ${vault}, ${keeping.stateOf(vault)}: copy there`;
  }

  /** What was written here goes only for a version that is known to descend from it. */
  async #mayReplace(row: TapeRow, { replaces }: TapeOffer): Promise<boolean> {
    if (row.copiedFrom !== undefined || row.generation === 0) return true;
    if (replaces?.generation !== row.generation) return false;
    const { manifestDigest } = await this.#present(row);
    return manifestDigest === toHex(replaces.manifestDigest);
  }

  /** What this server has of a tape; not whole where it is known to be damaged. */
  async #present(row: TapeRow): Promise<{ manifestDigest: string | undefined; whole: boolean }> {
    const engine = this.#vaults.engine(row.vault);
    try {
      const { digest, digests } = await engine.readManifest(await engine.exportManifest(row.name));
      const lacking = await engine.lackingChunks(digests);
      return { manifestDigest: toHex(digest), whole: !lacking.includes(1) };
    } catch (error) {
      if (!isCapstanError(error, 'STORE_CORRUPT', 'NOT_FOUND')) throw error;
      const generations = await this.#context.ports.catalog.listGenerations(row.name);
      const recorded = generations.find((each) => each.generation === row.generation);
      return { manifestDigest: recorded?.manifestDigest, whole: false };
    }
  }

  /**
   * Generation of an image without a row: a crash between the rename and the row of a first copy leaves
   * one, and an older copy must not take its place either.
   */
  async #orphan(tape: string): Promise<Generation | undefined> {
    for (const [, engine] of this.#vaults.all) {
      const image = (await engine.listImages()).find(({ name }) => name === tape);
      if (image !== undefined) return image.generation;
    }
    return undefined;
  }

  /** The pool, created in the first vault where it is missing. @source VTS 6.02, p. 50 */
  async #poolOf(name: string): Promise<PoolRow | undefined> {
    const { catalog, clock } = this.#context.ports;
    const existing = (await catalog.listPools()).find((pool) => pool.name === name);
    if (existing !== undefined) return existing;
    const vault = this.#vaults.first;
    if (vault === undefined) return undefined;
    return catalog.createPool({ name, vault, createdAtMs: clock.nowMs() });
  }

  #incoming(offer: TapeOffer, { pool, row, heals }: Place): IncomingCopy {
    const engine = this.#vaults.engine(pool.vault);
    const staged = `${offer.tape}${INCOMING_SUFFIX}`;
    return {
      engine,
      olderImage: row?.name,
      commit: (manifest) => {
        const committing = this.#commit({ engine, staged, offer, heals }, manifest);
        this.#commits.add(committing);
        return committing.finally(() => {
          this.#commits.delete(committing);
          this.#receiving.delete(offer.tape);
        });
      },
      abandon: async () => {
        try {
          await removeIfThere(engine, staged);
        } finally {
          this.#receiving.delete(offer.tape);
        }
      },
    };
  }

  async #commit(incoming: Incoming, manifest: Uint8Array): Promise<void> {
    const { engine, staged, offer, heals } = incoming;
    const { tape, generation } = offer;
    try {
      await engine.stageImage(staged, manifest, { generation });
      await engine.sync();
      await this.#context.decisions.run(async () => {
        const answer = this.#stopped
          ? refuse('the server stops')
          : await this.#consider(offer, heals);
        if (answer.kind === 'place') return this.#publish(engine, staged, offer, answer);
        const reason =
          answer.kind === 'refuse' ? answer.reason : 'the virtual tape was changed on the target';
        await this.#logRefusal(offer, reason);
        const peer = this.#context.settings.serverName;
        throw new CapstanError('COPY_REFUSED', { peer, tape, reason });
      });
    } catch (error) {
      await removeIfThere(engine, staged).catch((further: unknown) => {
        // The first error counts. What is left behind goes at the next start.
        if (!isCapstanError(further)) throw further;
      });
      throw error;
    }
    if (heals) await giveUpDamage(engine);
  }

  async #publish(engine: Engine, staged: string, offer: TapeOffer, place: Place): Promise<void> {
    const { tape, generation, sourceServer } = offer;
    const { pool, row } = place;
    const { catalog, clock } = this.#context.ports;
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
        keyId: offer.keyId,
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
