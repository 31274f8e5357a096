/**
 * `capstan sim`: whole data centres in simulated time, with faults, searched for broken invariants.
 *
 * What runs the cases is loaded only when asked for: an installed package has no fast-check.
 */
import { Command, InvalidArgumentError } from 'commander';

interface SimOptions {
  readonly runs: number;
  readonly seed?: number;
  readonly replay?: string;
  readonly mutant?: string;
}

const RUNS_DEFAULT = 1000;

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new InvalidArgumentError('It must be a whole number.');
  return value;
}

/** The command, to be added to the program. Exit status 1 where an invariant broke. */
export function simCommand(): Command {
  const command = new Command('sim')
    .description(
      'Run two tape servers and a host in simulated time, with crashes, power cuts and network ' +
        'faults, and check after each step that no promise is broken.',
    )
    .option('--runs <count>', 'how many cases to run', wholeNumber, RUNS_DEFAULT)
    .option('--seed <number>', 'where the cases come from; a fresh one by default', wholeNumber)
    .option(
      '--replay <file-or-token>',
      'run one failure again: a kept case, or what a failure printed',
    )
    .option('--mutant <name>', 'plant a known bug and see it found')
    .action(async (options: SimOptions) => {
      const { runSim } = await import('./rig/sim-run.ts');
      const print = (line: string): void => {
        command.configureOutput().writeOut?.(`${line}\n`);
      };
      if (!(await runSim(options, print))) command.error('', { exitCode: 1 });
    });
  command
    .command('list')
    .description('List the bugs that can be planted and the failures that were kept.')
    .action(async () => {
      const { listSim } = await import('./rig/sim-run.ts');
      listSim((line) => command.configureOutput().writeOut?.(`${line}\n`));
    });
  return command;
}
