/**
 * `npm run campaign -- kill [--runs 100] [--seed 1] [--bytes 100000000]`: kills either server (-9) in the
 * middle of a copy. Prints a line a round, and exits with 1 where any failed.
 */
import { parseArgs } from 'node:util';
import { withDir } from 'tmp-promise';
import { runKillCampaign } from '../../harness/rig/kill-campaign.ts';

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '100' },
    seed: { type: 'string', default: '1' },
    bytes: { type: 'string', default: '100000000' },
  },
});

await withDir(
  async ({ path }) => {
    const result = await runKillCampaign({
      folder: path,
      runs: Number(values.runs),
      seed: Number(values.seed),
      tapeBytes: Number(values.bytes),
      onRound: ({ round, victim, killedAfterMs, wasInCopy, copiedAfterMs, failure, ...rest }) => {
        console.log(
          `${round}: ${victim} killed after ${killedAfterMs} ms${wasInCopy ? ', in the copy' : ''}; ` +
            (failure ?? `copied and verified after ${Math.round(copiedAfterMs)} ms`),
        );
        for (const text of rest.attemptFailures) console.log(`    ${text}`);
      },
    });
    const { rounds, failureCount, inCopyCount, copyMs } = result;
    console.log(
      `${rounds.length} kills, ${inCopyCount} of them in the copy (undisturbed it takes ${Math.round(copyMs)} ms): ` +
        `${failureCount} failed`,
    );
    process.exitCode = failureCount === 0 ? 0 : 1;
  },
  { unsafeCleanup: true },
);
