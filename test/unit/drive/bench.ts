/** A drive on the bench: loaded, its unit attentions heard, over the array model of an image. */
import { TapeImageModel } from '../../../harness/model/tape-image.ts';
import { TapeDrive } from '../../../src/drive/tape-drive.ts';
import type { CartridgeToLoad } from '../../../src/drive/tape-drive.ts';
import { CAPSTAN_VTD } from '../../../src/drive/models/capstan-vtd.ts';
import { TapeOperations } from '../../../src/initiator/tape-operations.ts';
import type { ScsiResult, ScsiTransport } from '../../../src/ports/scsi-transport.ts';
import { buildCdb } from '../../../src/scsi/cdb.ts';
import type { CdbFormat } from '../../../src/scsi/cdb.ts';
import { TEST_UNIT_READY } from '../../../src/scsi/commands-primary.ts';
import { describeSense, parseSense } from '../../../src/scsi/sense.ts';

export interface Bench {
  readonly drive: TapeDrive;
  readonly image: TapeImageModel;
  readonly transport: ScsiTransport;
  readonly tape: TapeOperations;
  /** Sends raw bytes as a CDB. */
  raw(cdb: readonly number[], dataInLength?: number, dataOut?: Uint8Array): ScsiResult;
  /** Builds a CDB and sends it. */
  send<Name extends string>(
    format: CdbFormat<Name>,
    values?: Partial<Record<Name, number>>,
    transfer?: { readonly dataInLength?: number; readonly dataOut?: Uint8Array },
  ): ScsiResult;
}

/** A new drive without a cartridge; its power on has not been told yet. */
export function emptyBench(image = new TapeImageModel()): Bench {
  const drive = new TapeDrive({ model: CAPSTAN_VTD, serialNumber: 'BENCH00001' });
  const execute: Bench['raw'] = (cdb, dataInLength = 0, dataOut?) =>
    image.run(
      drive.execute({
        cdb: Uint8Array.from(cdb),
        dataInLength,
        timeoutMs: 1000,
        ...(dataOut && { dataOut }),
      }),
    );
  const transport: ScsiTransport = {
    execute: (command) => Promise.resolve(image.run(drive.execute(command))),
  };
  return {
    drive,
    image,
    transport,
    tape: new TapeOperations(transport),
    raw: execute,
    send: (format, values = {}, { dataInLength = 0, dataOut } = {}) =>
      execute([...buildCdb(format, values)], dataInLength, dataOut),
  };
}

/** A drive with a cartridge of 1 MB, ready. */
export function bench(
  cartridge: Partial<CartridgeToLoad> = {},
  image = new TapeImageModel(cartridge.partitionCount ?? 1),
): Bench {
  const made = emptyBench(image);
  made.drive.load({
    partitionCount: 1,
    capacityBytes: 1_000_000,
    writeProtected: false,
    volume: 'BENCH1',
    ...cartridge,
  });
  made.send(TEST_UNIT_READY);
  made.send(TEST_UNIT_READY);
  return made;
}

/** `GOOD`, or the sense in words: `8/00/05 END OF DATA DETECTED residual 3`. */
export function said(result: ScsiResult): string {
  if (result.status === 0) return 'GOOD';
  const sense = parseSense(result.sense);
  return sense === undefined ? `status ${result.status}` : describeSense(sense);
}

/** A block of `length` bytes that tells from which number it was made. */
export function block(length: number, number = 0): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (number * 31 + index * 7) % 251);
}
