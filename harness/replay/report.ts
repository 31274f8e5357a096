/** A failure for people: what broke, how to run it again, and what happened before. */
import { SECOND_MS } from '../../src/base/units.ts';
import type { Scenario } from '../scenarios/scenario.ts';
import { keptCaseText } from './kept-case.ts';
import type { FoundFailure } from './search.ts';

/** Newest lines of the trace that a report shows. */
const TRACE_LINES_SHOWN = 40;

const HOUR_MS = 3600 * SECOND_MS;

/** What was run. */
export interface ReportedRun {
  readonly scenario: Scenario;
  readonly mutant?: string | undefined;
  /** The git commit; a seed means nothing without it. */
  readonly commit: string;
}

/** Several lines. */
export function formatFailure(failure: FoundFailure, run: ReportedRun): string {
  const { result } = failure;
  return [
    `Broken: ${result.error?.message ?? ''}`,
    '',
    `scenario ${run.scenario.name}, found in run ${failure.run}, ` +
      `shrunk in ${failure.shrinkCount} steps to ${result.executed.length} commands`,
    `commit ${run.commit}, trace ${result.trace.hash}`,
    '',
    `Again: npm run sim -- run --replay '${failure.token}'`,
    '',
    `Faults: ${JSON.stringify(result.profile)}`,
    'Commands:',
    ...result.executed.map((command) => `  ${command}`),
    '',
    'What happened last (virtual seconds):',
    ...result.trace.lines.slice(-TRACE_LINES_SHOWN),
    '',
    'To keep it (fixtures/seeds):',
    keptCaseText(run.scenario, result, run.mutant),
  ].join('\n');
}

/** `1,200 simulated hours`. */
export function formatVirtualTime(virtualMs: number): string {
  return `${Math.round(virtualMs / HOUR_MS).toLocaleString('en')} simulated hours`;
}
