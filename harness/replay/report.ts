/** A failure for people: what broke, how to run it again, and what happened before. */
import { SECOND_MS } from '../../src/base/units.ts';
import type { FoundFailure } from './search.ts';

/** Newest lines of the trace that a report shows. */
const TRACE_LINES_SHOWN = 40;

const HOUR_MS = 3600 * SECOND_MS;

/** Several lines. `commit` is the git commit that was run; a seed means nothing without it. */
export function formatFailure(failure: FoundFailure, commit: string): string {
  const { result, profile, commands } = failure;
  return [
    `Broken: ${result.error?.message ?? ''}`,
    '',
    `seed ${failure.seed}, path ${failure.path}, replayPath "${failure.replayPath}"`,
    `found in run ${failure.run}, shrunk in ${failure.shrinkCount} steps to ${commands.length} commands`,
    `commit ${commit}, trace ${result.traceHash}`,
    '',
    `Again: npm run sim -- --replay '${failure.token}'`,
    '',
    `Faults: ${JSON.stringify(profile)}`,
    'Commands:',
    ...commands.map((command) => `  ${command}`),
    '',
    'What happened last (virtual seconds):',
    ...result.traceLines.slice(-TRACE_LINES_SHOWN),
  ].join('\n');
}

/** `1,200 simulated hours`. */
export function formatVirtualTime(virtualMs: number): string {
  return `${Math.round(virtualMs / HOUR_MS).toLocaleString('en')} simulated hours`;
}
