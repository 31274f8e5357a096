/** Bugs in mounts and in what is heard of hosts, planted to see that the scenarios of mounts find them. */
import type { Catalog, MountRequestRow, MountRow } from '../../src/ports/catalog.ts';
import { decorate } from '../../src/base/decorate.ts';
import type { Mutant } from './mutant.ts';

/** A method of the catalog does something else. */
const instead = <Method extends keyof Catalog>(
  method: Method,
  change: (
    value: () => Promise<Awaited<ReturnType<Catalog[Method]>>>,
  ) => Promise<Awaited<ReturnType<Catalog[Method]>>>,
): Mutant['sabotage'] => ({
  east: {
    catalog: (catalog) =>
      decorate(catalog, (called, call) =>
        called === method
          ? change(call as () => Promise<Awaited<ReturnType<Catalog[Method]>>>)
          : call(),
      ),
  },
});

const nothing = (): Promise<void> => Promise.resolve();

export const MOUNT_MUTANTS: readonly Mutant[] = [
  {
    name: 'queue-not-kept',
    what: 'a request that has to wait is not kept',
    sabotage: instead('putMountRequest', nothing),
  },
  {
    name: 'position-not-kept',
    what: 'how far the host was heard is forgotten at a restart',
    sabotage: instead('findEmsPosition', () => Promise.resolve(undefined)),
  },
  {
    name: 'ends-ignored',
    what: 'a request that the host ends goes on waiting',
    sabotage: instead('deleteMountRequest', nothing),
  },
  {
    name: 'ring-for-all',
    what: 'a request that had to wait is answered with a ring',
    sabotage: instead('listMountRequests', async (call) =>
      (await call()).map((row): MountRequestRow => ({ ...row, ring: true })),
    ),
  },
  {
    name: 'device-ignored',
    what: 'a request that had to wait is answered on any device',
    sabotage: instead('listMountRequests', async (call) =>
      (await call()).map((row): MountRequestRow => ({ ...row, device: undefined })),
    ),
  },
  {
    name: 'always-accepted',
    what: 'a restart takes every mount for one that the host has had',
    sabotage: instead('isMountAccepted', () => Promise.resolve(true)),
  },
  {
    name: 'never-accepted',
    what: 'a restart repeats a mount that the host has had',
    sabotage: instead('isMountAccepted', () => Promise.resolve(false)),
  },
  {
    name: 'last-request-lost',
    what: 'of several waiting requests the last is overlooked',
    sabotage: instead('listMountRequests', async (call) => {
      const rows = await call();
      return rows.length > 1 ? rows.slice(0, -1) : rows;
    }),
  },
  {
    name: 'dismount-unseen',
    what: 'a mount that has ended is taken for an open one',
    sabotage: {
      east: {
        catalog: (catalog) => {
          const seen = new Map<string, MountRow>();
          return decorate(catalog, async (method, call) => {
            const value = await call();
            if (method !== 'listMounts') return value;
            for (const row of value as readonly MountRow[]) seen.set(row.tape, row);
            return [...seen.values()];
          });
        },
      },
    },
  },
];
