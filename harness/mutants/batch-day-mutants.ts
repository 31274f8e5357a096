/** Bugs of a batch day that are planted on purpose. */
import type { Catalog, CopyJobRow, DismountRecord } from '../../src/ports/catalog.ts';
import { decorate } from '../../src/base/decorate.ts';
import { asking } from './decorators.ts';
import type { Mutant } from './mutant.ts';

/** What a dismount owes is forgotten while another tape is mounted. */
function forgettingBesideOthers(catalog: Catalog): Catalog {
  return decorate(catalog, async (method, call, [record]) => {
    if (method !== 'recordDismount') return call();
    const open = await catalog.listMounts({ open: true });
    if (open.length < 2) return call();
    return catalog.recordDismount({ ...(record as DismountRecord), queueRuleIds: [] });
  });
}

const jobsPut = (change: (job: CopyJobRow) => CopyJobRow): Mutant['sabotage'] => ({
  east: {
    catalog: asking('putCopyJob', ([job, ...rest]) => [change(job as CopyJobRow), ...rest]),
  },
});

export const BATCH_DAY_MUTANTS: readonly Mutant[] = [
  {
    name: 'day-copy-forgotten',
    what: 'a tape is not copied where another was mounted at its dismount',
    sabotage: { east: { catalog: forgettingBesideOthers } },
  },
  {
    name: 'day-attempts-uncounted',
    what: 'attempts of a copy are counted no further than the first',
    sabotage: jobsPut((job) => ({ ...job, attempts: Math.min(job.attempts, 1) })),
  },
  {
    name: 'day-retry-early',
    what: 'a copy is tried again after four minutes',
    sabotage: jobsPut((job) =>
      job.attempts === 0 ? job : { ...job, nextAttemptAtMs: job.nextAttemptAtMs - 60_000 },
    ),
  },
];
