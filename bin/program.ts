/** The whole command: what src/cli offers, and the laboratory and the simulation of the harness. */
import { systemContext } from '../src/cli/context.ts';
import { runProgram } from '../src/cli/main.ts';
import { endWithReader } from '../src/cli/signals.ts';
import { addLabCommand } from '../harness/rig/lab-command.ts';
import { addSimCommand } from '../harness/rig/sim-command.ts';

/** Resolves with the exit code. */
export async function run(args: readonly string[]): Promise<number> {
  endWithReader();
  return runProgram(args, systemContext(), [addLabCommand, addSimCommand]);
}
