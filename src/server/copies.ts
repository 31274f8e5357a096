/**
 * The copies under way, of AutoCopy and of Instant DR: who may begin one, and what ends it.
 *
 * One copy of a tape goes to a target at a time, whoever sends it; a tape that a host has is not copied,
 * and a mount ends its copies; no more than COPIES_MAX go at once. All heed the server's limit on
 * bandwidth, each its rule's or scheme's beside that.
 */
import { CapstanError, isCapstanError } from '../base/errors.ts';
import type { CopyTarget, TapeRow } from '../ports/catalog.ts';
import type { TapeVersion } from '../ports/copy-receiver.ts';
import type { ReplicationStream } from '../ports/replication-link.ts';
import { LANE_TOKEN_BYTES } from '../replication/frame.ts';
import { CopySender } from '../replication/sender.ts';
import type { SendResult } from '../replication/sender.ts';
import type { CopyProgress, ServerContext } from './context.ts';
import { Bandwidth, throttled } from './copy-bandwidth.ts';
import { knows, versionOf } from './copy-lineage.ts';
import { WRITTEN_HERE } from './copy-refusals.ts';
import { placeOf } from './same-place.ts';
import type { Vaults } from './vaults.ts';

/** Most copies under way at once. */
export const COPIES_MAX = 4;

/** On whose behalf a copy goes: an AutoCopy rule, or a scheme of Instant DR. */
export type CopyOwner = { readonly ruleId: number } | { readonly scheme: string };

export interface CopyToBegin {
  readonly tape: string;
  readonly target: CopyTarget;
  readonly owner: CopyOwner;
}

/** Why a copy cannot begin now; the end of another, or a dismount, changes that. */
export type Hindrance = 'mounted' | 'in-flight' | 'full';

/** One copy under way. */
export class CopyInFlight {
  readonly tape: string;
  readonly target: CopyTarget;
  readonly owner: CopyOwner;
  progress: CopyProgress;
  readonly #cancelling: Promise<undefined>;
  #endWaiting: () => void = () => undefined;
  #cancelled = false;
  #drop: () => void = () => undefined;

