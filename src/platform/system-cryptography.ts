/** Password hashes, digests and signatures by OpenSSL, as Node has it. */
import { createHash, createPublicKey, scrypt, timingSafeEqual, verify } from 'node:crypto';
import type { Cryptography } from '../ports/cryptography.ts';

const SCRYPT_BYTES = 32;
/** Ed25519's SubjectPublicKeyInfo ahead of the key's 32 bytes. @source RFC 8410 */
const ED25519_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');
const ED25519_KEY_BYTES = 32;
const ED25519_SIGNATURE_BYTES = 64;

export const systemCryptography: Cryptography = {
  scrypt: (password, salt, { N, r, p }) =>
    new Promise((resolve, reject) => {
      // OpenSSL wants a little more than the 128 * N * r bytes that the algorithm needs.
      const maxmem = 128 * r * (N + p + 8) + 65_536;
      scrypt(password, salt, SCRYPT_BYTES, { N, r, p, maxmem }, (error, hash) => {
        if (error === null) resolve(new Uint8Array(hash));
        else reject(error);
      });
    }),
  sha256: (data) => new Uint8Array(createHash('sha256').update(data).digest()),
  equal: (one, other) => one.length === other.length && timingSafeEqual(one, other),
  verifyEd25519: (publicKey, message, signature) => {
    if (publicKey.length !== ED25519_KEY_BYTES) return false;
    if (signature.length !== ED25519_SIGNATURE_BYTES) return false;
    const key = createPublicKey({
      key: Buffer.concat([ED25519_PREFIX, publicKey]),
      format: 'der',
      type: 'spki',
    });
    return verify(null, message, key, signature);
  },
};
