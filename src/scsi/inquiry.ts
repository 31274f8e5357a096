/**
 * INQUIRY: standard data and the vital product data (VPD) pages 00h, 80h and 83h.
 * @source SPC-5 6.7, 7.7
 */
import {
  concatBytes,
  decodeAscii,
  encodeAscii,
  readUint,
  writeAscii,
  writeUint,
} from '../base/bytes.ts';

export const STANDARD_INQUIRY_LENGTH = 96;
const VENDOR_LENGTH = 8;
const PRODUCT_LENGTH = 16;
const REVISION_LENGTH = 4;

export const VPD_PAGE = {
  SUPPORTED_PAGES: 0x00,
  UNIT_SERIAL_NUMBER: 0x80,
  DEVICE_IDENTIFICATION: 0x83,
} as const satisfies Record<string, number>;

/** What a device calls itself; ASCII, cut to the fields' 8, 16 and 4 characters. */
export interface DeviceIdentity {
  readonly vendor: string;
  readonly product: string;
  readonly revision: string;
  readonly serialNumber: string;
}

export interface StandardInquiry {
  /** 00h disk, 01h sequential-access device (tape), 08h medium changer. */
  readonly deviceType: number;
  readonly removable: boolean;
  readonly vendor: string;
  readonly product: string;
  readonly revision: string;
}

/**
 * Standards that a device claims, as version descriptors.
 * @source SPC-5 6.7.2
 */
const VERSION_DESCRIPTORS = { SAM_5: 0x00a0, SPC_4: 0x0460, SSC_4: 0x0520 } as const;
const VERSION_SPC_4 = 0x06;
const RESPONSE_DATA_FORMAT = 0x02;

export function buildStandardInquiry(inquiry: StandardInquiry): Uint8Array {
  const bytes = new Uint8Array(STANDARD_INQUIRY_LENGTH);
  bytes[0] = inquiry.deviceType;
  bytes[1] = inquiry.removable ? 0x80 : 0;
  bytes[2] = VERSION_SPC_4;
  bytes[3] = RESPONSE_DATA_FORMAT;
  bytes[4] = STANDARD_INQUIRY_LENGTH - 5;
  writeAscii(bytes, 8, VENDOR_LENGTH, inquiry.vendor);
  writeAscii(bytes, 16, PRODUCT_LENGTH, inquiry.product);
  writeAscii(bytes, 32, REVISION_LENGTH, inquiry.revision);
  Object.values(VERSION_DESCRIPTORS).forEach((descriptor, index) => {
    writeUint(bytes, 58 + 2 * index, 2, descriptor);
  });
  return bytes;
}

/** Undefined where the data are too short to name a device. */
export function parseStandardInquiry(bytes: Uint8Array): StandardInquiry | undefined {
  if (bytes.length < 36) return undefined;
  const text = (offset: number, length: number): string =>
    decodeAscii(bytes.subarray(offset, offset + length)).trimEnd();
  return {
    deviceType: (bytes[0] ?? 0) & 0x1f,
    removable: ((bytes[1] ?? 0) & 0x80) !== 0,
    vendor: text(8, VENDOR_LENGTH),
    product: text(16, PRODUCT_LENGTH),
    revision: text(32, REVISION_LENGTH),
  };
}

function vpdPage(deviceType: number, pageCode: number, content: Uint8Array): Uint8Array {
  const header = Uint8Array.of(deviceType, pageCode, 0, 0);
  writeUint(header, 2, 2, content.length);
  return concatBytes([header, content]);
}

/** Page 00h lists what the device has; initiators ask for nothing else. */
function supportedPages(): Uint8Array {
  return Uint8Array.from(Object.values(VPD_PAGE));
}

/**
 * A locally assigned NAA identifier: 3h, then 60 bits of the FNV-1a hash of vendor and serial
 * number, so that a drive keeps its identity from one start to the next.
 */
function locallyAssignedName(identity: DeviceIdentity): Uint8Array {
  let hash = 0xcbf29ce484222325n;
  for (const byte of encodeAscii(`${identity.vendor}\n${identity.serialNumber}`)) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  }
  const name = new Uint8Array(8);
  new DataView(name.buffer).setBigUint64(0, (0x3n << 60n) | (hash >> 4n));
  return name;
}

const CODE_SET_BINARY = 0x1;
const CODE_SET_ASCII = 0x2;
const DESIGNATOR_T10_VENDOR = 0x1;
const DESIGNATOR_NAA = 0x3;

function designator(codeSet: number, type: number, content: Uint8Array): Uint8Array {
  return concatBytes([Uint8Array.of(codeSet, type, 0, content.length), content]);
}

function deviceIdentification(identity: DeviceIdentity): Uint8Array {
  const vendorName = new Uint8Array(VENDOR_LENGTH + PRODUCT_LENGTH);
  writeAscii(vendorName, 0, VENDOR_LENGTH, identity.vendor);
  writeAscii(vendorName, VENDOR_LENGTH, PRODUCT_LENGTH, identity.product);
  return concatBytes([
    designator(
      CODE_SET_ASCII,
      DESIGNATOR_T10_VENDOR,
      concatBytes([vendorName, encodeAscii(identity.serialNumber)]),
    ),
    designator(CODE_SET_BINARY, DESIGNATOR_NAA, locallyAssignedName(identity)),
  ]);
}

/** The page, or undefined where there is none of that code. */
export function buildVpdPage(
  pageCode: number,
  deviceType: number,
  identity: DeviceIdentity,
): Uint8Array | undefined {
  switch (pageCode) {
    case VPD_PAGE.SUPPORTED_PAGES:
      return vpdPage(deviceType, pageCode, supportedPages());
    case VPD_PAGE.UNIT_SERIAL_NUMBER:
      return vpdPage(deviceType, pageCode, encodeAscii(identity.serialNumber));
    case VPD_PAGE.DEVICE_IDENTIFICATION:
      return vpdPage(deviceType, pageCode, deviceIdentification(identity));
    default:
      return undefined;
  }
}

/**
 * The content of a VPD page that a device sent, without its header; undefined where it is another
 * page.
 */
export function parseVpdPage(pageCode: number, bytes: Uint8Array): Uint8Array | undefined {
  if (bytes.length < 4 || bytes[1] !== pageCode) return undefined;
  return bytes.subarray(4, 4 + readUint(bytes, 2, 2));
}
