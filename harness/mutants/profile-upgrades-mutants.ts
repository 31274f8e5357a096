/** Bugs of upgrades that are planted on purpose. */
import type { TapeRow } from '../../src/ports/catalog.ts';
import { answering } from './decorators.ts';
import type { Mutant } from './mutant.ts';

/** When every world begins. */
const FIRST_START_MS = 1_767_225_600_000;

export const UPGRADES_MUTANTS: readonly Mutant[] = [
  {
    name: 'upgrade-closes',
    what: 'open or closed access follows the version',
    sabotage: { east: { catalog: answering('accessMode', () => undefined) } },
  },
  {
    name: 'upgrade-unlocks',
    what: 'locks of autoloaders are not read by another process than the one that took them',
    sabotage: {
      east: {
        catalog: (catalog, startedAtMs) =>
          startedAtMs === FIRST_START_MS
            ? catalog
            : answering('listTapes', (rows) =>
                (rows as readonly TapeRow[]).map((row) => ({ ...row, autoloadLocked: false })),
              )(catalog),
      },
    },
  },
];
