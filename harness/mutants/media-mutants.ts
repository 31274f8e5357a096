/** Bugs in what is done with tapes and pools, planted to see that the media suite finds them. */
import type { Catalog, PoolRow } from '../../src/ports/catalog.ts';
import { decorate } from '../../src/base/decorate.ts';
import type { Sabotage } from '../world/simulated-server.ts';
import type { Mutant } from './mutant.ts';

/** The methods named do nothing. */
function skip<Port extends object>(port: Port, ...skipped: readonly string[]): Port {
  return decorate(port, async (method, go) => (skipped.includes(method) ? undefined : go()));
}

/** After the method, something that should not be done is done; `name` is the first parameter. */
function spoil(
  catalog: Catalog,
  method: string,
  undo: (parameters: readonly unknown[]) => Promise<unknown>,
): Catalog {
  return decorate(catalog, async (called, go, parameters) => {
    const value = await go();
    if (called === method) await undo(parameters);
    return value;
  });
}

const BUGS: readonly (Sabotage & Omit<Mutant, 'sabotage'>)[] = [
  {
    name: 'no-intent',
    what: 'no process lock says what is being done',
    catalog: (catalog) => skip(catalog, 'takeLock'),
  },
  {
    name: 'lock-kept',
    what: 'the lock of what has ended stays',
    catalog: (catalog) => skip(catalog, 'releaseLock'),
  },
  {
    name: 'moved-unsynced',
    what: 'what is staged is not synced before the row changes',
    engine: (engine) => skip(engine, 'sync'),
  },
  {
    name: 'image-left',
    what: "a tape's image is not removed where it was",
    engine: (engine) =>
      decorate(engine, async (method, go, [image]) =>
        method === 'removeImage' && !String(image).includes('.') ? undefined : go(),
      ),
  },
  {
    name: 'staged-left',
    what: 'what was staged for a change that was broken off is not removed',
    engine: (engine) =>
      decorate(engine, async (method, go, [image]) =>
        method === 'removeImage' && String(image).endsWith('.MOVING') ? undefined : go(),
      ),
  },
  {
    name: 'rename-unlocks',
    what: 'a rename loses the lock of a user',
    catalog: (catalog) =>
      spoil(catalog, 'renameTape', ([, newName]) =>
        catalog.updateTape(String(newName), { userLocked: false }),
      ),
  },
  {
    name: 'move-unlocks',
    what: "a move loses an autoloader's lock",
    catalog: (catalog) =>
      spoil(catalog, 'moveTape', ([name]) =>
        catalog.updateTape(String(name), { autoloadLocked: false }),
      ),
  },
  {
    name: 'pool-lock-unseen',
    what: "a pool's lock is not seen",
    catalog: (catalog) =>
      decorate(catalog, async (method, go) => {
        const value = await go();
        if (method !== 'listPools') return value;
        return (value as readonly PoolRow[]).map((row) => ({ ...row, locked: false }));
      }),
  },
  {
    name: 'erasure-unsaid',
    what: 'an erasure does not leave its time',
    catalog: (catalog) =>
      spoil(catalog, 'recordErase', ([row]) =>
        catalog.updateTape((row as { readonly tape: string }).tape, { erasedAtMs: undefined }),
      ),
  },
  {
    name: 'pool-move-unlocks',
    what: 'a pool that is moved unlocks itself',
    catalog: (catalog) =>
      spoil(catalog, 'movePool', ([name]) => catalog.updatePool(String(name), { locked: false })),
  },
];

export const MEDIA_MUTANTS: readonly Mutant[] = BUGS.map(({ name, what, ...sabotage }) => ({
  name,
  what,
  sabotage: { east: sabotage },
}));
