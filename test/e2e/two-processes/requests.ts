/** What a test asks a process with an open store (worker.ts), and the content that both know. */
import { createHash } from 'node:crypto';

export type Request =
  | {
      readonly do: 'create' | 'remove' | 'compare' | 'keep' | 'compare-kept';
      readonly name: string;
    }
  | {
      readonly do: 'write';
      readonly name: string;
      readonly fromBlock: number;
      readonly blockCount: number;
    }
  /** Never ends: a reply for each block synced, with the count of blocks. */
  | { readonly do: 'write-on'; readonly name: string; readonly fromBlock: number }
  | { readonly do: 'collect' | 'list' | 'verify' };

export type Reply =
  | { readonly result: unknown }
  | { readonly error: { readonly code: string; readonly message: string } };

const BLOCK_BYTES = 200_000;

/** Noise, another for each tape and block. */
export function blockOf(name: string, block: number): Buffer {
  return createHash('shake256', { outputLength: BLOCK_BYTES }).update(`${name} ${block}`).digest();
}
