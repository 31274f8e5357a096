/** A small drive with a tape in it, and what is sent to it and seen of it, for the drive's properties. */
import fc from 'fast-check';
import type { TapeImageModel } from '../../harness/model/tape-image.ts';
import { TapeDrive } from '../../src/drive/tape-drive.ts';
import { CAPSTAN_VTD } from '../../src/drive/models/capstan-vtd.ts';
import type { ScsiResult } from '../../src/ports/scsi-transport.ts';
import { parseSense } from '../../src/scsi/sense.ts';

export const CAPACITY_BYTES = 9000;
export const EARLY_WARNING_BYTES = 1100;
/** As documented: what a filemark takes. */
export const FILEMARK_BYTES = 1024;

export interface Exchange {
  readonly cdb: readonly number[];
  readonly dataOut?: Uint8Array;
  readonly room: number;
}

/** What both sides are compared by. */
export interface Seen {
  readonly sense: string;
  readonly data: string;
  readonly residual: number;
}

export const GOOD = 'good';
/** key/asc/ascq, flags, INFORMATION. */
export const senseText = (code: string, flags = '', information?: number): string =>
  [code, flags, information ?? 'none'].join(' ');

export const text = (bytes: Uint8Array): string => String.fromCharCode(...bytes);

export function seen(result: ScsiResult): Seen {
  const { dataIn, residual } = result;
  if (result.status === 0) return { sense: GOOD, data: text(dataIn), residual };
  const sense = parseSense(result.sense);
  if (sense === undefined) throw new Error('a CHECK CONDITION came without sense');
  const code = [sense.key, sense.asc, sense.ascq].map((each) => each.toString(16)).join('/');
  const flags = `${sense.filemark ? 'F' : ''}${sense.eom ? 'E' : ''}${sense.ili ? 'I' : ''}`;
  const kind = sense.deferred ? 'deferred ' : '';
  return { sense: kind + senseText(code, flags, sense.information), data: text(dataIn), residual };
}

export const high = (value: number): number => (value >> 16) & 0xff;
export const middle = (value: number): number => (value >> 8) & 0xff;
export const low = (value: number): number => value & 0xff;
export const three = (value: number): number[] => [high(value), middle(value), low(value)];

export const bytesOf = (length: number, seed: number): Uint8Array =>
  Uint8Array.from({ length }, (_, index) => (index * 7 + seed * 13) % 128);

export const LENGTH = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(1, 80, 512, 1000) },
  fc.integer({ min: 1, max: 3000 }),
);
export function loadedDrive(
  image: TapeImageModel,
  partitionCount: number,
  writeProtected: boolean,
) {
  const drive = new TapeDrive({ model: CAPSTAN_VTD, serialNumber: 'PROPERTY' });
  const send = ({ cdb, dataOut, room }: Exchange): ScsiResult =>
    image.run(
      drive.execute({
        cdb: Uint8Array.from(cdb),
        dataInLength: room,
        timeoutMs: 1,
        ...(dataOut && { dataOut }),
      }),
    );
  drive.load({
    partitionCount,
    capacityBytes: CAPACITY_BYTES * partitionCount,
    earlyWarningBytes: EARLY_WARNING_BYTES,
    writeProtected,
    volume: 'PROP01',
  });
  send({ cdb: [0, 0, 0, 0, 0, 0], room: 0 });
  send({ cdb: [0, 0, 0, 0, 0, 0], room: 0 });
  return { drive, send };
}

export const READ_POSITION: Exchange = { cdb: [0x34, 6, 0, 0, 0, 0, 0, 0, 0, 0], room: 32 };

/** Partition, object number and file number out of READ POSITION's long form, read by hand. */
export function positionSeen(result: ScsiResult): readonly number[] {
  const view = new DataView(result.dataIn.buffer, result.dataIn.byteOffset);
  const flags = view.getUint8(0);
  return [flags, view.getUint32(4), view.getUint32(12), view.getUint32(20)];
}
