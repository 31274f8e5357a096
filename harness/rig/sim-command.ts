/**
 * `capstan sim`: whole data centres in simulated time, with faults, searched for broken promises.
 *
 * What runs the cases is loaded only when asked for: an installed package has no fast-check.
 */
import { closeSync, openSync, writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { InvalidArgumentError, Option } from 'commander';
import { isCapstanError } from '../../src/base/errors.ts';
import { CommandFailure, EXIT } from '../../src/cli/context.ts';
import type { CliContext } from '../../src/cli/context.ts';
import { numberOption } from '../../src/cli/options.ts';
import type { SimReport } from '../replay/report.ts';
import { runPlanted } from './plant.ts';

interface SimOptions {
  readonly runs?: number;
  readonly seed?: number;
  readonly shard?: { readonly index: number; readonly count: number };
  readonly replay?: string;
  readonly mutant?: string;
  readonly report: 'text' | 'json' | 'html';
  readonly out?: string;
  readonly trace?: string;
}

const RUNS_MAX = 100_000_000;
const SEED_MAX = 2 ** 31 - 1;
const SHARDS_MAX = 10_000;
/** As shells say it of a process that SIGINT ended. */
const EXIT_INTERRUPTED = 130;

/** `2/8`: the second of eight. */
function shardOption(text: string): NonNullable<SimOptions['shard']> {
  const [, index, count] = /^(\d+)\/(\d+)$/.exec(text)?.map(Number) ?? [];
  if (index !== undefined && count !== undefined && index >= 1 && index <= count) {
    if (count <= SHARDS_MAX) return { index, count };
  }
  throw new InvalidArgumentError(`A shard is INDEX/COUNT, as 2/8; at most ${SHARDS_MAX}.`);
}

/** Which scenario, mutant, token or kept case: said by whoever looks them up. */
function asUsage(error: unknown): never {
  if (!isCapstanError(error, 'INVALID_ARGUMENT')) throw error;
  throw new CommandFailure(error.message, EXIT.USAGE);
}

/** Throws where a replay is asked for, and what it would be of. */
function refuseMixed(scenario: string | undefined, options: SimOptions): void {
  const { replay, runs, seed, shard, mutant } = options;
  if (replay === undefined) return;
  if ([scenario, runs, seed, shard, mutant].every((each) => each === undefined)) return;
  throw new CommandFailure(
    'What is replayed says itself which scenario, seed and planted bug it is of: give --replay alone.',
    EXIT.USAGE,
  );
}

/** Throws where the report could not be written: better before hours of a search than after. */
function refuseUnwritable(path: string): void {
  try {
    closeSync(openSync(path, 'a'));
  } catch (error) {
    throw new CommandFailure(
      `${path} cannot be written: ${error instanceof Error ? error.message : String(error)}`,
      EXIT.USAGE,
    );
  }
}

/** The command as it was typed. */
function wordsOf(scenario: string | undefined, options: SimOptions): readonly string[] {
  const { shard, ...rest } = options;
  const texts = { ...rest, ...(shard && { shard: `${shard.index}/${shard.count}` }) };
  const words = Object.entries(texts).flatMap(([name, value]) => [`--${name}`, String(value)]);
  return ['sim', 'run', ...(scenario === undefined ? [] : [scenario]), ...words];
}

/** Where a bug is to be planted in the source, a process of its own does it all. */
async function run(
  context: CliContext,
  scenario: string | undefined,
  options: SimOptions,
): Promise<void> {
  refuseMixed(scenario, options);
  for (const path of [options.out, options.trace]) if (path !== undefined) refuseUnwritable(path);
  const { REPORTS, bugToPlant, runSim, writeTrace } = await import('./sim-run.ts');
  const { isWell } = await import('../replay/report.ts');
  const request = { ...options, ...(scenario !== undefined && { scenario }) };
  const bug = await Promise.resolve(request).then(bugToPlant).catch(asUsage);
  if (bug !== undefined) {
    const exitCode = await runPlanted(bug, wordsOf(scenario, options));
    if (exitCode === 0) return;
    throw new CommandFailure(
      `${bug} was planted in a process of its own, which ended so`,
      exitCode,
    );
  }
  const say = (line: string): void => context.complain(line);
  const { report, interrupted } = await untilInterrupted((signal) =>
    runSim({ ...request, signal }, say),
  ).catch(asUsage);
  if (options.trace !== undefined) {
    const lineCount = await writeTrace(report, options.trace);
    say(`${options.trace}: ${(lineCount ?? 0).toLocaleString('en')} lines, the whole trace`);
  }
  const text = `${REPORTS[options.report](report).trimEnd()}\n`;
  if (options.out === undefined) context.print(text);
  else {
    writeFileSync(options.out, text);
    context.print(`${options.out}: ${isWell(report) ? 'as it should be' : 'a promise broke'}\n`);
  }
  if (interrupted) {
    throw new CommandFailure(`broken off after ${report.runCount} runs`, EXIT_INTERRUPTED);
  }
  if (!isWell(report)) throw new CommandFailure('the simulation did not end as it should');
}

/** The first Ctrl-C ends the work behind the case that goes, so that it can tell what it came to; the second, the process. */
async function untilInterrupted(
  work: (signal: AbortSignal) => Promise<SimReport>,
): Promise<{ readonly report: SimReport; readonly interrupted: boolean }> {
  const controller = new AbortController();
  const onInterrupt = (): void => controller.abort();
  process.once('SIGINT', onInterrupt);
  try {
    const report = await work(controller.signal);
    const interrupted = controller.signal.aborted && report.found === undefined;
    return { report, interrupted };
  } finally {
    process.off('SIGINT', onInterrupt);
  }
}

/** Adds the commands to the program of src/cli; exit code 1 where a promise broke. */
export function addSimCommand(program: Command, context: CliContext): void {
  const print = (line: string): void => context.print(`${line}\n`);
  const sim = program
    .command('sim')
    .helpCommand(false)
    .description('run data centres in simulated time, with faults, and look for broken promises');
  sim
    .command('run [scenario]', { isDefault: true })
    .description('search a scenario for broken promises, or run one failure again')
    .option(
      '--runs <count>',
      "cases to run (default: the scenario's own)",
      numberOption(1, RUNS_MAX),
    )
    .option(
      '--seed <number>',
      'where they come from (default: a fresh seed)',
      numberOption(0, SEED_MAX),
    )
    .option('--shard <index/count>', 'only this part of the runs, as 2/8', shardOption)
    .option('--replay <file-or-token>', 'one failure again: a kept case, or what a failure printed')
    .option('--mutant <name>', 'plant a known bug, and see it found')
    .addOption(
      new Option('--report <form>', 'text, JSON, or a page with a timeline')
        .choices(['text', 'json', 'html'])
        .default('text'),
    )
    .option('--out <file>', 'write the report there instead of printing it')
    .option('--trace <file>', 'write every line of what happened in the case that is shown there')
    .addHelpText(
      'after',
      `
Tape servers and hosts live through crashes, power cuts and network faults in virtual time; after
every step it is checked that what was promised holds (docs/internals/simulation.md). "capstan sim
list" names the scenarios; without a name it is autocopy, or that of the mutant. The same seed has
the same cases; the shards of a search have, together, exactly its cases. Needs a checkout: the
package leaves fast-check out.

Ctrl-C ends the search behind the case that goes, and reports what there was; a second one ends it at once.

Exit codes: 0 nothing broke (of a mutant: it was found), 1 a promise broke, 2 wrong usage, 130 broken off.

Examples:
  $ capstan sim run --runs 20000
  $ capstan sim run instant-dr --seed 7 --shard 2/8
  $ capstan sim run --mutant dr-no-fsync
  $ capstan sim run --replay fixtures/seeds/torn-staged-copy.json --report html --out torn.html
  $ capstan sim run dr-year --runs 1 --report html --out year.html --trace year.txt
`,
    )
    .action((scenario: string | undefined, options: SimOptions) => run(context, scenario, options));
  sim
    .command('real')
    .description(
      'play the script two-sites in simulated time and with real processes; compare both',
    )
    .option('--mutant <name>', 'plant a known bug in the simulated play, and see a difference')
    .addHelpText(
      'after',
      `
AutoCopy, crashes, commands of the host, Instant DR and a swap of roles: once in simulated time, once
with servers as child processes behind the system's sshd, on the real clock. Their event logs, the
TACL sessions and the tapes at the end must be the same (docs/internals/simulation.md). Takes a
minute or two, and needs the packages openssh-client and openssh-server.

Exit codes: 0 they are the same (with a planted bug: they differ), 1 they are not, 2 wrong usage.

Examples:
  $ capstan sim real
  $ capstan sim real --mutant heard-from-now-on
`,
    )
    .action(async ({ mutant }: { readonly mutant?: string }) => {
      const { runReal } = await import('./real-run.ts');
      const isWell = await runReal(mutant, print).catch(asUsage);
      if (!isWell) throw new CommandFailure('the two plays did not end as they should');
    });
  sim
    .command('list')
    .description(
      'list the scenarios, the bugs that can be planted, and the failures that were kept',
    )
    .option('--json', 'print JSON for programs')
    .action(async (options: { readonly json?: boolean }) => {
      const { listSim } = await import('./sim-run.ts');
      listSim(print, options.json === true);
    });
}
