/** Bugs of a year of Instant DR that are planted on purpose. */
import type { Catalog } from '../../src/ports/catalog.ts';
import type { IdrSchemeRow } from '../../src/ports/catalog-instant-dr.ts';
import { answering, engineDoing } from './decorators.ts';
import type { Mutant } from './mutant.ts';

/** A zone with the same time in winter, or none, and no daylight saving. */
const WITHOUT_DAYLIGHT_SAVING: Readonly<Record<string, string>> = {
  'Europe/Berlin': 'Africa/Algiers',
  'America/New_York': 'America/Panama',
  'America/St_Johns': 'America/Panama',
  'America/Santiago': 'America/Caracas',
  'Australia/Lord_Howe': 'Pacific/Noumea',
  'Pacific/Chatham': 'Pacific/Tarawa',
  'Africa/Cairo': 'Africa/Tripoli',
};

const schemesRead =
  (change: (row: IdrSchemeRow, startedAtMs: number) => IdrSchemeRow) =>
  (catalog: Catalog, startedAtMs: number): Catalog =>
    answering('listIdrSchemes', (rows) =>
      (rows as readonly IdrSchemeRow[]).map((row) => change(row, startedAtMs)),
    )(catalog);

export const DR_YEAR_MUTANTS: readonly Mutant[] = [
  {
    name: 'year-winter-time',
    what: 'schedules know no daylight saving',
    sabotage: {
      east: {
        catalog: schemesRead((row) => ({
          ...row,
          timeZone: WITHOUT_DAYLIGHT_SAVING[row.timeZone] ?? row.timeZone,
        })),
      },
    },
  },
  {
    name: 'year-nothing-made-up',
    what: 'a run that was missed while the server was down is not made up',
    sabotage: {
      east: {
        catalog: schemesRead((row, startedAtMs) => ({
          ...row,
          answeredAtMs: Math.max(row.answeredAtMs, startedAtMs),
        })),
      },
    },
  },
  {
    name: 'year-unpublished',
    what: 'each fiftieth copy is acknowledged and not put in place',
    sabotage: {
      west: {
        engine: engineDoing('publishImage', async (call, before) =>
          before % 50 === 49 ? undefined : call(),
        ),
      },
    },
  },
];
