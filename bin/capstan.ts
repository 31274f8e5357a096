#!/usr/bin/env node
/** The command. Loads the whole of it unless the short way of `capstan receive` will do. */
import { receiveEarly } from '../src/cli/early-receive.ts';

const args = process.argv.slice(2);
process.exitCode =
  (await receiveEarly(args, process.env)) ?? (await (await import('./program.ts')).run(args));
