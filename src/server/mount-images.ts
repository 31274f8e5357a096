/**
 * The image of a tape that is mounted: here, or with who keeps its vault. Of a shared vault, a process lock
 * tells all of its servers who has the tape.
 */
import { isCapstanError } from '../base/errors.ts';
import { SECOND_MS } from '../base/units.ts';
import type { DriveRow, MountRow, TapeRow } from '../ports/catalog.ts';
import type { TapeImage } from '../ports/engine.ts';
import type { ServerContext } from './context.ts';
import { MOUNTING, mountReason } from './keeping.ts';
import type { RemoteMount } from './remote-mounts.ts';
import type { SharedVaults } from './shared-vaults.ts';
import { labelErased } from './tape-content.ts';
import type { Vaults } from './vaults.ts';

/** From one attempt to release a lock to the next, where the disk is full. */
const UNLOCK_AGAIN_MS = 30 * SECOND_MS;

/** What a mount is for: a host's request, or an operator's wish. */
export type MountPurpose = Pick<MountRow, 'host' | 'requestNumber' | 'ring'>;

/** A tape whose image is open. */
export interface Opened {
  readonly tape: TapeRow;
  readonly image: TapeImage;
  /** Where another server keeps its vault. */
  readonly remote?: RemoteMount | undefined;
}

export class MountImages {
  readonly #context: ServerContext;
  readonly #vaults: Vaults;
  readonly #shared: Pick<SharedVaults, 'mount'>;

  constructor(options: {
    readonly context: ServerContext;
    readonly vaults: Vaults;
    readonly shared: Pick<SharedVaults, 'mount'>;
  }) {
    this.#context = options.context;
    this.#vaults = options.vaults;
    this.#shared = options.shared;
  }

  /** Opens a tape for a drive. */
  async open(purpose: MountPurpose, found: TapeRow, drive: DriveRow): Promise<Opened> {
    const { ballasts, keeping, ports } = this.#context;
    const { ring, host, requestNumber } = purpose;
    if (keeping.isElsewhere(found.vault)) {
      const request = { ring, drive: drive.name, host, requestNumber };
      const remote = await this.#shared.mount(found, request);
      return { tape: remote.tape, image: remote.image, remote };
    }
    const tape = ring ? await labelErased(this.#context, this.#vaults, found) : found;
    const image = await this.#vaults
      .engine(tape.vault)
      .openImage(tape.name, ring ? 'write' : 'read');
    if (!keeping.isKept(tape.vault)) return { tape, image };
    const lock = {
      tape: tape.name,
      pool: undefined,
      process: this.#lockName,
      sinceMs: ports.clock.nowMs(),
      reason: mountReason(drive.name, purpose),
    };
    const take = (): Promise<unknown> => ports.catalog.takeLock(lock);
    try {
      await (ring ? take() : ballasts.rescue(take));
      return { tape, image };
    } catch (error) {
      await image.close();
      throw error;
    }
  }

  /** The process whose locks say that this server has a tape of a shared vault. */
  get #lockName(): string {
    return `${MOUNTING}${this.#context.settings.serverName}`;
  }

  /** Undoes {@link open}. */
  async giveBack({ tape, image, remote }: Opened): Promise<void> {
    await image.close();
    if (remote === undefined) await this.unlock(tape);
    else await remote.end(true);
  }

  /** The tape is free for the other servers; where that cannot be recorded just now, it is tried again. */
  async unlock({ name, vault }: Pick<TapeRow, 'name' | 'vault'>): Promise<void> {
    const { ballasts, keeping, ports } = this.#context;
    if (!keeping.isKept(vault)) return;
    const release = (): Promise<unknown> =>
      ports.catalog.releaseLock({ tape: name }, this.#lockName);
    try {
      await ballasts.rescue(release);
    } catch (error) {
      if (!isCapstanError(error)) throw error;
      ports.clock.after(UNLOCK_AGAIN_MS, () =>
        this.#context.background('release the lock of a mount', () =>
          this.#unlockAgain({ name, vault }),
        ),
      );
      throw error;
    }
  }

  async #unlockAgain(tape: Pick<TapeRow, 'name' | 'vault'>): Promise<void> {
    try {
      await this.unlock(tape);
    } catch (error) {
      // It was told of, and is tried again.
      if (!isCapstanError(error)) throw error;
    }
  }
}
