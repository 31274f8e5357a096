/**
 * The laboratory's last part: Scan/Cleanup. Rules, a scan and its table with reasons, users' decisions, Erase
 * Now, and the list of what was erased.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { formatSize, formatTable } from '../../src/cli/text.ts';
import type { VerifyReport } from '../../src/ports/engine.ts';
import type { CleanupLine, CleanupTable } from '../../src/server/cleanup-table.ts';
import type { CleanupReport } from '../../src/server/scan-cleanup.ts';
import { homePaths } from '../../src/cli/home.ts';
import { VOLUME } from './lab-backup.ts';
import { MONTHLY, YEARLY, YEARLY_TAPE } from './lab-policy.ts';
import type { LabRecord, LabSites, StepInHand } from './lab-record.ts';
import { versionAt } from './lab-tapes.ts';
import type { LabTapes } from './lab-tapes.ts';

/** The laboratory has no weeks: what was written is past this at once. */
const RETENTION_MS = 1;
const LOCKED = 'MON004';
const FORBIDDEN = 'MON002';

/** What the table must say of each tape. */
const VERDICTS: Readonly<Record<string, string>> = {
  [VOLUME]: 'no, not migrated',
  MON001: 'yes, past retention',
  [FORBIDDEN]: 'no, not user authorized',
  MON003: 'no, nothing to erase',
  [LOCKED]: 'no, locked',
  WEE001: 'no, not migrated',
  WEE002: 'no, not migrated',
  WEE003: 'no, not migrated',
  [YEARLY_TAPE]: 'yes, user authorized',
};
const ERASED = ['MON001', YEARLY_TAPE] as const;

/** Shows Scan/Cleanup, from the rules to the list. */
export async function showCleanup(
  record: LabRecord,
  sites: LabSites,
  tapes: LabTapes,
): Promise<void> {
  await record.step('Scan/Cleanup: a scan, its reasons, and what users decide', (step) =>
    scan(step, sites),
  );
  await record.step('Erase Now!, and the list of what was erased', (step) =>
    eraseNow(step, sites, tapes),
  );
}

async function scan(step: StepInHand, { east }: LabSites) {
  await east.call('pool.modify', { name: MONTHLY, retentionMs: RETENTION_MS });
  await east.call('tape.lock', { name: LOCKED });
  const first = (await east.call('cleanup.scan', {})) as CleanupTable;
  step.same(
    'before anybody decides, what is past its retention is scheduled',
    first.tapes.filter(({ erase }) => erase).map(({ tape }) => tape),
    ['MON001', FORBIDDEN],
  );
  await east.call('cleanup.forbid', { tapes: [FORBIDDEN] });
  await east.call('cleanup.authorize', { tapes: [YEARLY_TAPE, LOCKED] });
  const { tapes } = (await east.call('cleanup.show', {})) as CleanupTable;
  step.same(
    'each tape has its reason; a user overrules the retention, and nobody a lock',
    Object.fromEntries(tapes.map(({ tape, reason }) => [tape, reason])),
    VERDICTS,
  );
  return {
    lines: [
      `the retention of pool ${MONTHLY} is over, ${LOCKED} is locked, ${YEARLY_TAPE} is kept 14 days by its migration;`,
      `a user forbids ${FORBIDDEN} and authorizes ${YEARLY_TAPE} and ${LOCKED}:`,
      ...table(tapes),
    ],
  };
}

async function eraseNow(step: StepInHand, { east }: LabSites, tapes: LabTapes) {
  const kept = Object.keys(VERDICTS).filter((tape) => !ERASED.includes(tape as 'MON001'));
  const versions = async (): Promise<readonly unknown[]> =>
    Promise.all(kept.map((tape) => versionAt(east, tape)));
  const before = await versions();
  const report = (await east.call('cleanup.erase', {})) as CleanupReport;
  step.same(
    'what has a yes is erased, and nothing else',
    [report.erased, report.failed],
    [ERASED, []],
  );
  const list = join(homePaths(east.home).log, report.list ?? '');
  const lines = (await readFile(list, 'utf8')).trimEnd().split('\n');
  step.same('the list has a line for each', lines.slice(-ERASED.length), [
    `/VAULT00/${MONTHLY}/MON001 erased`,
    `/VAULT00/${YEARLY}/${YEARLY_TAPE} erased`,
  ]);
  const { tapes: rows } = (await east.call('cleanup.show', {})) as CleanupTable;
  step.same(
    'the erased tapes have no data and their metadata',
    rows
      .filter(({ tape }) => ERASED.includes(tape as 'MON001'))
      .map(({ tape, sizeBytes, migrated, reason }) => [tape, sizeBytes, migrated, reason]),
    ERASED.map((tape) => [tape, 0, 'by VTS', 'no, nothing to erase']),
  );
  step.same('all other tapes are as they were', await versions(), before);
  step.check(
    `the host restores ${FORBIDDEN}, which a user kept`,
    await tapes.compare(east, FORBIDDEN),
  );
  const { damages } = (await east.call('tape.verify', {})) as VerifyReport;
  step.same("east's vault has no damage", damages, []);
  return { lines: [`${report.list}:`, ...lines.map((line) => `  ${line}`)] };
}

function table(tapes: readonly CleanupLine[]): readonly string[] {
  return formatTable(
    [
      { title: 'POOL :: CARTRIDGE', value: ({ pool, tape }: CleanupLine) => `${pool} :: ${tape}` },
      { title: 'MIGRATED', value: ({ migrated }: CleanupLine) => migrated },
      { title: 'SIZE', align: 'right', value: ({ sizeBytes }) => formatSize(sizeBytes) },
      { title: 'ERASE', value: ({ erase, reason }) => `[${erase ? 'x' : ' '}] ${reason}` },
    ],
    tapes,
  ).split('\n');
}
