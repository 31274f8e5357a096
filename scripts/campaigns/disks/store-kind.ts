/** The kinds of store that the campaign writes. */
import type { OpenEngineOptions } from '../../../src/platform/engine.ts';

export const STORE_KINDS = ['plain', 'encrypted', 'uncompressed'] as const;
export type StoreKind = (typeof STORE_KINDS)[number];

/** Small, so that a few MiB roll over from pack to pack. */
const PACK_BYTES_MAX = 500_000;
const KEY = new Uint8Array(32).fill(7);

export function openOptions(kind: StoreKind, mode: OpenEngineOptions['mode']): OpenEngineOptions {
  return {
    mode,
    packBytesMax: PACK_BYTES_MAX,
    ...(kind === 'encrypted' ? { key: KEY } : {}),
    compression: kind === 'uncompressed' ? 'off' : 'on',
  };
}
