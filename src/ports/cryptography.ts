/** What is computed with secrets: password hashes, digests, signatures. */

/** The cost of a password hash; a stored hash bears the one that it was made with. */
export interface ScryptCost {
  /** CPU and memory cost, a power of two: 128 * N * r bytes of memory. */
  readonly N: number;
  /** Block size. */
  readonly r: number;
  /** Parallelism. */
  readonly p: number;
}

export interface Cryptography {
  /** 32 bytes of scrypt (RFC 7914). Slow on purpose; not on the thread that asks. */
  scrypt(password: Uint8Array, salt: Uint8Array, cost: ScryptCost): Promise<Uint8Array>;
  /** 32 bytes of SHA-256. */
  sha256(data: Uint8Array): Uint8Array;
  /** Whether both hold the same; the time it takes says nothing of where they differ. */
  equal(one: Uint8Array, other: Uint8Array): boolean;
  /** Whether the signature (64 bytes) is that of the key's owner (RFC 8032, key of 32 bytes). */
  verifyEd25519(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
}
