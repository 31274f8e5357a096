/**
 * `npm run bench -- store`: backups and restores through the product's own path against the goals, the
 * machine's limits and the programs that people would pick instead, on the same data in the same run.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { formatDuration, formatRate } from '../src/cli/text.ts';
import { Data } from './store/data.ts';
import { Figures } from './store/figures.ts';
import { goalRows } from './store/goals.ts';
import type { Sample } from './store/jobs.ts';
import { PEER_NAMES, availablePeers } from './store/peers.ts';
import { circumstances, circumstancesText, readRun, record, runText } from './store/record.ts';
import type { Run } from './store/record.ts';
import { stepsFor } from './store/steps.ts';
import type { Bench } from './store/steps.ts';
import { allTables } from './store/tables.ts';

interface Options {
  readonly repetitions?: number;
  readonly quick?: true;
  readonly only?: readonly string[];
  readonly folder?: string;
  readonly keep?: true;
  readonly record?: true;
  readonly from?: string;
}

function positiveInteger(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('A number from 1.');
  return value;
}

function parseOptions(): Options {
  return new Command('npm run bench -- store')
    .description('Measures the store against its goals; needs 20 GB of disk and a quiet machine.')
    .option('--repetitions <n>', 'how often everything is done; medians count (3)', positiveInteger)
    .option('--quick', 'once, without the second seed, casync and the faster borg')
    .option('--only <steps>', 'these steps only, with commas between', (text) => text.split(','))
    .option(
      '--folder <folder>',
      'for data and stores ($CAPSTAN_BENCH_FOLDER, ~/.cache/capstan/bench)',
    )
    .option('--keep', 'keep the work folder')
    .option('--record', 'write bench/results, docs/performance.md and its charts')
    .option('--from <file>', 'measure nothing: print (and record) the run of this JSON file')
    .parse()
    .opts<Options>();
}

/** Figures that say aloud what they are given. */
class SpokenFigures extends Figures {
  override add(name: string, sample: Sample): void {
    super.add(name, sample);
    const { bytes, wallMs } = sample;
    const found = Object.entries(sample.extra ?? {}).map(([what, value]) => `${what} ${value}`);
    const rate = bytes === undefined ? '' : formatRate(bytes, wallMs);
    console.log(
      `  ${name.padEnd(32)} ${formatDuration(wallMs).padStart(8)}  ${rate} ${found.join(', ')}`,
    );
  }
}

/** Runs the steps, `repetitions` times; the number of those that failed. */
function runSteps(
  steps: ReturnType<typeof stepsFor>,
  repetitions: number,
  bench: Omit<Bench, 'compares'>,
): number {
  let failures = 0;
  for (let repetition = 1; repetition <= repetitions; repetition += 1) {
    console.log(`repetition ${repetition} of ${repetitions}`);
    for (const step of steps.filter(({ isOnce }) => repetition === 1 || isOnce === undefined)) {
      try {
        step.run({ ...bench, compares: repetition === 1 });
      } catch (error) {
        failures += 1;
        console.error(
          `FAILED: ${step.name}: ${error instanceof Error ? error.message : String(error)}`,
        );
      }
    }
  }
  return failures;
}

/** Measures, and leaves the run as JSON in the data's folder. */
function measure(options: Options): { run: Run; failures: number } {
  const data = new Data(options.folder);
  const work = join(data.folder, 'work');
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  const wanted = PEER_NAMES.filter(
    (name) => options.only === undefined || options.only.some((step) => step.startsWith(name)),
  );
  const peers = availablePeers(wanted);
  const repetitions = options.repetitions ?? (options.quick ? 1 : 3);
  const steps = stepsFor({ peers, quick: options.quick ?? false, only: options.only });
  const figures = new SpokenFigures();
  const of = circumstances(data.folder, peers, repetitions);
  const failures = runSteps(steps, repetitions, { data, figures, work });
  if (!options.keep) rmSync(work, { recursive: true, force: true });
  const run = { of, figures };
  writeFileSync(join(data.folder, 'store.json'), runText(run));
  return { run, failures };
}

const options = parseOptions();
const { run, failures } =
  options.from === undefined
    ? measure(options)
    : { run: readRun(readFileSync(options.from, 'utf8')), failures: 0 };
const rows = goalRows(run.figures).filter(
  ({ isMet }) => options.only === undefined || isMet !== undefined,
);
console.log(`\n${circumstancesText(run.of)}\n\n${allTables(run.figures, rows)}`);
if (options.record) record(run, rows);
const missed = rows.filter(({ isMet }) => isMet === false).length;
const unmeasured = rows.filter(({ isMet }) => isMet === undefined).length;
console.log(
  `\n${rows.length} goals: ${rows.length - missed - unmeasured} met, ${missed} missed, ` +
    `${unmeasured} not measured; ${failures} steps failed`,
);
process.exitCode = failures === 0 ? 0 : 1;
