/**
 * Cryptography of the simulated world: quick, the same every time, and no secret from anybody.
 *
 * A "hash" mixes what it is made of into 32 bytes; a "signature" is the hash of key and message, twice.
 */
import type { Cryptography } from '../../src/ports/cryptography.ts';

const HASH_BYTES = 32;

/** FNV-1a over all parts, a lane of 32 bits for each word of the result. */
function mix(parts: readonly Uint8Array[]): Uint8Array {
  const result = new Uint8Array(HASH_BYTES);
  for (let lane = 0; lane < HASH_BYTES; lane += 4) {
    let word = (0x811c9dc5 ^ lane) >>> 0;
    for (const part of parts) {
      for (const byte of part) word = Math.imul(word ^ byte, 0x01000193) >>> 0;
      // Where one part ends matters, too.
      word = Math.imul(word ^ 0x1ff, 0x01000193) >>> 0;
    }
    for (let index = 0; index < 4; index += 1) result[lane + index] = word >>> (8 * index);
  }
  return result;
}

const equal = (one: Uint8Array, other: Uint8Array): boolean =>
  one.length === other.length && one.every((byte, index) => byte === other[index]);

/** What `verifyEd25519` takes for the signature of whoever has this public key. */
export function simulatedSignature(publicKey: Uint8Array, message: Uint8Array): Uint8Array {
  const half = mix([publicKey, message]);
  return Uint8Array.of(...half, ...half);
}

export const simulatedCryptography: Cryptography = {
  scrypt: async (password, salt, { N, r, p }) =>
    mix([password, salt, Uint8Array.of(Math.log2(N), r, p)]),
  sha256: (data) => mix([data]),
  equal,
  verifyEd25519: (publicKey, message, signature) =>
    equal(signature, simulatedSignature(publicKey, message)),
};
