/** The system's random number generator, fit for secrets. */
import { randomBytes } from 'node:crypto';
import type { Random } from '../ports/random.ts';

export const systemRandom: Random = {
  bytes: (count) => new Uint8Array(randomBytes(count)),
};
