/** The table of all planted bugs, as docs/reference/planted-bugs.md has it: a line each, found by a search. */
import { SCENARIOS } from '../scenarios/registry.ts';

/** What the bugs of a scenario are in, where none says so of itself. */
const AREAS: Readonly<Record<string, string>> = {
  autocopy: 'AutoCopy',
  'instant-dr': 'Instant DR',
  'dr-year': 'Instant DR',
  mounts: 'mounts',
  'looping-host': 'mounts',
  'troubled-host': 'AutoCopy',
  media: 'vaults and tapes',
  'policy-cleanup': 'VTSPolicy and clean-up',
  licences: 'licences',
  'shared-vault': 'shared vaults',
};

export interface PlantedBug {
  readonly area: string;
  readonly name: string;
  readonly what: string;
  readonly scenario: string;
}

/** What a search for it came to. */
export interface FoundBug extends PlantedBug {
  /** Which case found it, from 1. */
  readonly run: number;
  /** Commands that were left of it. */
  readonly commandCount: number;
  /** With the shrinking. */
  readonly seconds: number;
  readonly broken: string;
}

/** All of them, by area. */
export function plantedBugs(): readonly PlantedBug[] {
  const bugs = SCENARIOS.flatMap(({ name: scenario, mutants }) =>
    mutants.map(({ name, what, area = AREAS[scenario] ?? 'whole data centres' }) => ({
      area,
      name,
      what,
      scenario,
    })),
  );
  const areas = [...new Set(bugs.map(({ area }) => area))];
  return areas.flatMap((area) => bugs.filter((bug) => bug.area === area));
}

/** Most characters of what broke. */
const BROKEN_CHARS_MAX = 160;

const shortened = (text: string): string =>
  text.length > BROKEN_CHARS_MAX ? `${text.slice(0, BROKEN_CHARS_MAX - 4)} ...` : text;

const TABLE_PATTERN = /\| area \| .*\n\| --- .*\n(?<rows>(?:\|.*\n)*)/;
const HEAD =
  '| area | bug | what is wrong | scenario | case | commands | seconds | what broke |\n' +
  '| --- | --- | --- | --- | --- | --- | --- | --- |\n';

/** The lines of a page's table; none where it has no table. */
export function readTable(page: string): readonly FoundBug[] {
  const rows = TABLE_PATTERN.exec(page)?.groups?.['rows'] ?? '';
  return rows
    .split('\n')
    .filter((row) => row !== '')
    .map((row) => {
      const [area = '', name = '', what = '', scenario = '', ...rest] = row
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim().replaceAll('`', ''));
      const [run, commandCount, seconds] = rest.map(Number);
      const numbers = { run: run ?? 0, commandCount: commandCount ?? 0, seconds: seconds ?? 0 };
      return { area, name, what, scenario, ...numbers, broken: rest[3] ?? '' };
    });
}

/** The page with these lines in its table. */
export function withTable(page: string, bugs: readonly FoundBug[]): string {
  const lines = bugs.map((bug) =>
    [
      bug.area,
      `\`${bug.name}\``,
      bug.what,
      `\`${bug.scenario}\``,
      bug.run,
      bug.commandCount,
      bug.seconds.toFixed(1),
      shortened(bug.broken).replaceAll('|', '/'),
    ].join(' | '),
  );
  return page.replace(TABLE_PATTERN, () => HEAD + lines.map((line) => `| ${line} |\n`).join(''));
}
