#!/usr/bin/env node
/** The command: what src/cli offers, and the laboratory and the simulation of the harness. */
import { systemContext } from '../src/cli/context.ts';
import { runProgram } from '../src/cli/main.ts';
import { endWithReader } from '../src/cli/signals.ts';
import { addLabCommand } from '../harness/rig/lab-command.ts';
import { addSimCommand } from '../harness/rig/sim-command.ts';

endWithReader();
process.exitCode = await runProgram(process.argv.slice(2), systemContext(), [
  addLabCommand,
  addSimCommand,
]);
