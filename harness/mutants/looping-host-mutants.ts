/** Bugs of a server with a mad host that are planted on purpose. */
import type { Catalog, MountRequestRow } from '../../src/ports/catalog.ts';
import { WAITING_MAX } from '../workload/looping-host.ts';
import { decorate } from '../../src/base/decorate.ts';
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

/** With a request that ends, those of other hosts for the same tape are forgotten. */
const forgettingOthers = (catalog: Catalog): Catalog =>
  decorate(catalog, async (method, call, [host, requestNumber]) => {
    if (method !== 'deleteMountRequest') return call();
    const rows = await catalog.listMountRequests();
    const ended = rows.find((row) => row.host === host && row.requestNumber === requestNumber);
    for (const row of rows) {
      if (row.tape !== ended?.tape || row.host === host) continue;
      await catalog.deleteMountRequest(row.host, row.requestNumber);
    }
    return call();
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
  {
    name: 'loop-takes-along',
    what: "with a request that ends, other hosts' for the same tape are forgotten",
    sabotage: { east: { catalog: forgettingOthers } },
  },
];
