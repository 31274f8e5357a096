/**
 * A disk that several simulated servers reach, as a cluster's file system has it: its files are the same for
 * all, and the lock of a store is one machine's.
 *
 * Fault model: a server that dies leaves its lock behind until the file system has fenced the machine off
 * (`fencingMs`); what it had written and not synced is lost where its power failed. The disk may be full;
 * it does not fail otherwise.
 */
import { CapstanError } from '../../src/base/errors.ts';
import type { Clock } from '../../src/ports/clock.ts';
import type { Engine } from '../../src/ports/engine.ts';
import { decorate } from '../../src/base/decorate.ts';
import type { SimulatedBallast } from './simulated-ballast.ts';
import type { CrashKind, SimulatedVault } from './simulated-vault.ts';

export class SharedDisk {
  readonly #vault: SimulatedVault;
  readonly #clock: Clock;
  readonly #fencingMs: number;
  #holder: SharedView | undefined;
  #engine: Engine | undefined;
  #isFull = false;
  readonly #opened = new Set<SharedView>();

  constructor(vault: SimulatedVault, options: { clock: Clock; fencingMs: number }) {
    this.#vault = vault;
    this.#clock = options.clock;
    this.#fencingMs = options.fencingMs;
  }

  /** What the server that has the lock has open: for the checker. */
  get engine(): Engine | undefined {
    return this.#engine;
  }

  get isFull(): boolean {
    return this.#isFull;
  }

  /** Nothing more fits on the disk but what is held back, or all does again. */
  fill(isFull: boolean): void {
    this.#isFull = isFull;
    if (isFull) this.#vault.fill();
    else this.#vault.resize(undefined);
  }

  /** The disk as one server sees it. */
  view(): SharedView {
    return new SharedView({
      vault: this.#vault,
      isHeldBy: (view) => this.#holder === view,
      isOpenedBy: (view) => this.#opened.has(view),
      open: (view, force) => this.#open(view, force),
      crash: (view, kind) => this.#crash(view, kind),
    });
  }

  async #open(view: SharedView, force: boolean): Promise<Engine> {
    if (this.#holder !== undefined && !force) {
      const fields = { path: '/shared', holder: 'another machine' };
      throw new CapstanError('STORE_LOCKED', fields);
    }
    this.#holder ??= view;
    const engine = await this.#vault.open();
    if (this.#holder === view) this.#engine = engine;
    this.#opened.add(view);
    return decorate(engine, async (method, call) => {
      const value = await call();
      if (method === 'close') this.#release(view);
      return value;
    });
  }

  #release(view: SharedView): void {
    this.#opened.delete(view);
    if (this.#holder !== view) return;
    this.#vault.crashAfter(undefined);
    this.#holder = undefined;
    this.#engine = undefined;
  }

  #crash(view: SharedView, kind: CrashKind): void {
    this.#opened.delete(view);
    if (this.#holder !== view) return;
    this.#engine = undefined;
    this.#vault.crash(kind);
    this.#clock.after(this.#fencingMs, () => this.#release(view));
  }
}

interface ViewParts {
  readonly vault: SimulatedVault;
  readonly isHeldBy: (view: SharedView) => boolean;
  readonly isOpenedBy: (view: SharedView) => boolean;
  readonly open: (view: SharedView, force: boolean) => Promise<Engine>;
  readonly crash: (view: SharedView, kind: CrashKind) => void;
}

export class SharedView implements SimulatedVault {
  readonly #parts: ViewParts;
  /** For a planted bug: the store is opened although another server has its lock. */
  ignoresLock = false;

  constructor(parts: ViewParts) {
    this.#parts = parts;
  }

  /** Whether this server has the store open. */
  get isOpen(): boolean {
    return this.#parts.isOpenedBy(this);
  }

  /** Whether this server has the lock, or had it when it died. */
  get isHeld(): boolean {
    return this.#parts.isHeldBy(this);
  }

  get changeCount(): number {
    return this.#parts.vault.changeCount;
  }

  /** It lies in the vault, so whoever keeps that has it. */
  get ballast(): SimulatedBallast | undefined {
    return this.#parts.vault.ballast;
  }

  open(): Promise<Engine> {
    return this.#parts.open(this, this.ignoresLock);
  }

  resize(bytes: number | undefined): void {
    this.#parts.vault.resize(bytes);
  }

  fill(): void {
    this.#parts.vault.fill();
  }

  crashAfter(count: number | undefined): void {
    if (this.isHeld) this.#parts.vault.crashAfter(count);
  }

  isCrash(error: unknown): boolean {
    return this.isOpen && this.#parts.vault.isCrash(error);
  }

  crash(kind: CrashKind): void {
    this.#parts.crash(this, kind);
  }
}
