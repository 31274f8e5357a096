/** What one engine sends to another, at once: what replication carries batch by batch. */
import { concatBytes } from '../src/base/bytes.ts';
import { PARCEL_BYTES_MAX } from '../src/ports/engine.ts';
import type { Engine } from '../src/ports/engine.ts';

/** All parcels with these chunks of `source`, for a store that has none of the bases. */
export async function parcelsOf(source: Engine, digests: Uint8Array): Promise<Uint8Array> {
  const transfer = await source.openTransfer(digests);
  const batches: Uint8Array[] = [];
  for (;;) {
    const batch = await transfer.read({ bytesMax: PARCEL_BYTES_MAX });
    if (batch === undefined) return concatBytes(batches);
    batches.push(batch.parcels);
  }
}
