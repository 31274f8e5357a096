/** Bugs planted on purpose in migration, VTSPolicy and Scan/Cleanup: decorators of a server's ports. */
import type { Catalog, PoolRow, TapeRow } from '../../src/ports/catalog.ts';
import type { CleanupMarkRow, MigrationRow, PolicyRunRow } from '../../src/ports/catalog-policy.ts';
import type { Engine } from '../../src/ports/engine.ts';
import type { Network } from '../../src/ports/network.ts';
import type { Processes } from '../../src/ports/processes.ts';
import { decorate } from '../../src/base/decorate.ts';
import type { Around } from '../../src/base/decorate.ts';
import type { Sabotage } from '../world/simulated-server.ts';
import type { Mutant } from './mutant.ts';

/** A catalog whose method gives something else than it should. */
function lying(
  method: keyof Catalog,
  lie: (value: never, catalog: Catalog) => unknown,
): (catalog: Catalog) => Catalog {
  return (catalog) =>
    decorate(catalog, async (called, call) => {
      const value = await call();
      return called === method ? lie(value as never, catalog) : value;
    });
}

/** A catalog that does not do what it says that it did. */
function deaf(method: keyof Catalog, answer: Around): (catalog: Catalog) => Catalog {
  return (catalog) =>
    decorate(catalog, (called, call, parameters) =>
      called === method ? answer(called, call, parameters) : call(),
    );
}

/** Every tape is said to be at a migrated generation. */
async function allMigrated(
  rows: readonly MigrationRow[],
  catalog: Catalog,
  onlyKnown: boolean,
): Promise<readonly MigrationRow[]> {
  const tapes = await catalog.listTapes();
  return tapes.flatMap(({ name, generation }) => {
    const row = rows.find((each) => each.tape === name);
    if (row === undefined && onlyKnown) return [];
    return [{ tape: name, atMs: 0, application: 'TSM', keepMs: undefined, ...row, generation }];
  });
}

/** The server reads other bytes than the host wrote; ASCII of the same length. */
function rewriting(from: string, to: string): (network: Network) => Network {
  const rewrite = (bytes: Uint8Array): Uint8Array => {
    const text = [...bytes].map((byte) => String.fromCharCode(byte)).join('');
    return Uint8Array.from(text.replaceAll(from, to), (character) => character.charCodeAt(0));
  };
  return (network) => ({
    listen: (endpoint, onConnection) => network.listen(endpoint, onConnection),
    connect: async (endpoint) => {
      const stream = await network.connect(endpoint);
      return new Proxy(stream, {
        get(target, property): unknown {
          if (property === 'read') {
            return async () => {
              const bytes = await target.read();
              return bytes === undefined ? undefined : rewrite(bytes);
            };
          }
          const member: unknown = Reflect.get(target, property);
          return typeof member === 'function' ? member.bind(target) : member;
        },
      });
    },
  });
}

function believing(processes: Processes): Processes {
  return {
    run: (call) => {
      const running = processes.run(call);
      return {
        end: () => running.end(),
        outcome: running.outcome.then(() => ({ kind: 'exited', exitCode: 0, output: '' })),
      };
    },
  };
}

/** The erase's image takes the tape's place only in what the engine says. */
function withoutErase(engine: Engine): Engine {
  return decorate(engine, async (method, call, [from, to]) => {
    const isErase = method === 'publishImage' && String(from) !== String(to);
    if (!isErase) return call();
    return engine.removeImage(String(from));
  });
}

