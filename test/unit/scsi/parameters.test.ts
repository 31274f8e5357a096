import { describe, expect, it } from 'vitest';
import { decodeAscii } from '../../../src/base/bytes.ts';
import {
  buildStandardInquiry,
  buildVpdPage,
  parseStandardInquiry,
  parseVpdPage,
} from '../../../src/scsi/inquiry.ts';
import { buildModeParameters, parseModeParameters } from '../../../src/scsi/mode.ts';
import {
  buildBlockLimits,
  buildLongPosition,
  buildShortPosition,
  parseBlockLimits,
  parseLongPosition,
  parseShortPosition,
} from '../../../src/scsi/position.ts';

const DRIVE = { vendor: 'CAPSTAN', product: 'VIRTUAL TAPE', revision: '0001' };
const IDENTITY = { ...DRIVE, serialNumber: 'VTD0000001' };

describe('INQUIRY data', () => {
  it('name the device where SPC has the fields', () => {
    const bytes = buildStandardInquiry({ ...DRIVE, deviceType: 1, removable: true });
    expect([...bytes.subarray(0, 8)]).toEqual([1, 0x80, 6, 2, 91, 0, 0, 0]);
    expect(decodeAscii(bytes.subarray(8, 36))).toBe('CAPSTAN VIRTUAL TAPE    0001');
    expect(parseStandardInquiry(bytes)).toEqual({ ...DRIVE, deviceType: 1, removable: true });
    expect(parseStandardInquiry(bytes.subarray(0, 35))).toBeUndefined();
  });

  it('list in VPD page 00h exactly the pages that there are', () => {
    const listed = parseVpdPage(0, buildVpdPage(0, 1, IDENTITY) ?? new Uint8Array(0)) ?? [];
    const answered = Array.from({ length: 256 }, (_, code) => code).filter(
      (code) => buildVpdPage(code, 1, IDENTITY) !== undefined,
    );
    expect([...listed]).toEqual(answered);
  });

  it('identify the device in page 83h by T10 vendor and by a name that depends on its serial number', () => {
    const page = (serialNumber: string): Uint8Array =>
      buildVpdPage(0x83, 1, { ...IDENTITY, serialNumber }) ?? new Uint8Array(0);
    const content = parseVpdPage(0x83, page('VTD0000001')) ?? new Uint8Array(0);
    expect([...content.subarray(0, 4)]).toEqual([2, 1, 0, 34]);
    expect(decodeAscii(content.subarray(4, 38))).toBe('CAPSTAN VIRTUAL TAPE    VTD0000001');
    expect([...content.subarray(38, 42)]).toEqual([1, 3, 0, 8]);
    expect((content[42] ?? 0) >> 4).toBe(3);
    expect(content).toHaveLength(50);
    expect(page('VTD0000001')).toEqual(page('VTD0000001'));
    expect(page('VTD0000001').subarray(-8)).not.toEqual(page('VTD0000002').subarray(-8));
  });
});

describe('READ POSITION data', () => {
  const position = {
    beginningOfPartition: false,
    endOfPartition: true,
    partition: 1,
    logicalObjectNumber: 0x01020304,
    lastObjectNumber: 0x01020300,
    bufferedBytes: 0x0506,
    logicalFileIdentifier: 9,
  };

  it('in short form tell what is still in the buffer', () => {
    const bytes = buildShortPosition(position);
    expect([...bytes]).toEqual([0x40, 1, 0, 0, 1, 2, 3, 4, 1, 2, 3, 0, 0, 0, 0, 4, 0, 0, 5, 6]);
    const { logicalFileIdentifier: _, ...short } = position;
    expect(parseShortPosition(bytes)).toEqual(short);
  });

  it('in long form tell the file number', () => {
    const bytes = buildLongPosition(position);
    const { lastObjectNumber: _, bufferedBytes: __, ...long } = position;
    expect(parseLongPosition(bytes)).toEqual(long);
    bytes[0] = 0x04;
    expect(parseLongPosition(bytes)).toBeUndefined();
    expect(parseLongPosition(bytes.subarray(0, 31))).toBeUndefined();
  });

  it('in short form say so where the number has more than 32 bits', () => {
    const far = { ...position, logicalObjectNumber: 2 ** 32, lastObjectNumber: 2 ** 32 };
    expect(buildShortPosition(far)[0]).toBe(0x42);
    expect(parseShortPosition(buildShortPosition(far))).toBeUndefined();
    expect(parseLongPosition(buildLongPosition(far))?.logicalObjectNumber).toBe(2 ** 32);
  });
});

describe('mode parameters', () => {
  const page = Uint8Array.of(0x10, 2, 7, 8);
  const parameters = {
    writeProtected: true,
    bufferedMode: 1,
    speed: 2,
    blockDescriptor: { densityCode: 0x5e, blockLength: 0x8000 },
    pages: [page],
  };

  it.each([6, 10] as const)('read back from MODE SENSE(%i) as they were built', (form) => {
    const list = buildModeParameters(form, parameters);
    const { pages: _, ...head } = parameters;
    const headerLength = form === 6 ? 4 : 8;
    expect(parseModeParameters(form, list)).toEqual({
      ...head,
      descriptorOffset: headerLength,
      pages: [{ offset: headerLength + 8, bytes: page }],
    });
  });

  it('have a header whose length does not count itself', () => {
    expect([...buildModeParameters(6, parameters)].slice(0, 4)).toEqual([15, 0, 0x92, 8]);
    expect([...buildModeParameters(10, parameters)].slice(0, 8)).toEqual([
      0, 18, 0, 0x92, 0, 0, 0, 8,
    ]);
  });

  it('cut short anywhere are faults of length, never read beyond', () => {
    const list = buildModeParameters(6, parameters);
    const whole = [4 + 8, list.length];
    for (let length = 0; length <= list.length; length += 1) {
      const parsed = parseModeParameters(6, list.subarray(0, length));
      expect('fault' in parsed ? parsed.fault : 'none').toBe(
        whole.includes(length) ? 'none' : 'length',
      );
    }
  });

  it('with a block descriptor of another length, or a subpage, are faults of that field', () => {
    expect(parseModeParameters(6, Uint8Array.of(0, 0, 0, 16))).toEqual({ fault: 'field', byte: 3 });
    expect(parseModeParameters(6, Uint8Array.of(0, 0, 0, 0, 0x50, 1, 0, 0))).toEqual({
      fault: 'field',
      byte: 4,
    });
  });
});

it('READ BLOCK LIMITS data read back as they were built', () => {
  const limits = { granularity: 0, blockLengthMax: 0xffffff, blockLengthMin: 1 };
  expect([...buildBlockLimits(limits)]).toEqual([0, 0xff, 0xff, 0xff, 0, 1]);
  expect(parseBlockLimits(buildBlockLimits(limits))).toEqual(limits);
  expect(parseBlockLimits(new Uint8Array(5))).toBeUndefined();
});
