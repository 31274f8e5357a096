/** Tapes that are kept free for a mount which has to wait a little: for its delay, or the reset of a device. */
import type { MountRequestRow } from '../ports/catalog.ts';
import type { AutoCopy } from './autocopy.ts';
import type { ServerContext } from './context.ts';

export interface MountLocksOptions {
  readonly context: ServerContext;
  readonly autocopy: Pick<AutoCopy, 'preempt' | 'wake'>;
  readonly busyTapes: Set<string>;
}

export class MountLocks {
  readonly #options: MountLocksOptions;
  readonly #locked = new Set<string>();

  constructor(options: MountLocksOptions) {
    this.#options = options;
  }

  has(tape: string): boolean {
    return this.#locked.has(tape);
  }

  /** Keeps copies and others away from a tape that is about to be mounted. */
  add(tape: string): void {
    this.#options.busyTapes.add(tape);
    if (this.#locked.has(tape)) return;
    this.#locked.add(tape);
    this.#options.autocopy.preempt(tape);
  }

  /** The tape is mounted now: that keeps others away. */
  delete(tape: string): void {
    if (this.#locked.delete(tape)) this.#options.busyTapes.delete(tape);
  }

  /** Tapes that nobody waits for any more are free. */
  async keepOnly(waiting: readonly MountRequestRow[]): Promise<void> {
    const free = [...this.#locked].filter((tape) => !waiting.some((row) => row.tape === tape));
    if (free.length === 0) return;
    const open = await this.#options.context.ports.catalog.listMounts({ open: true });
    for (const tape of free) {
      this.#locked.delete(tape);
      if (!open.some((mount) => mount.tape === tape)) this.#options.busyTapes.delete(tape);
    }
    this.#options.autocopy.wake();
  }
}
