/**
 * Goal: killing either server at any moment of a copy loses nothing; the copy completes.
 * Method: real processes, kill -9 at moments drawn by seed. `npm run campaign -- kill` does a hundred.
 */
import { withDir } from 'tmp-promise';
import { expect, it } from 'vitest';
import { runKillCampaign } from '../../harness/rig/kill-campaign.ts';

const RUNS = 5;

it(
  'a copy completes, and both sides verify clean, after kill -9 of either server in the middle of it',
  { timeout: 240_000 },
  () =>
    withDir(
      async ({ path }) => {
        const result = await runKillCampaign({ folder: path, runs: RUNS, seed: 20_260 });
        expect(result.rounds.map(({ failure }) => failure)).toEqual(
          Array.from({ length: RUNS }, () => undefined),
        );
        expect(result.inCopyCount).toBeGreaterThan(0);
      },
      { unsafeCleanup: true },
    ),
);
