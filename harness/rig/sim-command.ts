/**
 * `capstan sim`: whole data centres in simulated time, with faults, searched for broken promises.
 *
 * What runs the cases is loaded only when asked for: an installed package has no fast-check.
 */
import type { Command } from 'commander';
import { CommandFailure } from '../../src/cli/context.ts';
import type { CliContext } from '../../src/cli/context.ts';
import { numberOption } from '../../src/cli/options.ts';

interface SimOptions {
  readonly runs: number;
  readonly seed?: number;
  readonly replay?: string;
  readonly mutant?: string;
}

const RUNS_DEFAULT = 1000;
const RUNS_MAX = 100_000_000;
const SEED_MAX = 2 ** 31 - 1;

/** Adds the command to the program of src/cli; exit code 1 where a promise broke. */
export function addSimCommand(program: Command, context: CliContext): void {
  const print = (line: string): void => context.print(`${line}\n`);
  const command = program
    .command('sim')
    .description('run data centres in simulated time, with faults, and look for broken promises')
    .option('--runs <count>', 'cases to run', numberOption(1, RUNS_MAX), RUNS_DEFAULT)
    .option(
      '--seed <number>',
      'where they come from (default: a fresh seed)',
      numberOption(0, SEED_MAX),
    )
    .option('--replay <file-or-token>', 'one failure again: a kept case, or what a failure printed')
    .option('--mutant <name>', 'plant a known bug, and see it found')
    .addHelpText(
      'after',
      `
Two tape servers and a NonStop host live through crashes, power cuts and network faults in virtual
time; after every step it is checked that copies are whole versions, that attempts come 300 s apart,
and that what was acknowledged survives (docs/internals/simulation.md). Needs a checkout: the
package leaves fast-check out.

Examples:
  $ capstan sim --runs 20000
  $ capstan sim --mutant no-fsync
  $ capstan sim --replay fixtures/seeds/torn-staged-copy.json
`,
    )
    .action(async (options: SimOptions) => {
      const { runSim } = await import('./sim-run.ts');
      if (await runSim(options, print)) return;
      throw new CommandFailure('the simulation did not end as it should');
    });
  command
    .command('list')
    .description('list the bugs that can be planted and the failures that were kept')
    .option('--json', 'print JSON for programs')
    .action(async (options: { readonly json?: boolean }) => {
      const { listSim } = await import('./sim-run.ts');
      listSim(print, options.json === true);
    });
}
