/** Bugs of a disaster that are planted on purpose. */
import { generation } from '../../src/base/units.ts';
import type { TapeRow } from '../../src/ports/catalog.ts';
import { answering, engineDoing } from './decorators.ts';
import type { Mutant } from './mutant.ts';

/** An hour after the world began: who starts later has been down. */
const BACK_SINCE_MS = 1_767_225_600_000 + 3_600_000;

export const DISASTER_MUTANTS: readonly Mutant[] = [
  {
    name: 'disaster-unpublished',
    what: 'each third copy is acknowledged by the other side and not put in place',
    sabotage: {
      west: {
        engine: engineDoing('publishImage', async (call, before) =>
          before % 3 === 2 ? undefined : call(),
        ),
      },
    },
  },
  {
    name: 'disaster-comes-back-empty',
    what: 'a server that comes back takes its tapes for never written',
    sabotage: {
      east: {
        catalog: (catalog, startedAtMs) =>
          startedAtMs < BACK_SINCE_MS
            ? catalog
            : answering('findTape', (row) =>
                row === undefined ? row : { ...(row as TapeRow), generation: generation(0) },
              )(catalog),
      },
    },
  },
];
