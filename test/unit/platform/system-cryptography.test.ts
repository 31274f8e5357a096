import { generateKeyPairSync, sign } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { encodeAscii } from '../../../src/base/bytes.ts';
import { fromHex, toHex } from '../../../src/base/encodings.ts';
import { systemCryptography } from '../../../src/platform/system-cryptography.ts';

const bytes = (hex: string): Uint8Array => fromHex(hex) ?? new Uint8Array();

describe('the system cryptography', () => {
  it("makes RFC 7914's second and third scrypt, cut to 32 bytes", async () => {
    const { scrypt } = systemCryptography;
    const two = await scrypt(encodeAscii('password'), encodeAscii('NaCl'), {
      N: 1024,
      r: 8,
      p: 16,
    });
    expect(toHex(two)).toBe('fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162');
    const three = await scrypt(encodeAscii('pleaseletmein'), encodeAscii('SodiumChloride'), {
      N: 16_384,
      r: 8,
      p: 1,
    });
    expect(toHex(three)).toBe('7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2');
  });

  it('has the memory for the cost that passwords are kept at', async () => {
    const hash = await systemCryptography.scrypt(new Uint8Array(1), new Uint8Array(16), {
      N: 2 ** 15,
      r: 8,
      p: 3,
    });
    expect(hash).toHaveLength(32);
  });

  it("takes RFC 8032's second signature, and nothing near it", () => {
    const key = bytes('3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c');
    const signature = bytes(
      '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da' +
        '085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
    );
    const { verifyEd25519 } = systemCryptography;
    expect(verifyEd25519(key, bytes('72'), signature)).toBe(true);
    expect(verifyEd25519(key, bytes('73'), signature)).toBe(false);
    expect(verifyEd25519(key, bytes('72'), signature.slice(0, 63))).toBe(false);
    expect(verifyEd25519(key.slice(1), bytes('72'), signature)).toBe(false);
    expect(verifyEd25519(new Uint8Array(32), bytes('72'), signature)).toBe(false);
  });

  it('agrees with a key made here', () => {
    const { publicKey, privateKey } = generateKeyPairSync('ed25519');
    const raw = new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }).subarray(-32));
    const message = encodeAscii('licence');
    expect(systemCryptography.verifyEd25519(raw, message, sign(null, message, privateKey))).toBe(
      true,
    );
  });

  it('compares by content and length', () => {
    const { equal } = systemCryptography;
    expect(equal(bytes('0102'), bytes('0102'))).toBe(true);
    expect(equal(bytes('0102'), bytes('0103'))).toBe(false);
    expect(equal(bytes('0102'), bytes('010203'))).toBe(false);
  });
});
