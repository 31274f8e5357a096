/**
 * The laboratory's second part: a pool under Instant DR. A scheme on both sides, its licence, a run, a run
 * behind a change, a verification of the whole target, and the roles swapped and back.
 */
import { isCapstanError } from '../../src/base/errors.ts';
import { formatSize, formatTable } from '../../src/cli/text.ts';
import { systemClock } from '../../src/platform/system-clock.ts';
import type { CopyTarget } from '../../src/ports/catalog.ts';
import type {
  IdrResultRow,
  IdrRunCounts,
  IdrRunRow,
  IdrSchemeRow,
} from '../../src/ports/catalog-instant-dr.ts';
import { sleep } from '../../src/ports/clock.ts';
import { LABORATORY } from '../../src/server/licence-keys.ts';
import { StepFailure } from './lab-record.ts';
import type { LabRecord, LabSites, StepInHand } from './lab-record.ts';
import { SILENCE_MS, targetAt } from './lab-sites.ts';
import type { LabSite } from './lab-sites.ts';
import { TAPE_DATA_BYTES, versionAt } from './lab-tapes.ts';
import type { LabTapes } from './lab-tapes.ts';

export const SCHEME = 'NIGHTLY';
/** The pool at east, and its copy at west. */
export const IDR_POOL = 'WEEKLY';
const TARGET_POOL = 'WEEKLYDR';
const VOLUMES = ['WEE001', 'WEE002', 'WEE003'] as const;
const POLL_MS = 20;
/** A changed block of a tape costs no more of its bytes than this part. */
const DELTA_PART_MAX = 0.1;

/** What a run did, as `idr.report` tells it. */
export interface IdrReport {
  readonly run: IdrRunRow;
  readonly counts: IdrRunCounts;
  readonly results: readonly IdrResultRow[];
}

/** Shows Instant DR, from the scheme to the swap and back. */
export async function showInstantDr(
  record: LabRecord,
  sites: LabSites,
  tapes: LabTapes,
): Promise<void> {
  await record.step(`Instant DR: scheme ${SCHEME}, its licence, its first run`, (step) =>
    firstRun(step, sites, tapes),
  );
  await record.step('One tape changes; the next run sends what changed', (step) =>
    secondRun(step, sites, tapes),
  );
  await record.step('West reads all its copies; digests are compared, no data sent', (step) =>
    verifyTarget(step, sites),
  );
  await record.step('The roles are swapped, the host at west works, and back', (step) =>
    swapAndBack(step, sites, tapes),
  );
}

async function firstRun(step: StepInHand, sites: LabSites, tapes: LabTapes) {
  const { east, west } = sites;
  await tapes.create(east, IDR_POOL, VOLUMES);
  await west.call('pool.create', { name: TARGET_POOL, vault: 'VAULT00' });
  for (const volume of VOLUMES) await tapes.write(east, volume);
  await createScheme(east, west, 'source', { pool: IDR_POOL, targetPool: TARGET_POOL });
  await createScheme(west, east, 'standby', { pool: TARGET_POOL, targetPool: IDR_POOL });

  await east.call('licence.remove', { number: LABORATORY });
  const refusal = await east.call('idr.dispatch', { name: SCHEME }).then(
    () => 'it was started',
    (error: unknown) => {
      if (isCapstanError(error, 'LICENCE_MISSING')) return undefined;
      throw error;
    },
  );
  step.check('without a licence no run is started', refusal === undefined ? [] : [refusal]);
  await east.call('licence.add', { key: LABORATORY });

  const report = await runScheme(east, 'idr.dispatch');
  checkOutcomes(step, 'each tape is copied', report, ['copied', 'copied', 'copied']);
  await checkInStep(step, sites);
  return {
    bytes: report.counts.bytesSent,
    lines: [
      `without the licence ${LABORATORY} it is refused; with it, run ${report.run.id}, by Dispatch:`,
      ...reportTable(report),
    ],
  };
}

async function secondRun(step: StepInHand, sites: LabSites, tapes: LabTapes) {
  await tapes.write(sites.east, VOLUMES[1]);
  const report = await runScheme(sites.east, 'idr.dispatch');
  checkOutcomes(step, 'the changed tape is copied, the others are left alone', report, [
    'unchanged',
    'copied',
    'unchanged',
  ]);
  const most = TAPE_DATA_BYTES * DELTA_PART_MAX;
  const sent = report.counts.bytesSent;
  step.check(
    `less than ${formatSize(most)} is sent for a block that changed in ${formatSize(TAPE_DATA_BYTES)}`,
    sent > 0 && sent < most ? [] : [`${sent} bytes were sent`],
  );
  await checkInStep(step, sites);
  return { lines: reportTable(report) };
}

