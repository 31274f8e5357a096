/**
 * A part of `npm run campaign -- outage`: whole servers without power. What the machine lacks (root, mkfs.xfs of
 * the package xfsprogs) is told, and skipped.
 */
import { dir } from 'tmp-promise';
import { expect, it } from 'vitest';
import { runOutages } from '../../scripts/campaigns/outage/campaign.ts';

const TIMEOUT_MS = 240_000;

it(
  'servers lose nothing that they acknowledged when the power fails, and something where syncs lie',
  { timeout: TIMEOUT_MS },
  async (context) => {
    const folder = await dir({ unsafeCleanup: true });
    try {
      const amount = { cutsMax: 2, lyingCutsMax: 1 };
      const report = await runOutages({ folder: folder.path, seed: 1, ...amount });
      expect(report.failures).toEqual([]);
      console.log(String(report));
      if (report.skipped.length > 0) context.skip(report.skipped.join('; '));
      expect(report.counted('of them noticed')).toBe(1);
      expect(report.counted('acknowledgements')).toBeGreaterThan(20);
    } finally {
      await folder.cleanup();
    }
  },
);
