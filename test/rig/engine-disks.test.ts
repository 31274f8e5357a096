/**
 * A part of `npm run campaign -- disks`: the engine on real disks. What the machine lacks (strace, root,
 * mkfs.xfs of the package xfsprogs) is told, and skipped.
 */
import { dir } from 'tmp-promise';
import { describe, expect, it } from 'vitest';
import type { TestContext } from 'vitest';
import {
  cachedCallsPart,
  directCallsPart,
  fullDiskPart,
  powerPart,
} from '../../scripts/campaigns/disks/campaign.ts';
import type { DisksOptions } from '../../scripts/campaigns/disks/campaign.ts';
import type { PartReport } from '../../scripts/campaigns/disks/report.ts';

const TIMEOUT_MS = 180_000;

async function held(
  part: (options: DisksOptions) => Promise<PartReport>,
  context: TestContext,
): Promise<PartReport> {
  const folder = await dir({ unsafeCleanup: true });
  try {
    const amount = { pointsMax: 6, cutsMax: 2, lyingCutsMax: 1 };
    const report = await part({ folder: folder.path, seed: 1, endMs: Infinity, ...amount });
    expect(report.failures).toEqual([]);
    console.log(String(report));
    const lacking = report.skipped.filter((each) => !/\d+ of \d+ points$/.test(each));
    if (lacking.length > 0) context.skip(lacking.join('; '));
    return report;
  } finally {
    await folder.cleanup();
  }
}

describe('the engine on real disks', () => {
  it.for([
    { way: 'past', part: directCallsPart },
    { way: 'through', part: cachedCallsPart },
  ])(
    'loses nothing when a system call kills the process or fails, $way the page cache',
    { timeout: TIMEOUT_MS },
    async ({ way, part }, context) => {
      const report = await held(part, context);
      expect(report.counted('kills')).toBeGreaterThan(0);
      expect(report.counted('typed errors')).toBeGreaterThan(0);
      expect(report.counted(`sweeps ${way} the page cache`)).toBe(3);
    },
  );

  it(
    'loses nothing when the power fails, and something where syncs lie',
    { timeout: TIMEOUT_MS },
    async (context) => {
      const report = await held(powerPart, context);
      expect(report.counted('of them noticed')).toBe(2);
    },
  );

  it(
    'says that a disk is full, and goes on once there is room',
    { timeout: TIMEOUT_MS },
    async (context) => {
      const report = await held(fullDiskPart, context);
      expect(report.counted('ext4 filled')).toBeGreaterThan(0);
    },
  );
});
