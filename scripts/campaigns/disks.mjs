/**
 * `npm run campaign -- disks [--seed 1] [--minutes 60] [--part full|power|calls|cached-calls]`: kills the engine on real
 * disks, or fails it, at its system calls, cuts the power on ext4 and xfs, and fills disks up. Prints what was tried and
 * what failed, and exits with 1 where anything did. What the time did not suffice for is told as skipped. SIGTERM ends it
 * early, with its report.
 */
import { parseArgs } from 'node:util';
import { withDir } from 'tmp-promise';
import { cachedCallsPart, directCallsPart, fullDiskPart, powerPart } from './disks/campaign.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    minutes: { type: 'string', default: '60' },
    part: { type: 'string' },
  },
});

/** Each with its share of the time. */
const PARTS = [
  { name: 'full', run: fullDiskPart, share: 0 },
  { name: 'power', run: powerPart, share: 0.3 },
  { name: 'calls', run: directCallsPart, share: 0.35 },
  { name: 'cached-calls', run: cachedCallsPart, share: 0.35 },
];
const MINUTE_MS = 60_000;

const stop = new AbortController();
process.once('SIGTERM', () => stop.abort());

const chosen = PARTS.filter(({ name }) => values.part === undefined || name === values.part);
const shares = chosen.reduce((sum, { share }) => sum + share, 0) || 1;
let failed = chosen.length === 0;
if (failed) console.error(`The parts are: ${PARTS.map(({ name }) => name).join(', ')}.`);
for (const { run, share } of chosen) {
  const endMs = performance.now() + (Number(values.minutes) * MINUTE_MS * share) / shares;
  await withDir(
    async ({ path }) => {
      const report = await run({
        folder: path,
        seed: Number(values.seed),
        cutsMax: Number.POSITIVE_INFINITY,
        lyingCutsMax: 5,
        endMs,
        signal: stop.signal,
      });
      console.log(String(report));
      failed ||= report.failures.length > 0;
    },
    { unsafeCleanup: true },
  );
}
process.exitCode = failed ? 1 : 0;