  constructor({ tape, target, owner }: CopyToBegin) {
    this.tape = tape;
    this.target = target;
    this.owner = owner;
    this.progress = {
      tape,
      target: target.server,
      bytesSent: 0,
      chunksSent: 0,
      chunksNeeded: 0,
    };
    this.#cancelling = new Promise((resolve) => {
      this.#endWaiting = () => resolve(undefined);
    });
  }

  get cancelled(): boolean {
    return this.#cancelled;
  }

  cancel(): void {
    this.#cancelled = true;
    this.#endWaiting();
    this.#drop();
  }

  /** What a cancellation drops; at once where it has come. */
  onCancel(drop: () => void): void {
    this.#drop = drop;
    if (this.#cancelled) drop();
  }

  /** The stream, unless the copy is cancelled first: then it is dropped when it comes. */
  async connected(connecting: Promise<ReplicationStream>): Promise<ReplicationStream | undefined> {
    const stream = await Promise.race([connecting, this.#cancelling]);
    if (!this.#cancelled && stream !== undefined) {
      this.onCancel(() => stream.destroy());
      return stream;
    }
    connecting.then(
      (late) => late.destroy(),
      () => {
        // Nobody waits for it any more.
      },
    );
    return undefined;
  }
}

/** What is sent, and how. */
export interface CopyToSend {
  readonly tape: TapeRow;
  readonly targetPool: string;
  /** The target's version, where it is known to be an earlier one. */
  readonly replaces?: TapeVersion | undefined;
}

export class Copies {
  readonly #context: ServerContext;
  readonly #vaults: Vaults;
  readonly #busyTapes: ReadonlySet<string>;
  readonly #inFlight = new Map<string, CopyInFlight>();
  readonly #listeners = new Set<() => void>();
  /** The limit on all copies together. */
  readonly #limit: Bandwidth | undefined;
  /** By rule or scheme. */
  readonly #limits = new Map<string, Bandwidth>();

  constructor(options: {
    readonly context: ServerContext;
    readonly vaults: Vaults;
    readonly busyTapes: ReadonlySet<string>;
  }) {
    this.#context = options.context;
    this.#vaults = options.vaults;
    this.#busyTapes = options.busyTapes;
    const { settings, ports } = options.context;
    if (settings.copyBytesPerSecond !== undefined) {
      this.#limit = new Bandwidth(ports.clock, settings.copyBytesPerSecond);
    }
  }

  /** Begins a copy, or says what is in the way. Who begins one ends it with {@link release}. */
  begin(copy: CopyToBegin): CopyInFlight | Hindrance {
    if (this.#busyTapes.has(copy.tape)) return 'mounted';
    const key = `${copy.tape} ${copy.target.server}`;
    if (this.#inFlight.has(key)) return 'in-flight';
    if (this.#inFlight.size >= COPIES_MAX) return 'full';
    const flight = new CopyInFlight(copy);
    this.#inFlight.set(key, flight);
    return flight;
  }

  /** Ends what {@link begin} began; `quietly`: nobody looks for more to do because of it. */
  release(flight: CopyInFlight, quietly = false): void {
    this.#inFlight.delete(`${flight.tape} ${flight.target.server}`);
    if (!quietly) for (const listener of this.#listeners) listener();
  }

  /** Calls `listener` whenever a copy has ended. */
  onRelease(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /** Resolves when a copy has ended. */
  nextRelease(): Promise<void> {
    return new Promise((resolve) => {
      const listener = (): void => {
        this.#listeners.delete(listener);
        resolve();
      };
      this.#listeners.add(listener);
    });
  }

  /** Ends copies; how far they were. */
  end(which: (flight: CopyInFlight) => boolean): readonly CopyInFlight[] {
    const ended = [...this.#inFlight.values()].filter((each) => !each.cancelled && which(each));
    for (const flight of ended) flight.cancel();
    return ended;
  }

  get all(): readonly CopyInFlight[] {
    return [...this.#inFlight.values()];
  }

  /** The limits that copies of a rule or scheme heed. */
  limits(owner: string, bytesPerSecond: number | undefined): readonly Bandwidth[] {
    let own = this.#limits.get(owner);
    if (bytesPerSecond === undefined) {
      this.#limits.delete(owner);
      own = undefined;
    } else if (own?.bytesPerSecond !== bytesPerSecond) {
      own = new Bandwidth(this.#context.ports.clock, bytesPerSecond);
      this.#limits.set(owner, own);
    }
    return [own, this.#limit].filter((limit) => limit !== undefined);
  }

  /** A connection to the target, greeted; COPY_CANCELLED where the copy was ended meanwhile. */
  async open(flight: CopyInFlight, limits: readonly Bandwidth[]): Promise<CopySender> {
    const stream = await flight.connected(this.#context.ports.link.connect(flight.target));
    if (stream !== undefined) return this.#greet(stream, limits);
    const reason = 'the tape is mounted';
    throw new CapstanError('COPY_CANCELLED', { tape: flight.tape, reason });
  }

  /** A connection for what is no copy. */
  async connect(target: CopyTarget, limits: readonly Bandwidth[]): Promise<CopySender> {
    return this.#greet(await this.#context.ports.link.connect(target), limits);
  }

  #greet(stream: ReplicationStream, limits: readonly Bandwidth[]): Promise<CopySender> {
    const { ports, settings, copyPolicy } = this.#context;
    const { another } = stream;
    const lanes = another && {
      token: ports.random.bytes(LANE_TOKEN_BYTES),
      open: async () => throttled(await another(), limits),
      policy: copyPolicy.lanes,
    };
    const options = {
      stream: throttled(stream, limits),
      clock: ports.clock,
      stallTimeoutMs: copyPolicy.stallTimeoutMs,
      ...(lanes && { lanes }),
    };
    return CopySender.open(options, settings.serverName);
  }

  /**
   * Sends a tape. Where the target says that the tape was written there, it is asked for its version, and
   * replaced if ours descends from that; else COPY_REFUSED stands.
   */
  async send(flight: CopyInFlight, sender: CopySender, copy: CopyToSend): Promise<SendResult> {
    try {
      return await this.#offer(flight, sender, copy);
    } catch (error) {
      if (!isCapstanError(error, 'COPY_REFUSED') || error.fields['reason'] !== WRITTEN_HERE) {
        throw error;
      }
      const replaces = await this.#earlierVersion(sender, copy);
      if (replaces === undefined) throw error;
      return this.#offer(flight, sender, { ...copy, replaces });
    }
  }

  async #offer(flight: CopyInFlight, sender: CopySender, copy: CopyToSend): Promise<SendResult> {
    const { tape, targetPool, replaces } = copy;
    const place = await placeOf(this.#context, tape.vault);
    const offer = {
      tape: tape.name,
      pool: targetPool,
      labelType: tape.labelType,
      capacityBytes: tape.capacityBytes,
      generation: tape.generation,
      image: tape.name,
      ...(tape.keyId !== undefined && { keyId: tape.keyId }),
      ...(replaces !== undefined && { replaces }),
      ...(place !== undefined && { place }),
    };
    return sender.send(this.#vaults.engine(tape.vault), offer, (progress) => {
      flight.progress = { ...flight.progress, ...progress };
      this.#context.emit({ kind: 'copy-progress', ...flight.progress });
    });
  }

  /** The target's version of the tape, where ours descends from it. */
  async #earlierVersion(sender: CopySender, copy: CopyToSend): Promise<TapeVersion | undefined> {
    const { tape, targetPool } = copy;
    const { catalog } = this.#context.ports;
    const current = await versionOf(catalog, this.#vaults, tape);
    const asked = { tape: tape.name, pool: targetPool, ...current };
    const [held] = await sender.inquire({ scheme: '', thorough: false, tapes: [asked] });
    if (held === undefined) return undefined;
    return (await knows(catalog, { name: tape.name, current }, held)) ? held : undefined;
  }
}
