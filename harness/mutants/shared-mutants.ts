/** Bugs of shared vaults that are planted on purpose. */
import type { Catalog, TapeRow } from '../../src/ports/catalog.ts';
import type { VaultChanges } from '../../src/ports/catalog-shared.ts';
import type { Engine, TapeImage } from '../../src/ports/engine.ts';
import { generation } from '../../src/base/units.ts';
import { decorate } from '../../src/base/decorate.ts';
import type { Sabotage } from '../world/simulated-server.ts';
import { asking } from './decorators.ts';
import type { Mutant } from './mutant.ts';

const LEDGER = 'SHARED-LEDGER';

/** Syncs of the images that `isMeant` are acknowledged and not done. */
const withoutSyncOf =
  (isMeant: (name: string) => boolean) =>
  (engine: Engine): Engine =>
    decorate(engine, async (method, call, [name]) => {
      const value = await call();
      if (method !== 'openImage' || !isMeant(String(name))) return value;
      return decorate(value as TapeImage, async (imageMethod, imageCall) =>
        imageMethod === 'sync' ? undefined : imageCall(),
      );
    });

/** A method of the catalog does nothing where `isMeant`. */
const without =
  (name: keyof Catalog, isMeant: (parameters: readonly unknown[]) => boolean) =>
  (catalog: Catalog): Catalog =>
    decorate(catalog, async (method, call, parameters) =>
      method === name && isMeant(parameters) ? undefined : call(),
    );

const isMountLock = (process: unknown): boolean => String(process).startsWith('mount on ');

/** Whoever of the two has the bug, and keeps the vault or is its guest. */
const both = (sabotage: Sabotage): Mutant['sabotage'] => ({ east: sabotage, west: sabotage });

export const SHARED_MUTANTS: readonly Mutant[] = [
  {
    name: 'shared-lock-ignored',
    what: 'a server opens the store that another has open',
    sabotage: both({ ignoresStoreLock: true }),
  },
  {
    name: 'shared-ledger-unsynced',
    what: 'the ledger is acknowledged and not synced',
    sabotage: both({ engine: withoutSyncOf((name) => name === LEDGER) }),
  },
  {
    name: 'shared-tape-unsynced',
    what: 'the keeper acknowledges blocks that it has not synced',
    sabotage: both({ engine: withoutSyncOf((name) => name.startsWith('LAB')) }),
  },
  {
    name: 'shared-lock-left',
    what: 'the lock of a mount stays when the mount has ended',
    sabotage: both({
      catalog: without('releaseLock', ([, process]) => isMountLock(process)),
    }),
  },
  {
    name: 'shared-lock-untaken',
    what: 'a mount takes no lock',
    sabotage: both({
      catalog: without('takeLock', ([lock]) => isMountLock((lock as { process: string }).process)),
    }),
  },
  {
    name: 'shared-deletion-unheard',
    what: 'a guest keeps the tapes that its keeper has deleted',
    sabotage: both({
      catalog: asking('applyVaultChanges', ([vault, changes]) => [
        vault,
        { ...(changes as VaultChanges), goneTapes: [] },
      ]),
    }),
  },
  {
    name: 'shared-generation-behind',
    what: 'the row of a tape that a guest wrote stays one generation behind',
    sabotage: both({
      catalog: asking('recordContent', ([tape, row]) => {
        const { generation: now } = tape as TapeRow;
        const behind = { generation: generation(Math.max(0, now - 1)) };
        return [
          { ...(tape as TapeRow), ...behind },
          { ...(row as object), ...behind },
        ];
      }),
    }),
  },
  {
    name: 'shared-locks-unheard',
    what: 'a guest does not record the locks that its keeper tells of',
    sabotage: both({
      catalog: asking('applyVaultChanges', ([vault, changes]) => {
        const { locks: _, ...rest } = changes as VaultChanges;
        return [vault, rest];
      }),
    }),
  },
];
