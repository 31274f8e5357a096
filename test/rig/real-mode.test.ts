/**
 * The same script in simulated time and with real processes: `capstan serve` on homes on disk, the system's
 * sshd between them, TACL sessions over TCP, the real clock. What both tell and say must be the same.
 *
 * Needs `ssh` and `ssh-keyscan` (package openssh-client) and `sshd` (openssh-server); without them the
 * test is skipped, and says so.
 */
import { expect, it } from 'vitest';
import { TWO_SITES_MUTANTS } from '../../harness/mutants/two-sites-mutants.ts';
import { comparePlays, playReal, playSimulated } from '../../harness/rig/real-run.ts';
import { lackingOpenSsh } from '../../harness/rig/sshd-process.ts';

const TIMEOUT_MS = 600_000;
/** The script is long: so many lines, or something was not looked at. */
const LINES_MIN = 150;

const lacking = lackingOpenSsh();
if (lacking.length > 0) console.warn(`SKIPPED: the package ${lacking.join(' and ')} is missing`);

it.skipIf(lacking.length > 0)(
  'real processes tell what the simulation tells, in the same order, and nothing planted passes for it',
  { timeout: TIMEOUT_MS },
  async () => {
    const real = await playReal(() => {});
    expect(real.reduce((count, { lines }) => count + lines.length, 0)).toBeGreaterThan(LINES_MIN);
    expect(comparePlays(await playSimulated(), real)).toEqual([]);
    for (const mutant of TWO_SITES_MUTANTS) {
      const simulated = await playSimulated(mutant);
      expect(comparePlays(simulated, real), mutant.name).not.toEqual([]);
    }
  },
);
