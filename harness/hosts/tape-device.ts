/** A tape drive as the host's `$ZSVR` sees it: whether a tape is in it, which one, and whether protected. */
import { isCapstanError } from '../../src/base/errors.ts';
import { TapeOperations } from '../../src/initiator/tape-operations.ts';
import type { ScsiTransport } from '../../src/ports/scsi-transport.ts';
import { LABEL_LENGTH, parseLabel } from '../../src/tape/labels.ts';
import type { Label, LabelDate, LabelType } from '../../src/tape/labels.ts';

/** MODE SENSE page code that asks for the header and the block descriptor alone. */
const NO_PAGE = 0x00;

/** What a labelled tape says of itself. */
export interface TapeLabel {
  readonly type: LabelType;
  readonly volume: string;
  /** Of the first file on it; undefined where it has expired. */
  readonly expiration: LabelDate | undefined;
}

export type Look =
  /** No tape, not ready yet, or the drive is gone. */
  | { readonly kind: 'nothing' }
  /** `label` is undefined where the tape has no VOL1. The tape is at its beginning. */
  | {
      readonly kind: 'loaded';
      readonly label: TapeLabel | undefined;
      readonly writeProtected: boolean;
    };

const NOTHING: Look = { kind: 'nothing' };

export class TapeDevice {
  readonly name: string;
  readonly operations: TapeOperations;
  /** Whether a job has the tape that is in it. */
  inUse = false;
  /** Whether it gave no answer when it was last looked at. */
  isUnavailable = false;
  /** Whether an operator took it out of service (SCF STOP TAPE): nobody looks at it. */
  isDown = false;
  /** The tape that was told of and left in: `LAB001`, or '' for one without a label. */
  online: string | undefined;

  constructor(name: string, transport: ScsiTransport) {
    this.name = name;
    this.operations = new TapeOperations(transport);
  }

  /** Looks whether a tape is ready, and reads its labels. Never rejects for a drive's fault. */
  async look(): Promise<Look> {
    try {
      const look = await this.#look();
      this.isUnavailable = false;
      return look;
    } catch (error) {
      // A drive that is gone holds no tape; it is looked at again.
      if (!isCapstanError(error)) throw error;
      this.isUnavailable = true;
      return NOTHING;
    }
  }

  async #look(): Promise<Look> {
    const { operations } = this;
    const ready = await operations.awaitReady();
    if (ready.kind !== 'done') return NOTHING;
    const mode = await operations.modeSense(NO_PAGE);
    if (mode.kind !== 'answer') return NOTHING;
    if ((await operations.rewind()).kind !== 'done') return NOTHING;
    const volume = await this.#readLabel();
    const header = volume?.kind === 'VOL1' ? await this.#readLabel() : undefined;
    if ((await operations.rewind()).kind !== 'done') return NOTHING;
    const label =
      volume?.kind === 'VOL1'
        ? {
            type: volume.type,
            volume: volume.volume,
            expiration: header?.kind === 'HDR1' ? header.expiration : undefined,
          }
        : undefined;
    return { kind: 'loaded', label, writeProtected: mode.value.writeProtected };
  }

  async #readLabel(): Promise<Label | undefined> {
    const read = await this.operations.readBlock(LABEL_LENGTH);
    return read.kind === 'block' && read.residual === 0 ? parseLabel(read.data) : undefined;
  }
}
