/** The state of a logical unit that its commands read and change. */
import type { CapstanError } from '../base/errors.ts';
import type { DeviceIdentity } from '../scsi/inquiry.ts';
import type { Sense } from '../scsi/sense.ts';
import type { TapeMedium } from '../tape/medium.ts';
import type { DriveModel } from './model.ts';

/** What MODE SELECT changes. */
export interface ModeState {
  /** Bytes of a block in fixed-block transfers; 0: variable blocks only. */
  blockLength: number;
  /** 0: unbuffered, 1: buffered. */
  bufferedMode: number;
  speed: number;
  /** Current bytes of each page, by page code. */
  readonly pages: Map<number, Uint8Array>;
}

export interface DriveUnit {
  readonly model: DriveModel;
  readonly identity: DeviceIdentity;
  readonly mode: ModeState;
  /** The cartridge in the drive; `loaded` whether it is threaded, too. */
  medium: TapeMedium | undefined;
  loaded: boolean;
  /** The host has unloaded the cartridge and it may be taken out. */
  unloadRequested: boolean;
  removalPrevented: boolean;
  /** Unit attentions and what else waits for the next command, oldest first. */
  readonly pendingSense: Sense[];
  /** Of blocks, since the load. */
  bytesRead: number;
  bytesWritten: number;
  /** Why the last medium error was one; for the event log. */
  lastFailure: CapstanError | undefined;
}

export function initialMode(model: DriveModel): ModeState {
  return {
    blockLength: 0,
    bufferedMode: 1,
    speed: 0,
    pages: new Map(
      model.modePages.map((page) => [page.defaults[0] ?? 0, Uint8Array.from(page.defaults)]),
    ),
  };
}
