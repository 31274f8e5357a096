/** `capstan lab`: the laboratory on the command line. */
import { mkdtemp, rm } from 'node:fs/promises';
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Presets, SingleBar } from 'cli-progress';
import type { Command } from 'commander';
import { CommandFailure } from '../../src/cli/context.ts';
import type { CliContext } from '../../src/cli/context.ts';
import { jsonText, sizeOption } from '../../src/cli/options.ts';
import { formatSize } from '../../src/cli/text.ts';
import { runLab } from './lab.ts';
import type { LabProgress } from './lab-record.ts';
import { formatReport } from './lab-report.ts';

interface LabCommandOptions {
  readonly from?: string;
  readonly keep?: string;
  readonly size?: number;
  readonly json?: boolean;
}

/** Adds the command to the program of src/cli. */
export function addLabCommand(program: Command, context: CliContext): void {
  program
    .command('lab')
    .description(
      'run the laboratory: real files onto a virtual tape, copies at a second server, host commands',
    )
    .option('--from <folder>', 'back these files up (default: up to 200 MB of /usr/share)')
    .option('--keep <folder>', 'make both servers there and leave them, to look at afterwards')
    .option('--size <limit>', 'take at most so much of the folder, as 200M or 2G', sizeOption)
    .option('--json', 'print JSON for programs')
    .addHelpText(
      'after',
      `
Starts two servers, east and west, and a simulated NonStop host. The host asks for a tape in its EMS
stream, writes the files through the drive's SCSI commands, and dismounts; AutoCopy carries the tape
to west over SSH. 1 % of the files change (as they are read: the folder is never written to), and only
what is new is sent again. Then every byte is compared, at east with the files, at west with east.
Smaller tapes follow: a pool under Instant DR, with its licence, runs, a verification and the roles
swapped and back; VTSPolicy commands that the host sends by macro and FUP; a scan of Scan/Cleanup, users'
decisions, and the erase. The exit code is 0 only if every comparison held.

Examples:
  $ capstan lab
  $ capstan lab --from /usr/share/doc
  $ capstan lab --from /srv/data --size 2G --keep /srv/lab --json
`,
    )
    .action(async (options: LabCommandOptions) => runCommand(options, context));
}

async function runCommand(options: LabCommandOptions, context: CliContext): Promise<void> {
  const folder =
    options.keep === undefined
      ? await mkdtemp(join(tmpdir(), 'capstan-lab-'))
      : resolve(options.keep);
  const onInterrupt = (): void => {
    if (options.keep === undefined) rmSync(folder, { recursive: true, force: true });
    process.exit(130);
  };
  process.once('SIGINT', onInterrupt);
  const display = context.showsProgress ? progressDisplay() : undefined;
  try {
    const result = await runLab({
      ...(options.from !== undefined && { from: resolve(options.from) }),
      ...(options.size !== undefined && { sizeMax: options.size }),
      folder,
      keeps: options.keep !== undefined,
      ...(display !== undefined && { onProgress: display.show }),
    });
    display?.stop();
    context.print(options.json === true ? jsonText(result) : formatReport(result));
    if (!result.held) throw new CommandFailure('the laboratory failed; its report says where.');
  } finally {
    display?.stop();
    process.off('SIGINT', onInterrupt);
    if (options.keep === undefined) await rm(folder, { recursive: true, force: true });
  }
}

/** A bar on standard error for the step at hand. */
function progressDisplay(): {
  readonly show: (progress: LabProgress) => void;
  readonly stop: () => void;
} {
  let bar: SingleBar | undefined;
  let shown = -1;
  const stop = (): void => {
    bar?.stop();
    bar = undefined;
  };
  return {
    stop,
    show: ({ step, title, done, total, unit }) => {
      if (step !== shown) {
        stop();
        shown = step;
        bar = new SingleBar(
          {
            format: `${step}  {title} [{bar}] {amount}`,
            barsize: 24,
            hideCursor: true,
            clearOnComplete: true,
            fps: 10,
          },
          Presets.rect,
        );
        bar.start(Math.max(total, 1), done, { title, amount: '' });
      }
      const amount = unit === 'bytes' ? formatSize(done) : `${done} of ${total} chunks to be sent`;
      bar?.setTotal(Math.max(total, 1));
      bar?.update(done, { title, amount: total === 0 ? '' : amount });
    },
  };
}
