/**
 * Gives back the memory of buffers soon after they were used.
 *
 * V8 sees a buffer's few bytes of object, not the memory behind it: its collections of what is young come too
 * seldom to free that, and after some tens of MiB it walks the whole heap instead. Where hundreds of MiB
 * a second go through in buffers that live for a millisecond, that was half of all processor time (measured;
 * docs/performance.md). So the collection of what is young, a millisecond's work, is asked for in time.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { MIB } from '../base/units.ts';

/** Buffers of so many bytes are let go of between two collections. */
const INTERVAL_BYTES = 16 * MIB;

type Collect = (options: { readonly type: 'minor' }) => void;

let bytesSince = 0;
let collect: Collect | undefined;

/** Buffers of `bytes` have been used and will be let go of. */
export function noteBuffers(bytes: number): void {
  bytesSince += bytes;
  if (bytesSince < INTERVAL_BYTES) return;
  bytesSince = 0;
  collect ??= collector();
  collect({ type: 'minor' });
}

/** V8's own `gc`, which no program sees unless it is asked for. */
function collector(): Collect {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as Collect;
  setFlagsFromString('--no-expose-gc');
  return gc;
}
