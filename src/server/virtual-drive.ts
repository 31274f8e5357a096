/**
 * A virtual tape drive: the pure device server over a tape image that can wait.
 *
 * One command at a time. UNLOAD answers GOOD only once the dismount has been recorded; where that fails
 * the host gets HARDWARE ERROR, MEDIA LOAD OR EJECT FAILED, the tape stays, and the next command of the
 * host tries again.
 */
import { assert, assertNever } from '../base/assert.ts';
import { CapstanError, isCapstanError } from '../base/errors.ts';
import { generation } from '../base/units.ts';
import type { Generation } from '../base/units.ts';
import { CAPSTAN_VTD } from '../drive/models/capstan-vtd.ts';
import { TapeDrive } from '../drive/tape-drive.ts';
import type { CartridgeToLoad, DriveState } from '../drive/tape-drive.ts';
import type { DriveRow } from '../ports/catalog.ts';
import type { TapeImage } from '../ports/engine.ts';
import type { ScsiCommand, ScsiResult, ScsiTransport } from '../ports/scsi-transport.ts';
import { SENSE, buildSense } from '../scsi/sense.ts';
import { STATUS } from '../scsi/status.ts';
import type { ImageCall, ImageReplies, Step } from '../tape/image-call.ts';
import type { Ballasts } from './ballasts.ts';
import { Sequence } from './context.ts';

/** What a drive's tape is when it is taken out. */
export interface MountOutcome {
  readonly generation: Generation;
  /** Whether the mount changed the content. */
  readonly changed: boolean;
}

/** What a host wrote and no tape has. */
export interface LostObjects {
  readonly lostObjectCount: number;
  readonly reason: string;
}

interface MountedImage {
  readonly image: TapeImage;
  readonly startGeneration: Generation;
  changed: boolean;
}

export class VirtualDrive implements ScsiTransport {
  readonly row: DriveRow;
  readonly #drive: TapeDrive;
  readonly #commands = new Sequence();
  readonly #onUnload: (drive: VirtualDrive) => Promise<void>;
  readonly #ballasts: Pick<Ballasts, 'rescue'>;
  #mounted: MountedImage | undefined;
  #gone = false;

  /** `onUnload` records the dismount; the image is synced, and closed by {@link release} afterwards. */
  constructor(
    row: DriveRow,
    onUnload: (drive: VirtualDrive) => Promise<void>,
    ballasts: Pick<Ballasts, 'rescue'>,
  ) {
    this.row = row;
    this.#ballasts = ballasts;
    this.#drive = new TapeDrive({ model: CAPSTAN_VTD, serialNumber: row.serialNumber });
    this.#onUnload = onUnload;
  }

  get state(): DriveState {
    return this.#drive.state;
  }

  /** What the mount is at, as far as the image has been synced. */
  get outcome(): MountOutcome {
    assert(this.#mounted !== undefined, 'a drive without a tape has no outcome');
    const { startGeneration, changed } = this.#mounted;
    return { generation: changed ? generation(startGeneration + 1) : startGeneration, changed };
  }

  /** Loads a tape: `image` is open, for writing unless the cartridge is protected. */
  mount(image: TapeImage, startGeneration: Generation, cartridge: CartridgeToLoad): void {
    assert(this.#mounted === undefined, 'a drive holds one tape');
    this.#mounted = { image, startGeneration, changed: false };
    this.#drive.load(cartridge);
  }

  execute(command: ScsiCommand): Promise<ScsiResult> {
    return this.#commands.run(async () => {
      if (this.#gone) {
        const peer = `drive ${this.row.name}`;
        throw new CapstanError('CONNECTION_LOST', { peer, reason: 'its server stops' });
      }
      const result = await this.#run(this.#drive.execute(command));
      if (!this.#drive.unloadRequested) return result;
      try {
        await this.#onUnload(this);
        return result;
      } catch (error) {
        if (!isCapstanError(error)) throw error;
        return {
          status: STATUS.CHECK_CONDITION,
          sense: buildSense(SENSE.MEDIA_LOAD_OR_EJECT_FAILED),
          dataIn: new Uint8Array(0),
          residual: 0,
        };
      }
    });
  }

  /**
   * An operator ends the mount of `volume`, between two commands of the host: makes durable what was
   * acknowledged, and records the dismount. What was in the drive's memory and finds no room on the disk is
   * lost: how many objects, and why, is given; the rest is durable. Rejects NOT_FOUND where the host was
   * quicker, and with what keeps the data or the record from being durable; the tape stays then.
   */
  dismount(volume: string): Promise<LostObjects | undefined> {
    return this.#commands.run(async () => {
      if (this.#mounted === undefined || this.state.volume !== volume) {
        throw new CapstanError('NOT_FOUND', { kind: 'mounted tape', name: volume });
      }
      const failure = await this.#run(this.#drive.synchronize());
      if (failure !== undefined && failure.cause.code !== 'NO_SPACE') throw failure.cause;
      // What found no room is given up; what lies before it still has to be made durable.
      const again = failure && (await this.#run(this.#drive.synchronize()));
      if (again !== undefined) throw again.cause;
      await this.#onUnload(this);
      if (failure === undefined) return undefined;
      return { lostObjectCount: failure.acknowledgedCount, reason: failure.cause.message };
    });
  }

  /**
   * The server and not the host ends the mount: takes no more commands, and makes durable what was
   * acknowledged; an error says what was lost.
   */
  shutDown(): Promise<CapstanError | undefined> {
    this.#gone = true;
    return this.#commands.run(async () => (await this.#run(this.#drive.synchronize()))?.cause);
  }

  /** Runs `work` while no command of the host does. */
  betweenCommands(work: () => Promise<void>): Promise<void> {
    return this.#commands.run(work);
  }

  /** Takes the tape out and closes its image. */
  async release(): Promise<void> {
    assert(this.#mounted !== undefined, 'a drive that is released has a tape');
    const { image } = this.#mounted;
    this.#mounted = undefined;
    this.#drive.removeMedium();
    await image.close();
  }

  async #run<Result>(step: Step<Result>): Promise<Result> {
    let next = step.next({});
    while (next.done !== true) {
      let reply: ImageReplies[keyof ImageReplies];
      try {
        reply = await this.#ask(next.value);
      } catch (error) {
        if (!isCapstanError(error)) throw error;
        next = step.throw(error);
        continue;
      }
      next = step.next(reply);
    }
    return next.value;
  }

  async #ask(call: ImageCall): Promise<ImageReplies[keyof ImageReplies]> {
    const mounted = this.#mounted;
    assert(mounted !== undefined, 'a drive asks for its image only with a tape in it');
    const { image } = mounted;
    switch (call.op) {
      case 'append':
        mounted.changed = true;
        return image.append(call);
      case 'truncate':
        mounted.changed = true;
        return image.truncate(call);
      case 'read':
        return image.read(call);
      case 'space':
        return image.space(call);
      case 'locate':
        return image.locate(call);
      case 'sync':
        // What was accepted has its room; to shorten a tape takes some that may be gone.
        await this.#ballasts.rescue(() => image.sync({ generation: this.outcome.generation }));
        return {};
      default:
        return assertNever(call);
    }
  }
}
