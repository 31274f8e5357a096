/** What a simulation came to: as text for people, as JSON for programs, as a page with a timeline to look at. */
import { SECOND_MS } from '../../src/base/units.ts';
import type { Scenario } from '../scenarios/scenario.ts';
import type { CaseResult } from './case.ts';
import { keptCaseOf } from './kept-case.ts';
import type { FoundFailure, Shard } from './search.ts';
import { formatElapsed, timelinePage } from './timeline-page.ts';
import { timelineOf } from './timeline.ts';

/** Newest lines of the trace that the text shows. */
const TRACE_LINES_SHOWN = 40;

const HOUR_MS = 3600 * SECOND_MS;

export interface SimReport {
  readonly scenario: Scenario;
  readonly mutant: string | undefined;
  /** The git commit; a seed means nothing without it. */
  readonly commit: string;
  /** Undefined where one failure was run again. */
  readonly search:
    | { readonly seed: number; readonly runs: number; readonly shard: Shard | undefined }
    | undefined;
  /** The kept cases that were run first, as lines. */
  readonly kept: readonly string[];
  readonly runCount: number;
  readonly virtualMs: number;
  readonly seconds: number;
  /** What the process has computed for since it began. */
  readonly processorSeconds: number;
  /** The failure, or the first case; undefined where nothing was run. */
  readonly shown: CaseResult | undefined;
  /** How a search came to {@link shown}, where that is its failure. */
  readonly found: Pick<FoundFailure, 'token' | 'run' | 'shrinkCount'> | undefined;
}

const counted = (count: number, what: string): string =>
  `${count} ${what}${count === 1 ? '' : 's'}`;

/** Whether it ended as it should: nothing broke, or, of a planted bug, something did. */
export const isWell = ({ shown, mutant }: SimReport): boolean =>
  (shown?.error === undefined) === (mutant === undefined);

/** `autocopy: seed 7, 1000 runs, shard 2 of 8, no-fsync`. */
export function formatRequest({ scenario, search, mutant }: SimReport): string {
  const shard = search?.shard;
  return [
    `${scenario.name}: ${search === undefined ? 'one case again' : `seed ${search.seed}`}`,
    ...(search === undefined ? [] : [counted(search.runs, 'run')]),
    ...(shard === undefined ? [] : [`shard ${shard.index} of ${shard.count}`]),
    ...(mutant === undefined ? [] : [mutant]),
  ].join(', ');
}

/** Several lines. */
export function textReport(report: SimReport): string {
  const { shown, kept } = report;
  const lines = [...kept, formatRequest(report)];
  if (shown?.error !== undefined) return [...lines, failureText(report, shown)].join('\n');
  const rate = (report.runCount / report.seconds).toFixed(1);
  const hours = Math.round(report.virtualMs / HOUR_MS).toLocaleString('en');
  lines.push(
    `${counted(report.runCount, 'run')}, ${hours} simulated hours, no invariant broken; ${rate} runs/s`,
  );
  return lines.join('\n');
}

function failureText(report: SimReport, result: CaseResult): string {
  const { found, scenario, mutant } = report;
  const where =
    found === undefined
      ? []
      : [
          `found in run ${found.run}, shrunk in ${counted(found.shrinkCount, 'step')} to ` +
            counted(result.executed.length, 'command'),
        ];
  const again =
    found === undefined ? [] : ['', `Again: npm run sim -- run --replay '${found.token}'`];
  return [
    `Broken: ${result.error?.message ?? ''}`,
    '',
    ...where,
    `commit ${report.commit}, trace ${result.trace.hash}`,
    ...again,
    '',
    `Profile: ${JSON.stringify(result.profile)}`,
    'Commands:',
    ...result.executed.map((command) => `  ${command}`),
    '',
    `What happened last (virtual seconds${shownOf(result)}):`,
    ...result.trace.lines.slice(-TRACE_LINES_SHOWN),
    '',
    'To keep it (fixtures/seeds):',
    JSON.stringify(keptCaseOf(scenario, result, mutant), undefined, 2),
  ].join('\n');
}

/** How many lines of the trace are not shown. */
function shownOf({ trace: { count } }: CaseResult): string {
  if (count <= TRACE_LINES_SHOWN) return '';
  const newest = `the newest ${TRACE_LINES_SHOWN} of ${count.toLocaleString('en')} lines`;
  return `; ${newest}, --trace FILE has all of them`;
}

/** Its `failure.case` is what `--replay` takes, as a file. */
export function jsonReport(report: SimReport): string {
  const { scenario, mutant, commit, search, kept, shown, found } = report;
  const failure =
    shown?.error === undefined
      ? undefined
      : {
          broken: shown.error.message,
          kind: shown.error.name,
          token: found?.token,
          run: found?.run,
          shrinkCount: found?.shrinkCount,
          traceHash: shown.trace.hash,
          case: keptCaseOf(scenario, shown, mutant),
          traceLinesLeftOut: shown.trace.count - shown.trace.lines.length,
          trace: shown.trace.lines,
        };
  const { runCount, virtualMs } = report;
  return JSON.stringify(
    {
      scenario: scenario.name,
      mutant,
      commit,
      ...search,
      kept,
      runCount,
      virtualMs,
      seconds: Number(report.seconds.toFixed(3)),
      processorSeconds: Number(report.processorSeconds.toFixed(3)),
      ok: isWell(report),
      failure,
    },
    undefined,
    2,
  );
}

/** The failure's timeline, or that of the first case. */
export function htmlReport(report: SimReport): string {
  const { shown, found, scenario } = report;
  const { lines = [], count = 0, hash = '' } = shown?.trace ?? {};
  return timelinePage(timelineOf(lines, shown?.virtualMs ?? 0), {
    title: `Scenario ${scenario.name}`,
    what: scenario.what,
    broken: shown?.error?.message,
    facts: [
      ['Run', formatRequest(report)],
      [
        'Runs',
        `${report.runCount}; shown is ${shown?.error ? 'the one that failed' : 'the first'}`,
      ],
      ['Virtual time', formatElapsed(shown?.virtualMs ?? 0)],
      ['Profile', JSON.stringify(shown?.profile ?? {})],
      ['Commit', report.commit],
      ['Trace', hash],
      ...(found === undefined
        ? []
        : [['Again', `npm run sim -- run --replay '${found.token}'`] as const]),
    ],
    lines,
    linesLost: count - lines.length,
  });
}