const BUGS: readonly (Omit<Mutant, 'sabotage'> & { readonly sabotage: Sabotage })[] = [
  {
    name: 'unmigrated-erased',
    what: 'a tape that was never migrated counts as migrated',
    sabotage: {
      catalog: lying('listMigrations', (rows: MigrationRow[], catalog) =>
        allMigrated(rows, catalog, false),
      ),
    },
  },
  {
    name: 'stale-migration',
    what: 'a migration counts for what was written after it',
    sabotage: {
      catalog: lying('listMigrations', (rows: MigrationRow[], catalog) =>
        allMigrated(rows, catalog, true),
      ),
    },
  },
  {
    name: 'tape-lock-ignored',
    what: "a user's lock on a tape is not seen",
    sabotage: {
      catalog: (catalog) =>
        lying('listTapes', (rows: TapeRow[]) => rows.map((row) => ({ ...row, userLocked: false })))(
          lying(
            'findTape',
            (row: TapeRow | undefined) => row && { ...row, userLocked: false },
          )(catalog),
        ),
    },
  },
  {
    name: 'pool-lock-ignored',
    what: 'a lock on a pool is not seen',
    sabotage: {
      catalog: lying('listPools', (rows: PoolRow[]) =>
        rows.map((row) => ({ ...row, locked: false })),
      ),
    },
  },
  {
    name: 'process-lock-lost',
    what: 'the lock of a migration under way is not taken',
    sabotage: { catalog: deaf('takeLock', async () => undefined) },
  },
  {
    name: 'lock-left-behind',
    what: 'the lock of a migration stays when it has ended',
    sabotage: { catalog: deaf('releaseLock', async () => true) },
  },
  {
    name: 'reset-forgotten',
    what: 'Reset takes no decision back',
    sabotage: { catalog: deaf('deleteCleanupMarks', async () => 1) },
  },
  {
    name: 'forbidden-erased',
    what: 'what a user forbids is not heeded',
    sabotage: {
      catalog: lying('listCleanupMarks', (rows: CleanupMarkRow[]) =>
        rows.filter(({ decision }) => decision === 'erase'),
      ),
    },
  },
  {
    name: 'half-retention',
    what: 'a retention ends when half of it is over',
    sabotage: {
      catalog: lying('listPools', (rows: PoolRow[]) =>
        rows.map((row) => ({
          ...row,
          retentionMs: row.retentionMs === undefined ? undefined : row.retentionMs / 2,
        })),
      ),
    },
  },
  {
    name: 'disk-said-full',
    what: 'the usage of the disk is taken for that of the share that is free',
    sabotage: {
      fileSystems: (fileSystems) => ({
        usage: async (path) => {
          const { id, totalBytes, freeBytes } = await fileSystems.usage(path);
          return { id, totalBytes, freeBytes: totalBytes - freeBytes };
        },
      }),
    },
  },
  {
    name: 'exit-code-ignored',
    what: 'a client counts as done whatever it ends with',
    sabotage: { processes: believing },
  },
  {
    name: 'no-time-out',
    what: 'a client that hangs is waited for without an end',
    sabotage: {
      processes: (processes) => ({
        run: (call) => processes.run({ ...call, timeoutMs: 365 * 86_400_000 }),
      }),
    },
  },
  {
    name: 'event-twice',
    what: 'an event that is heard again is carried out again',
    sabotage: {
      catalog: (catalog) =>
        deaf('beginPolicyRun', (_, __, [run]) => {
          const given = run as PolicyRunRow;
          return catalog.beginPolicyRun({ ...given, localTimeMs: given.startedAtMs });
        })(catalog),
    },
  },
  {
    name: 'cut-carried-out',
    what: 'it is not known that a WRITE to $0 may be cut',
    sabotage: { network: rewriting(' 000512 ', ' 000513 ') },
  },
  {
    name: 'source-ignored',
    what: 'commands for another server are carried out',
    sabotage: { network: rewriting('s=west', 's=east') },
  },
  {
    name: 'interrupted-forgotten',
    what: 'a command that a crash broke off runs for ever',
    sabotage: {
      catalog: lying('listPolicyRuns', (rows: PolicyRunRow[]) =>
        rows.filter(({ state }) => state !== 'running'),
      ),
    },
  },
  {
    name: 'list-line-lost',
    what: 'an erase that a crash broke off is not written in the list',
    sabotage: { catalog: lying('listErasures', () => []) },
  },
  {
    name: 'list-line-twice',
    what: 'a list is not read before a missing line is added',
    sabotage: {
      logFiles: (logFiles) => ({
        append: (name, text) => logFiles.append(name, text),
        read: async () => undefined,
      }),
    },
  },
  {
    name: 'erase-in-name-only',
    what: 'the catalog says erased and the data are there',
    sabotage: { engine: withoutErase },
  },
];

export const POLICY_MUTANTS: readonly Mutant[] = BUGS.map(({ sabotage, ...bug }) => ({
  ...bug,
  sabotage: { east: sabotage },
}));
