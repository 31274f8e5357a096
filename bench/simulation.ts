/**
 * `npm run bench -- simulation`: how many cases of each scenario a core runs in a second, and how much
 * simulated time that is.
 *
 * Counted is the processor time of the whole process, its collector of garbage and its compilers too, so
 * that what else the machine does counts little. Repetitions go through all scenarios in turn.
 */
import { Command, InvalidArgumentError } from 'commander';
import { newNativeVault as newVault } from '../harness/rig/native-vault.ts';
import { search } from '../harness/replay/search.ts';
import { SCENARIOS } from '../harness/scenarios/registry.ts';
import type { Scenario } from '../harness/scenarios/scenario.ts';
import { SECOND_MS } from '../src/base/units.ts';
import { formatTable } from '../src/cli/text.ts';
import { circumstances, circumstancesText } from './store/record.ts';

const YEAR_MS = 365 * 24 * 3600 * SECOND_MS;
const MINUTE_S = 60;
/** Cases between two looks at the clock; a search of a year looks after each. */
const BLOCK_RUNS = 10;
const YEAR_SCENARIO = 'dr-year';

/** What issue 4 asks for. */
const GOALS: Readonly<Record<string, { readonly runs?: number; readonly years?: number }>> = {
  autocopy: { runs: 300 },
  [YEAR_SCENARIO]: { years: 10 },
};

interface Options {
  readonly only?: readonly string[];
  readonly seconds: number;
  readonly repetitions: number;
  readonly seed: number;
}

interface Sample {
  readonly runCount: number;
  readonly virtualMs: number;
  /** Of user and system together. */
  readonly processorS: number;
}

interface Row {
  readonly scenario: string;
  /** In the order of {@link Sample.runCount} a second. */
  readonly samples: readonly Sample[];
}

function positiveInteger(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('A number from 1.');
  return value;
}

function parseOptions(): Options {
  const names = SCENARIOS.map(({ name }) => name);
  return new Command('npm run bench -- simulation')
    .description('Measures how fast the scenarios of the simulated world run, on one core.')
    .option('--only <scenarios>', `of ${names.join(', ')}`, (text) => {
      const unknown = text.split(',').find((name) => !names.includes(name));
      if (unknown === undefined) return text.split(',');
      throw new InvalidArgumentError(`There is no scenario ${unknown}.`);
    })
    .option('--seconds <n>', 'processor time of a sample, at least', positiveInteger, 5)
    .option('--repetitions <n>', 'samples of each scenario', positiveInteger, 3)
    .option('--seed <n>', 'where the cases come from', positiveInteger, 1)
    .parse()
    .opts<Options>();
}

function processorS(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** Runs cases for `seconds` of processor time; the same cases at each call, as far as it comes. */
async function sample(scenario: Scenario, seed: number, seconds: number): Promise<Sample> {
  const runs = scenario.name === YEAR_SCENARIO ? 1 : BLOCK_RUNS;
  const startS = processorS();
  let [runCount, virtualMs] = [0, 0];
  while (processorS() - startS < seconds) {
    const result = await search({ scenario, seed: seed + runCount, runs, newVault });
    if (result.failure !== undefined) throw new Error(`${scenario.name}: ${result.failure.token}`);
    runCount += result.runCount;
    virtualMs += result.virtualMs;
  }
  return { runCount, virtualMs, processorS: processorS() - startS };
}

const runsASecond = ({ runCount, processorS: seconds }: Sample): number => runCount / seconds;
const yearsAMinute = ({ virtualMs, processorS: seconds }: Sample): number =>
  (virtualMs / YEAR_MS / seconds) * MINUTE_S;

/** The middle one, in the order of the samples. */
function median({ samples }: Row, pick: (sample: Sample) => number): number {
  const values = samples.map(pick).toSorted((left, right) => left - right);
  return values[values.length >> 1] ?? Number.NaN;
}

/** `≥ 300 runs: MISSED`; nothing where there is no goal. */
function outcome(row: Row): string {
  const goal = GOALS[row.scenario];
  const lines = [
    [goal?.runs, median(row, runsASecond), 'runs'],
    [goal?.years, median(row, yearsAMinute), 'years'],
  ] as const;
  return lines
    .flatMap(([least, value, what]) =>
      least === undefined ? [] : [`≥ ${least} ${what}: ${value >= least ? 'met' : 'MISSED'}`],
    )
    .join('; ');
}

function table(rows: readonly Row[]): string {
  const hours = (row: Row): number =>
    median(row, ({ virtualMs, runCount }) => virtualMs / runCount / (3600 * SECOND_MS));
  return formatTable<Row>(
    [
      { title: 'scenario', value: ({ scenario }) => scenario },
      { title: 'cases/s', align: 'right', value: (row) => median(row, runsASecond).toFixed(1) },
      {
        title: 'simulated hours a case',
        align: 'right',
        value: (row) => hours(row).toFixed(1),
      },
      {
        title: 'simulated years a minute',
        align: 'right',
        value: (row) => median(row, yearsAMinute).toFixed(2),
      },
      { title: 'goal', value: outcome },
    ],
    rows,
  );
}

const { only, seconds, repetitions, seed } = parseOptions();
const scenarios = SCENARIOS.filter(({ name }) => only === undefined || only.includes(name));
const run = circumstances(import.meta.dirname, [], repetitions);
const samples = new Map(scenarios.map(({ name }) => [name, [] as Sample[]]));
// What the compiler has not seen yet is slow, and none of a search's business.
for (const scenario of scenarios) await sample(scenario, seed, 1);
for (let repetition = 0; repetition < repetitions; repetition += 1) {
  for (const scenario of scenarios) {
    samples.get(scenario.name)?.push(await sample(scenario, seed, seconds));
  }
}
const rows = [...samples].map(([scenario, of]) => ({ scenario, samples: of }));
console.log(`${circumstancesText(run)}\n`);
console.log(table(rows));
