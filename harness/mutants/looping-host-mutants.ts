/** Bugs of a server with a mad host that are planted on purpose. */
import type { MountRequestRow } from '../../src/ports/catalog.ts';
import { WAITING_MAX } from '../workload/looping-host.ts';
import { answering } from './decorators.ts';
import type { Mutant } from './mutant.ts';

/** A catalog that tells of so many waiting requests and no more. */
const tellingOf = (countMax: number): Mutant['sabotage'] => ({
  east: {
    catalog: answering('listMountRequests', (rows) =>
      (rows as readonly MountRequestRow[]).slice(0, countMax),
    ),
  },
});

export const LOOPING_HOST_MUTANTS: readonly Mutant[] = [
  {
    name: 'loop-unbounded',
    what: "a host's waiting requests have no limit",
    sabotage: { east: { settings: { requestsPerHostMax: 100_000 } } },
  },
  {
    name: 'loop-crowds-out',
    what: 'behind as many requests as one host may have, no other is looked at',
    sabotage: tellingOf(WAITING_MAX),
  },
];
