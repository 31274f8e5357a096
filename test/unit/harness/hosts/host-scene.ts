/** A simulated NonStop with two drives in this process, which a test loads by hand, or an operator does. */
import { NonStopHost } from '../../../../harness/hosts/nonstop-host.ts';
import type { NonStopHostOptions } from '../../../../harness/hosts/nonstop-host.ts';
import { TapeImageModel } from '../../../../harness/model/tape-image.ts';
import { Life } from '../../../../harness/world/life.ts';
import { World } from '../../../../harness/world/world.ts';
import { CapstanError } from '../../../../src/base/errors.ts';
import { GIB, logicalObjectNumber } from '../../../../src/base/units.ts';
import { CAPSTAN_VTD } from '../../../../src/drive/models/capstan-vtd.ts';
import { TapeDrive } from '../../../../src/drive/tape-drive.ts';
import type { ScsiTransport } from '../../../../src/ports/scsi-transport.ts';
import { initialLabel } from '../../../../src/tape/labels.ts';
import type { LabelType } from '../../../../src/tape/labels.ts';
import { packObjects } from '../../../../src/tape/tape-object.ts';

export const HOST_ADDRESS = '10.0.0.9';
export const LIMIT_MS = 600_000;

interface LoadOptions {
  readonly ring: boolean;
  /** What a fresh tape is labelled; null for nothing. Default BACKUP. */
  readonly type?: LabelType | null;
  /** The tape as it was left, where it was in before. */
  readonly again?: boolean;
  readonly capacityBytes?: number;
}

/** A drive in this process with images in memory, loaded by hand. */
export class DriveDouble implements ScsiTransport {
  readonly drive = new TapeDrive({ model: CAPSTAN_VTD, serialNumber: 'VTD00001' });
  readonly #shelf: Map<string, TapeImageModel>;
  /** Whether nothing answers where the drive was. */
  isGone = false;
  #image = new TapeImageModel();

  /** Drives with one shelf share their tapes. */
  constructor(shelf = new Map<string, TapeImageModel>()) {
    this.#shelf = shelf;
  }

  /** Puts in a fresh tape, or the one of that name that was in before. */
  load(volume: string, options: LoadOptions): void {
    const known = options.again === true ? this.#shelf.get(volume) : undefined;
    this.#image =
      known ?? freshTape(volume, options.type ?? (options.type === null ? null : 'BACKUP'));
    this.#shelf.set(volume, this.#image);
    this.drive.load({
      partitionCount: 1,
      capacityBytes: options.capacityBytes ?? GIB,
      writeProtected: !options.ring,
      volume,
    });
  }

  execute(command: Parameters<ScsiTransport['execute']>[0]): ReturnType<ScsiTransport['execute']> {
    if (this.isGone) {
      return Promise.reject(
        new CapstanError('CONNECTION_LOST', { peer: 'VTD', reason: 'no answer' }),
      );
    }
    const result = this.#image.run(this.drive.execute(command));
    if (this.drive.unloadRequested) this.drive.eject();
    return Promise.resolve(result);
  }
}

function freshTape(volume: string, type: LabelType | null): TapeImageModel {
  const image = new TapeImageModel();
  if (type === null) return image;
  const objects = initialLabel({ volume, owner: 'CAPSTAN', type });
  const at = logicalObjectNumber(0);
  image.answer({ op: 'append', partition: 0, at, ...packObjects(objects) });
  image.answer({ op: 'sync' });
  return image;
}

export interface Scene {
  readonly world: World;
  readonly host: NonStopHost;
  readonly drives: readonly [DriveDouble, DriveDouble];
  /** Event numbers of $ZSVR, in the order logged. */
  readonly events: () => string[];
}

export function scene(options: Partial<NonStopHostOptions> = {}): Scene {
  const world = new World(1);
  const shelf = new Map<string, TapeImageModel>();
  const drives = [new DriveDouble(shelf), new DriveDouble(shelf)] as const;
  const host = new NonStopHost({
    node: '\\LAB',
    clock: world.clock,
    network: world.network.port(HOST_ADDRESS, new Life()),
    devices: new Map([
      ['$TAPE0', drives[0]],
      ['$TAPE1', drives[1]],
    ]),
    user: 'SUPER.SUPER',
    password: 'secret',
    ...options,
  });
  const events = (): string[] =>
    host.emsLines.flatMap((line) => /ZSVR\.H06 +000(\d{3})/.exec(line)?.[1] ?? []);
  return { world, host, drives, events };
}
