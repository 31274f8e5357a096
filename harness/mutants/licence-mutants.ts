/** Bugs in what is kept of licences, planted to see that the scenario of licences finds them. */
import { decorate } from '../../src/base/decorate.ts';
import type { Mutant } from './mutant.ts';

export const LICENCE_MUTANTS: readonly Mutant[] = [
  {
    name: 'licence-not-kept',
    what: 'a licence is taken, and not kept',
    sabotage: {
      east: {
        catalog: (catalog) =>
          decorate(catalog, async (method, call) => (method === 'putLicence' ? undefined : call())),
      },
    },
  },
];
