/** Logical objects of a tape as values, and how a batch of them is packed for the image. */
import { concatBytes } from '../base/bytes.ts';

export type TapeObject =
  | { readonly kind: 'block'; readonly data: Uint8Array }
  | { readonly kind: 'filemark' };

export const FILEMARK: TapeObject = { kind: 'filemark' };

/** The objects as an image takes them: a length each, 0 for a filemark, and the blocks' bytes. */
export function packObjects(objects: readonly TapeObject[]): {
  readonly lengths: Uint32Array;
  readonly data: Uint8Array;
} {
  const blocks = objects.flatMap((object) => (object.kind === 'block' ? [object.data] : []));
  return {
    lengths: Uint32Array.from(objects, (object) =>
      object.kind === 'block' ? object.data.length : 0,
    ),
    data: concatBytes(blocks),
  };
}

/** The objects of a batch; the blocks are views of `data`. */
export function unpackObjects(lengths: Uint32Array, data: Uint8Array): TapeObject[] {
  let offset = 0;
  return Array.from(lengths, (length): TapeObject => {
    if (length === 0) return FILEMARK;
    offset += length;
    return { kind: 'block', data: data.subarray(offset - length, offset) };
  });
}
