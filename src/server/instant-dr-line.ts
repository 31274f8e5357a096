/** What a run of Instant DR's connections to its target hang on: the run's end, and each worker's line. */
import type { CopySender } from '../replication/sender.ts';
import type { Copies, CopyInFlight } from './copies.ts';

/** What ends a run from outside: an operator, or the server's own end. */
export class Ending {
  readonly come: Promise<void>;
  #come = false;
  #resolve: () => void = () => undefined;
  readonly #drops = new Set<() => void>();

  constructor() {
    this.come = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  get hasCome(): boolean {
    return this.#come;
  }

  end(): void {
    this.#come = true;
    this.#resolve();
    for (const drop of this.#drops) drop();
  }

  /** Runs `work`, and `drop` where the end comes meanwhile. */
  async during<Value>(drop: () => void, work: () => Promise<Value>): Promise<Value> {
    if (this.#come) drop();
    this.#drops.add(drop);
    try {
      return await work();
    } finally {
      this.#drops.delete(drop);
    }
  }
}

/** One worker's connection to the target: made for its first tape, and anew after it was dropped. */
export class Line {
  readonly #copies: Copies;
  readonly #limits: ReturnType<Copies['limits']>;
  #sender: CopySender | undefined;

  constructor(copies: Copies, limits: ReturnType<Copies['limits']>) {
    this.#copies = copies;
    this.#limits = limits;
  }

  async sender(flight: CopyInFlight): Promise<CopySender> {
    const sender = (this.#sender ??= await this.#copies.open(flight, this.#limits));
    flight.onCancel(() => sender.destroy());
    return sender;
  }

  async end(): Promise<void> {
    await this.#sender?.end();
  }

  destroy(): void {
    this.#sender?.destroy();
    this.#sender = undefined;
  }
}
