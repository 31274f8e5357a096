/** Chance. */

export interface Random {
  /** `count` random bytes; from the system's generator in production. */
  bytes(count: number): Uint8Array;
}
