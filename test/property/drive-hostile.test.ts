/**
 * Goal: whatever bytes come as a command, a parameter list, sense or a label, the drive and its host
 * end in an orderly way. Method: random bytes, half of them near what is right; every command must end
 * with GOOD or with sense of a key that a tape drive has, within the room given, and leave the drive
 * answering; every parser must return.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TapeImageModel } from '../../harness/model/tape-image.ts';
import { TapeDrive } from '../../src/drive/tape-drive.ts';
import { CAPSTAN_VTD } from '../../src/drive/models/capstan-vtd.ts';
import { TapeOperations } from '../../src/initiator/tape-operations.ts';
import { parseStandardInquiry, parseVpdPage } from '../../src/scsi/inquiry.ts';
import { parseModeParameters } from '../../src/scsi/mode.ts';
import { SENSE_KEY, parseSense } from '../../src/scsi/sense.ts';
import { detectLabelType, encodeLabel, parseLabel } from '../../src/tape/labels.ts';

const OPCODES = [0, 1, 3, 5, 8, 0x0a, 0x10, 0x11, 0x12, 0x15, 0x16, 0x17, 0x19, 0x1a, 0x1b, 0x1e];
const LONG_OPCODES = [0x2b, 0x34, 0x55, 0x5a, 0xa0];

/** Bytes that are often 0 or 1, so that many get past the reserved bits. */
const BYTE = fc.oneof(
  { weight: 6, arbitrary: fc.constant(0) },
  { weight: 2, arbitrary: fc.constantFrom(1, 2, 8, 0x10, 0x3f) },
  { weight: 2, arbitrary: fc.nat(255) },
);
const CDB = fc.oneof(
  fc.uint8Array({ maxLength: 16, size: 'max' }),
  fc
    .tuple(fc.constantFrom(...OPCODES), fc.array(BYTE, { minLength: 5, maxLength: 5 }))
    .map(([opcode, rest]) => Uint8Array.of(opcode, ...rest)),
  fc
    .tuple(fc.constantFrom(...LONG_OPCODES), fc.array(BYTE, { minLength: 11, maxLength: 11 }))
    .map(([opcode, rest]) => Uint8Array.of(opcode, ...rest)),
);
const COMMAND = fc.record(
  {
    cdb: CDB,
    dataOut: fc.array(BYTE, { maxLength: 64, size: 'max' }).map((bytes) => Uint8Array.from(bytes)),
    dataInLength: fc.constantFrom(0, 1, 20, 255, 4096),
    timeoutMs: fc.constant(1),
  },
  { requiredKeys: ['cdb', 'dataInLength', 'timeoutMs'] },
);

const KEYS: readonly number[] = Object.values(SENSE_KEY);

describe('hostile bytes', () => {
  it('as commands end with GOOD or sense, within the room, and the drive goes on', () => {
    const check = (
      commands: readonly (typeof COMMAND extends fc.Arbitrary<infer C> ? C : never)[],
    ) => {
      const image = new TapeImageModel(2);
      const drive = new TapeDrive({ model: CAPSTAN_VTD, serialNumber: 'HOSTILE' });
      drive.load({
        partitionCount: 2,
        capacityBytes: 1_000_000,
        writeProtected: false,
        volume: 'HOSTIL',
      });
      for (const command of commands) {
        const result = image.run(drive.execute(command));
        const sense = result.status === 0 ? undefined : parseSense(result.sense);
        expect(KEYS).toContain(result.status === 0 ? 0 : sense?.key);
        expect(result.dataIn.length).toBeLessThanOrEqual(command.dataInLength);
        expect(result.residual).toBeGreaterThanOrEqual(0);
        expect(drive.state.logicalObjectNumber).toBeGreaterThanOrEqual(0);
      }
      const asked = { cdb: Uint8Array.of(0x12, 0, 0, 0, 96, 0), dataInLength: 96, timeoutMs: 1 };
      expect(image.run(drive.execute(asked)).dataIn).toHaveLength(96);
    };
    const commands = fc.array(COMMAND, { maxLength: 40, size: 'max' });
    fc.assert(fc.property(commands, check), { seed: 20_264, numRuns: 400 });
  });

  it('as answers of a device end every operation with a value', async () => {
    const check = async (status: number, sense: Uint8Array, dataIn: Uint8Array) => {
      const tape = new TapeOperations({
        execute: () => Promise.resolve({ status, sense, dataIn, residual: 0 }),
      });
      const outcomes = await Promise.all([
        tape.awaitReady(),
        tape.inquiry(),
        tape.serialNumber(),
        tape.blockLimits(),
        tape.modeSense(0x3f),
        tape.readBlock(100),
        tape.writeBlock(new Uint8Array(3)),
        tape.space('blocks', 2),
        tape.position(),
      ]);
      for (const outcome of outcomes) expect(typeof outcome.kind).toBe('string');
    };
    const bytes = fc.uint8Array({ maxLength: 64, size: 'max' });
    const statuses = fc.constantFrom(0, 2, 8, 0x18, 0xff);
    const property = fc.asyncProperty(statuses, bytes, bytes, check);
    await fc.assert(property, { seed: 20_265, numRuns: 500 });
  });

  it('as parameter data and labels are parsed or refused, and what is parsed can be told again', () => {
    const check = (bytes: Uint8Array, head: string) => {
      parseSense(bytes);
      parseModeParameters(6, bytes);
      parseModeParameters(10, bytes);
      parseStandardInquiry(bytes);
      parseVpdPage(bytes[1] ?? 0, bytes);
      const block = new Uint8Array(80).fill(0x20);
      block.set(bytes.map((byte) => 0x30 + (byte % 10)));
      block.set(Uint8Array.from(head, (letter) => letter.charCodeAt(0)));
      const label = parseLabel(block);
      expect(detectLabelType(block)).toBe(head === 'VOL1' ? 'ANSI' : 'OMITTED');
      expect(label && parseLabel(encodeLabel(label))).toEqual(label);
    };
    const property = fc.property(
      fc.uint8Array({ maxLength: 79, size: 'max' }),
      fc.constantFrom('VOL1', 'HDR1', 'EOF1', 'EOV1', 'HDR2', 'EOF2', 'UHL1'),
      check,
    );
    fc.assert(property, { seed: 20_266, numRuns: 1000 });
  });
});
