/**
 * Tapes that the keeper of a shared vault has open for its guests.
 *
 * Terms: a mount's **token** is a number that its guest drew, by which both sides know it whatever session
 * they have. A mount is **bound** to a session; what comes of it by another is refused, so a frame that was
 * under way when a line broke changes nothing once the guest goes on. A mount whose session ends is
 * **parked** for `resumeMs`: a newer session of its guest claims it, or it is given up.
 *
 * The calls of a mount run one after another. They name positions, so what a guest asks for again, since it
 * lost the answer, comes to the same; the answer to its end is remembered.
 */
import { CapstanError } from '../base/errors.ts';
import type { Generation } from '../base/units.ts';
import type { TapeImage } from '../ports/engine.ts';
import type { Cancel, Clock } from '../ports/clock.ts';
import { Sequence } from './context.ts';

/** Ends of mounts that are remembered, in case their guest asks again. */
const ENDED_MAX = 200;

/** What a mount is bound to: a guest's session. */
export interface Session {
  readonly server: string | undefined;
  /** It has ended: nothing is bound to it any more. */
  readonly gone: boolean;
}

/** A tape that a guest has in a drive. */
export interface GuestMount {
  readonly token: string;
  readonly server: string;
  readonly tape: string;
  readonly vault: string;
  readonly ring: boolean;
  readonly host: string;
  readonly startGeneration: Generation;
  readonly image: TapeImage;
  /** What the image had come to when it was closed. */
  closedAt: Generation | undefined;
}

interface Held {
  readonly mount: GuestMount;
  readonly order: Sequence;
  session: Session | undefined;
  cancelGivingUp: Cancel;
}

export class IscMounts {
  readonly #clock: Clock;
  readonly #resumeMs: number;
  readonly #giveUp: (mount: GuestMount) => Promise<boolean>;
  readonly #background: (what: string, work: () => Promise<void>) => void;
  readonly #held = new Map<string, Held>();
  /** By token: whose it was, and what its end came to. */
  readonly #ended = new Map<string, { readonly server: string; readonly result: object }>();

  constructor(options: {
    readonly clock: Clock;
    /** How long a parked mount waits for its guest. */
    readonly resumeMs: number;
    /** Takes a tape back whose guest does not have it any more; false where that is to be tried again. */
    readonly giveUp: (mount: GuestMount) => Promise<boolean>;
    readonly background: (what: string, work: () => Promise<void>) => void;
  }) {
    this.#clock = options.clock;
    this.#resumeMs = options.resumeMs;
    this.#giveUp = options.giveUp;
    this.#background = options.background;
  }

  add(mount: GuestMount, session: Session): void {
    const held = { mount, order: new Sequence(), session, cancelGivingUp: () => {} };
    this.#held.set(mount.token, held);
  }

  has(token: string): boolean {
    return this.#held.has(token) || this.#ended.has(token);
  }

  /** The tapes that a server has, by name. */
  tapesOf(server: string): readonly string[] {
    const mounts = [...this.#held.values()].filter(({ mount }) => mount.server === server);
    return mounts.map(({ mount }) => mount.tape).toSorted();
  }

  /** Does something with a mount of a session. NOT_FOUND where the session has none of that token. */
  run<Result>(
    session: Session,
    token: string,
    work: (mount: GuestMount) => Promise<Result>,
  ): Promise<Result> {
    const held = this.#held.get(token);
    if (held === undefined) return Promise.reject(noMount(token));
    return held.order.run(async () => {
      // It may have gone on in another session, or been given up, while this waited.
      if (held.session !== session || this.#held.get(token) !== held) throw noMount(token);
      return work(held.mount);
    });
  }

  /** Ends a mount, once: who asks again is told the same. */
  end(
    session: Session,
    token: string,
    work: (mount: GuestMount) => Promise<object>,
  ): Promise<object> {
    const ended = this.#ended.get(token);
    if (ended !== undefined && ended.server === session.server) {
      return Promise.resolve(ended.result);
    }
    return this.run(session, token, async (mount) => {
      const result = await work(mount);
      this.#held.delete(token);
      if (this.#ended.size >= ENDED_MAX) this.#ended.delete([...this.#ended.keys()][0] ?? '');
      this.#ended.set(token, { server: mount.server, result });
      return result;
    });
  }

  /** A session is over: its mounts wait for the guest's next one. */
  park(session: Session): void {
    for (const held of this.#held.values()) {
      if (held.session !== session) continue;
      held.session = undefined;
      this.#takeBackLater(held);
    }
  }

  /** No guest will come back. */
  async takeAllBack(): Promise<void> {
    for (const held of this.#held.values()) await this.#takeBack(held);
    for (const held of this.#held.values()) held.cancelGivingUp();
  }

  /**
   * A server's newer session goes on with the mounts that it claims; the others it does not have any more.
   * Resolves with those that it may go on with, when nothing is under way in them.
   */
  async claim(session: Session, claimed: readonly string[]): Promise<readonly string[]> {
    const own = [...this.#held.values()].filter(({ mount }) => mount.server === session.server);
    const [kept, left] = [true, false].map((isClaimed) =>
      own.filter(({ mount }) => claimed.includes(mount.token) === isClaimed),
    );
    // Nobody hears the answer: what was parked stays so.
    if (session.gone) return [];
    for (const held of kept ?? []) {
      held.cancelGivingUp();
      // From here on what the session before is still to do is refused.
      held.session = session;
    }
    for (const held of kept ?? []) await held.order.run(async () => {});
    for (const held of left ?? []) await this.#takeBack(held);
    const isEnded = (token: string): boolean => this.#ended.get(token)?.server === session.server;
    return claimed.filter((token) => this.#held.get(token)?.session === session || isEnded(token));
  }

  async #takeBack(held: Held): Promise<void> {
    held.cancelGivingUp();
    held.session = undefined;
    await held.order.run(async () => {
      if (this.#held.get(held.mount.token) !== held || held.session !== undefined) return;
      if (await this.#giveUp(held.mount)) this.#held.delete(held.mount.token);
      else this.#takeBackLater(held);
    });
  }

  #takeBackLater(held: Held): void {
    held.cancelGivingUp = this.#clock.after(this.#resumeMs, () =>
      this.#background('take a tape back', () => this.#takeBack(held)),
    );
  }
}

const noMount = (token: string): CapstanError =>
  new CapstanError('NOT_FOUND', { kind: 'mount of this session', name: token });
