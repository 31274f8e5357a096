/** Bugs of Instant DR that are planted on purpose: decorators of a server's ports, or settings. */
import { generation } from '../../src/base/units.ts';
import type { Catalog, TapeRow } from '../../src/ports/catalog.ts';
import type { IdrRunRow, IdrSchemeRow } from '../../src/ports/catalog-instant-dr.ts';
import { decorate } from '../../src/base/decorate.ts';
import type { Sabotage } from '../world/simulated-server.ts';
import { withoutRename, withoutSync } from './copy-mutants.ts';
import type { Mutant } from './mutant.ts';

type RecordResults = Parameters<Catalog['recordIdrResults']>[0];
type Method = keyof Catalog;

/** A catalog one of whose methods is given other parameters. */
const asking =
  (name: Method, change: (parameters: readonly unknown[]) => readonly unknown[]) =>
  (catalog: Catalog): Catalog =>
    decorate(catalog, async (method, call, parameters) => {
      if (method !== name) return call();
      const member = catalog[name] as (...each: readonly unknown[]) => Promise<unknown>;
      return member(...change(parameters));
    });

/** A catalog one of whose methods answers something else. */
const answering =
  (name: Method, change: (value: unknown) => unknown) =>
  (catalog: Catalog): Catalog =>
    decorate(catalog, async (method, call) => {
      const value = await call();
      return method === name ? change(value) : value;
    });

const both = (sabotage: Sabotage): Mutant['sabotage'] => ({ east: sabotage, west: sabotage });

/** The role of a scheme is recorded as another. */
const rolesRecorded = (change: (role: IdrSchemeRow['role']) => IdrSchemeRow['role']): Sabotage => ({
  catalog: asking('putIdrScheme', ([scheme, event]) => {
    const row = scheme as IdrSchemeRow;
    return [{ ...row, role: change(row.role) }, event];
  }),
});

/** A run that goes is ended to make room for the next. */
function withoutExclusion(catalog: Catalog): Catalog {
  return decorate(catalog, async (method, call) => {
    if (method === 'createIdrRun') {
      for (const run of await catalog.listIdrRuns({ running: true, limit: 9 })) {
        await catalog.putIdrRun({ ...run, state: 'done' });
      }
    }
    return call();
  });
}

export const DR_MUTANTS: readonly Mutant[] = [
  {
    name: 'dr-eleven-attempts',
    what: 'a run gives up after eleven attempts',
    sabotage: both({ settings: { copyPolicy: { attemptsMax: 11 } } }),
  },
  {
    name: 'dr-no-fsync',
    what: 'a copy is acknowledged that is not synced',
    sabotage: { west: { engine: withoutSync } },
  },
  {
    name: 'dr-no-rename',
    what: 'a copy is written in place instead of renamed over the tape',
    sabotage: both({ engine: withoutRename }),
  },
  {
    name: 'dr-run-forgotten',
    what: 'a run that a crash broke off is not gone on with',
    sabotage: both({
      catalog: (catalog, startedAtMs) =>
        answering('listIdrRuns', (runs) =>
          (runs as readonly IdrRunRow[]).filter((run) => run.startedAtMs >= startedAtMs),
        )(catalog),
    }),
  },
  {
    name: 'dr-results-forgotten',
    what: 'a run that goes on looks at every tape anew',
    sabotage: both({ catalog: answering('listIdrResults', () => []) }),
  },
  {
    name: 'dr-occurrence-unanswered',
    what: 'the schedule forgets that it was answered, and starts the next run at once',
    sabotage: both({ catalog: asking('createIdrRun', ([run, event]) => [run, event]) }),
  },
  {
    name: 'dr-zone-ignored',
    what: 'schedules go by another time zone than theirs',
    sabotage: both({
      catalog: answering('listIdrSchemes', (schemes) =>
        (schemes as readonly IdrSchemeRow[]).map((row) => ({ ...row, timeZone: 'Asia/Kolkata' })),
      ),
    }),
  },
  {
    name: 'dr-generation-behind',
    what: 'a tape is offered under the generation before its own',
    sabotage: both({
      catalog: answering('findTape', (row) => {
        const tape = row as TapeRow | undefined;
        if (tape === undefined || tape.generation < 2) return tape;
        return { ...tape, generation: generation(tape.generation - 1) };
      }),
    }),
  },
  {
    name: 'dr-history-lost',
    what: 'the target knows only its newest generation of a tape',
    sabotage: both({ catalog: answering('findGeneration', () => undefined) }),
  },
  {
    name: 'dr-role-kept',
    what: 'who has handed the role over stays the source',
    sabotage: both(rolesRecorded((role) => (role === 'standby' ? 'source' : role))),
  },
  {
    name: 'dr-role-dropped',
    what: 'who takes the role over does not record it',
    sabotage: { west: rolesRecorded((role) => (role === 'source' ? 'standby' : role)) },
  },
  {
    name: 'dr-results-gilded',
    what: 'a tape that failed or was skipped is recorded as copied',
    sabotage: both({
      catalog: asking('recordIdrResults', ([record]) => {
        const { results, ...rest } = record as RecordResults;
        const gilded = results.map((each) =>
          each.outcome === 'failed' || each.outcome === 'skipped'
            ? { ...each, outcome: 'copied' as const, generation: generation(99) }
            : each,
        );
        return [{ ...rest, results: gilded }];
      }),
    }),
  },
  {
    name: 'dr-lost-line-done',
    what: 'a run that lost the line is recorded as done',
    sabotage: both({
      catalog: asking('putIdrRun', ([run, event]) => {
        const row = run as IdrRunRow;
        return [
          row.attempts > 0 && row.state === 'running' ? { ...row, state: 'done' } : row,
          event,
        ];
      }),
    }),
  },
  {
    name: 'dr-overlap',
    what: 'a run starts while another of the scheme goes',
    sabotage: both({ catalog: withoutExclusion }),
  },
];
