/**
 * `npm run campaign -- outage [--cuts 100] [--seed 1] [--lying-cuts 5]`: cuts the power of whole servers, on ext4 and
 * xfs, in the middle of backups, AutoCopy and Instant DR. Prints a line a cut, and exits with 1 where
 * anything that was acknowledged was lost, or where syncs that do nothing were not found out.
 */
import { parseArgs } from 'node:util';
import { withDir } from 'tmp-promise';
import { runOutages } from './outage/campaign.ts';

const { values } = parseArgs({
  options: {
    cuts: { type: 'string', default: '100' },
    seed: { type: 'string', default: '1' },
    'lying-cuts': { type: 'string', default: '5' },
  },
});

await withDir(
  async ({ path }) => {
    const report = await runOutages({
      folder: path,
      seed: Number(values.seed),
      cutsMax: Number(values.cuts),
      lyingCutsMax: Number(values['lying-cuts']),
      onCut: (line) => console.log(line),
    });
    console.log(String(report));
    process.exitCode = report.failures.length === 0 && report.skipped.length === 0 ? 0 : 1;
  },
  { unsafeCleanup: true },
);
