/** Whether a server hears a host as it should: each event once, and not for ever on a line that is silent. */
import { SECOND_MS } from '../../src/base/units.ts';
import type { DistributorEvent } from '../../src/ems/printing-distributor.ts';
import type { EmsCollector } from '../hosts/ems-collector.ts';
import type { SimulatedServer } from '../world/simulated-server.ts';
import type { Wire } from '../world/simulated-wire.ts';
import type { World } from '../world/world.ts';
import { hold } from './violation.ts';

/** The server asks for a sign of life, and waits for it, half a minute each. */
const SILENCE_MS_MAX = 61 * SECOND_MS;
/** Each answer of the log-on has five seconds. */
const ANSWER_MS_MAX = 6 * SECOND_MS;

export interface EmsHearingOptions {
  readonly world: World;
  readonly server: SimulatedServer;
  /** `\LAB` */
  readonly node: string;
  readonly collector: EmsCollector;
  readonly wire: Wire;
}

export class EmsHearing {
  readonly #options: EmsHearingOptions;
  /** Events that the server's process has not to hear: they were dealt with before it began. */
  #countBefore = 0;
  /** Of those that it heard some may have come in parts, and whole again. */
  #partCount = 0;
  /** Since when nothing gets through. */
  #silentSinceMs: number | undefined;

  constructor(options: EmsHearingOptions) {
    this.#options = options;
  }

  /** A process of the server starts; it goes on behind the position that is kept. */
  async noteStart(): Promise<void> {
    const { server, node, collector } = this.#options;
    const position = await server.catalog.findEmsPosition(node);
    const seen = JSON.parse(position?.seen ?? '[]') as readonly DistributorEvent[];
    this.#countBefore = collector.count() - collector.count(position?.localTimeMs) + seen.length;
    if (position === undefined) this.#countBefore = collector.count();
  }

  /** The line stops in the middle: what is no business of a tape server may be taken for whole, and come again. */
  noteStop(): void {
    this.#partCount += 1;
    this.#silentSinceMs = this.#options.world.clock.elapsedMs;
  }

  /** Throws InvariantViolation; the server runs. */
  check(): void {
    const { server, collector } = this.#options;
    const [session] = server.server.emsStatus();
    if (session === undefined) return;
    const loggedCount = collector.count() - this.#countBefore;
    hold(
      session.eventCount <= loggedCount + this.#partCount,
      () => `${session.eventCount} events were heard, and ${loggedCount} were logged`,
    );
    this.#checkSession(session);
  }

  /** All that was logged has been heard. */
  checkAll(): void {
    const { server, collector } = this.#options;
    const heardCount = server.server.emsStatus()[0]?.eventCount ?? 0;
    const loggedCount = collector.count() - this.#countBefore;
    hold(
      heardCount >= loggedCount,
      () => `${heardCount} events were heard in the end, and ${loggedCount} were logged`,
    );
  }

  #checkSession({ state, stateSinceAtMs }: { state: string; stateSinceAtMs: number }): void {
    const { clock } = this.#options.world;
    const { stalled } = this.#options.wire;
    this.#silentSinceMs = stalled ? (this.#silentSinceMs ?? clock.elapsedMs) : undefined;
    const silentMs = clock.elapsedMs - (this.#silentSinceMs ?? clock.elapsedMs);
    hold(
      state !== 'established' || silentMs <= SILENCE_MS_MAX,
      () => `a session on which nothing came for ${silentMs / SECOND_MS} s is taken for well`,
    );
    const lastsMs = Math.min(silentMs, clock.nowMs() - stateSinceAtMs);
    hold(
      state !== 'logging-on' || lastsMs <= ANSWER_MS_MAX,
      () => `a log-on has had no answer for ${lastsMs / SECOND_MS} s`,
    );
  }
}