async function verifyTarget(step: StepInHand, { east }: LabSites) {
  const report = await runScheme(east, 'idr.verify');
  checkOutcomes(step, 'every copy at west has the digest of its tape', report, [
    'unchanged',
    'unchanged',
    'unchanged',
  ]);
  step.same('no data is sent for it', report.counts.bytesSent, 0);
  return { lines: reportTable(report) };
}

async function swapAndBack(step: StepInHand, sites: LabSites, tapes: LabTapes) {
  const { east, west } = sites;
  await east.call('idr.swap', { name: SCHEME });
  step.same('after the swap west is the source', await roles(sites), ['standby', 'source']);
  await tapes.write(west, VOLUMES[2]);
  const there = await runScheme(west, 'idr.dispatch');
  checkOutcomes(step, 'what the host at west wrote comes back to east', there, [
    'unchanged',
    'unchanged',
    'copied',
  ]);
  step.check(
    `the host at east reads in ${VOLUMES[2]} what the host at west wrote`,
    await tapes.compare(east, VOLUMES[2]),
  );
  await west.call('idr.swap', { name: SCHEME });
  step.same('swapped back, east is the source again', await roles(sites), ['source', 'standby']);
  await checkInStep(step, sites);
  return {
    lines: [
      `west is the source; ${VOLUMES[2]} is written there, and run ${there.run.id} of west brings it to east:`,
      ...reportTable(there),
      'east is the source again, and all tapes are alike on both sides',
    ],
  };
}

function createScheme(
  site: LabSite,
  other: LabSite,
  role: 'source' | 'standby',
  source: { readonly pool: string; readonly targetPool: string },
): Promise<unknown> {
  const target: CopyTarget = targetAt(other);
  return site.call('idr.create', { name: SCHEME, role, target, sources: [source] });
}

/** Starts a run, waits for its end and answers its report. */
async function runScheme(
  site: LabSite,
  operation: 'idr.dispatch' | 'idr.verify',
): Promise<IdrReport> {
  const { id } = (await site.call(operation, { name: SCHEME })) as IdrRunRow;
  return runEnded(site, id);
}

/** The report of a run once that is over. */
export async function runEnded(site: LabSite, id: number): Promise<IdrReport> {
  const giveUpMs = systemClock.monotonicMs() + SILENCE_MS;
  for (;;) {
    const report = (await site.call('idr.report', { id })) as IdrReport;
    if (report.run.state !== 'running') return report;
    if (systemClock.monotonicMs() > giveUpMs) {
      throw new StepFailure(`run ${id} of ${site.name} does not end`);
    }
    await sleep(systemClock, POLL_MS);
  }
}

function checkOutcomes(
  step: StepInHand,
  what: string,
  { run, results }: IdrReport,
  expected: readonly IdrResultRow['outcome'][],
): void {
  step.same(
    what,
    [run.state, ...results.map(({ tape, outcome }) => `${tape} ${outcome}`)],
    ['done', ...VOLUMES.map((volume, index) => `${volume} ${expected[index]}`)],
  );
}

/** Both servers must have each tape alike, by generation and digest. */
async function checkInStep(step: StepInHand, { east, west }: LabSites): Promise<void> {
  const differences: string[] = [];
  for (const volume of VOLUMES) {
    const [ours, theirs] = [await versionAt(east, volume), await versionAt(west, volume)];
    if (ours !== undefined && JSON.stringify(ours) === JSON.stringify(theirs)) continue;
    differences.push(
      `${volume}: ${JSON.stringify(ours)} at east, ${JSON.stringify(theirs)} at west`,
    );
  }
  step.check('generation and digest of each tape are the same on both sides', differences);
}

async function roles({ east, west }: LabSites): Promise<readonly string[]> {
  const role = async (site: LabSite): Promise<string> =>
    ((await site.call('idr.show', { name: SCHEME })) as IdrSchemeRow).role;
  return [await role(east), await role(west)];
}

function reportTable({ results }: IdrReport): readonly string[] {
  return formatTable(
    [
      { title: 'TAPE', value: ({ tape }: IdrResultRow) => tape },
      { title: 'RESULT', value: ({ outcome }: IdrResultRow) => outcome },
      { title: 'GENERATION', align: 'right', value: (row) => String(row.generation ?? '-') },
      { title: 'SENT', align: 'right', value: ({ bytesSent }) => formatSize(bytesSent) },
      { title: 'REASON', value: ({ reason }) => reason ?? '-' },
    ],
    results,
  ).split('\n');
}
