/** Scan/Cleanup over production services in a simulated world. */
import { describe, expect, it } from 'vitest';
import { generation } from '../../../src/base/units.ts';
import type { CleanupTable } from '../../../src/server/cleanup-table.ts';
import type { CleanupReport, CleanupSettings } from '../../../src/server/scan-cleanup.ts';
import { Bench, noSpace } from './bench.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

async function start(cleanup: Partial<CleanupSettings> = {}): Promise<Bench> {
  const bench = await Bench.start({ settings: { cleanup: { enable: true, ...cleanup } } });
  await bench.east.catalog.updatePool('POOL1', { retentionMs: DAY_MS });
  return bench;
}

/** A backup on LAB001, and both tapes' contents known to an application. */
async function migrate(bench: Bench, ...tapes: readonly string[]): Promise<void> {
  const { catalog } = bench.east;
  for (const tape of tapes) {
    const row = await catalog.findTape(tape);
    await catalog.recordMigration(
      {
        tape,
        generation: row?.generation ?? generation(0),
        atMs: bench.world.clock.nowMs(),
        application: 'TSM',
        keepMs: undefined,
      },
      {
        atMs: 0,
        severity: 'INFO',
        messageId: '224106',
        address: '',
        user: '',
        program: '',
        text: '',
      },
    );
  }
}

const tableOf = async (bench: Bench, operation = 'cleanup.show'): Promise<CleanupTable> =>
  (await bench.east.call(operation)) as CleanupTable;

async function reasons(bench: Bench, operation?: string): Promise<Record<string, string>> {
  const { tapes } = await tableOf(bench, operation);
  return Object.fromEntries(tapes.map(({ tape, reason }) => [tape, reason]));
}

const erase = async (bench: Bench): Promise<CleanupReport> =>
  (await bench.east.call('cleanup.erase')) as CleanupReport;

const sizeOf = async (bench: Bench, tape: string) =>
  (await bench.east.catalog.findTape(tape))?.payloadBytes ?? 0;

describe('Scan/Cleanup', () => {
  it('scans, shows why, and erases what is past its retention, with a list', async () => {
    const bench = await start();
    await bench.backUp(1);
    await migrate(bench, 'LAB001');
    expect(await reasons(bench, 'cleanup.scan')).toEqual({
      LAB001: 'no, not past retention',
      LAB002: 'no, not migrated',
    });
    await bench.world.advance(DAY_MS);
    // Nothing is scheduled that no scan has found.
    expect(await reasons(bench)).toMatchObject({ LAB001: 'no, not past retention' });
    expect((await erase(bench)).erased).toEqual([]);
    expect(await reasons(bench, 'cleanup.scan')).toMatchObject({ LAB001: 'yes, past retention' });
    const report = await erase(bench);
    expect(report).toMatchObject({ erased: ['LAB001'], failed: [] });
    expect(await bench.east.catalog.findTape('LAB001')).toMatchObject({
      payloadBytes: 0,
      migratedBy: 'vts',
    });
    expect(await reasons(bench)).toMatchObject({ LAB001: 'no, nothing to erase' });
    const lines = bench.east.simulated.logFiles.files.get(report.list ?? '')?.split('\n');
    expect(lines?.[0]).toMatch(/^\d\d[A-Z][a-z]{2}\d\d \d\d:\d\d:system:erase-by-list$/);
    expect(lines?.slice(2)).toEqual(['/VAULT00/POOL1/LAB001 erased', '']);
    expect(await bench.east.log('225102')).toHaveLength(1);
    expect(bench.east.faults).toEqual([]);
  });

  it('shows the columns of the manual', async () => {
    const bench = await start();
    await bench.backUp(1);
    await migrate(bench, 'LAB001');
    await bench.east.catalog.updateTape('LAB002', { migratedBy: 'other', migratedAtMs: 5 });
    const table = await tableOf(bench, 'cleanup.scan');
    const row = await bench.east.catalog.findTape('LAB001');
    expect(table).toMatchObject({ enable: true, autoerase: false, scannedBy: 'system' });
    expect(table.tapes).toEqual([
      {
        pool: 'POOL1',
        tape: 'LAB001',
        erasedAtMs: undefined,
        writtenAtMs: row?.writtenAtMs,
        retentionMs: DAY_MS,
        retainedUntilMs: (row?.writtenAtMs ?? 0) + DAY_MS,
        migratedAtMs: row?.migratedAtMs,
        migrated: 'by VTS',
        sizeBytes: row?.payloadBytes,
        erase: false,
        reason: 'no, not past retention',
      },
      expect.objectContaining({ migrated: 'not by VTS', reason: 'no, not migrated by VTS' }),
    ]);
  });

  it('lets a user authorize and forbid, until Reset or until the erase', async () => {
    const bench = await start();
    await bench.backUp(1);
    await migrate(bench, 'LAB001', 'LAB002');
    await bench.east.call('cleanup.authorize', { tapes: ['LAB001', 'LAB002'] });
    expect(await reasons(bench)).toEqual({
      LAB001: 'yes, user authorized',
      LAB002: 'yes, user authorized',
    });
    await bench.east.call('cleanup.reset', { tapes: ['LAB002'] });
    await bench.world.advance(2 * DAY_MS);
    await bench.east.call('cleanup.forbid', { tapes: ['LAB002'] });
    expect(await reasons(bench, 'cleanup.scan')).toMatchObject({
      LAB002: 'no, not user authorized',
    });
    expect((await erase(bench)).erased).toEqual(['LAB001']);
    expect(await bench.east.catalog.listCleanupMarks()).toMatchObject([{ tape: 'LAB002' }]);
    await bench.east.call('cleanup.reset');
    expect(await reasons(bench, 'cleanup.scan')).toMatchObject({ LAB002: 'yes, past retention' });
    const unknown = bench.east.call('cleanup.authorize', { tapes: ['LAB002', 'LAB009'] });
    await expect(unknown).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(await bench.east.catalog.listCleanupMarks()).toEqual([]);
  });

  it('does not erase what was locked, mounted, written or kept longer since the scan', async () => {
    const bench = await start();
    await bench.backUp(1);
    await migrate(bench, 'LAB001', 'LAB002');
    await bench.world.advance(2 * DAY_MS);
    expect(await reasons(bench, 'cleanup.scan')).toEqual({
      LAB001: 'yes, past retention',
      LAB002: 'yes, past retention',
    });
    await bench.east.call('tape.lock', { name: 'LAB002' });
    await bench.request('LAB001');
    expect(await reasons(bench)).toEqual({ LAB001: 'no, mounted', LAB002: 'no, locked' });
    await bench.write(2);
    await bench.unload();
    expect(await reasons(bench)).toMatchObject({ LAB001: 'no, written since migration' });
    await migrate(bench, 'LAB001');
    expect(await reasons(bench)).toMatchObject({ LAB001: 'no, not scanned' });
    await bench.east.call('tape.unlock', { name: 'LAB002' });
    await bench.east.catalog.updatePool('POOL1', { retentionMs: 30 * DAY_MS });
    expect(await reasons(bench)).toMatchObject({ LAB002: 'no, not past retention' });
    expect(await erase(bench)).toEqual({ list: undefined, erased: [], failed: [] });
    expect(await sizeOf(bench, 'LAB002')).toBeGreaterThan(0);
  });

  it('looks again in the moment of the erase: what a host mounts meanwhile stays', async () => {
    const bench = await start();
    await bench.backUp(1);
    await migrate(bench, 'LAB001', 'LAB002');
    await bench.east.call('cleanup.authorize', { tapes: ['LAB001', 'LAB002'] });
    let asked = false;
    bench.east.after = async (call) => {
      if (call !== 'catalog.putErasure' || asked) return;
      asked = true;
      await bench.east.catalog.updateTape('LAB001', { userLocked: true });
    };
    const report = await erase(bench);
    expect(report.erased).toEqual(['LAB002']);
    expect(report.failed).toEqual([
      { tape: 'LAB001', reason: expect.stringMatching(/"no, locked"/) as string },
    ]);
    expect(await bench.east.log('425103')).toHaveLength(1);
    expect(await bench.east.catalog.listErasures()).toEqual([]);
    expect(await sizeOf(bench, 'LAB001')).toBeGreaterThan(1000);
  });

  it('erases by usage of the disk, the longest migrated first', async () => {
    const bench = await start({ usagePercentMax: 80 });
    await bench.backUp(1);
    await migrate(bench, 'LAB002');
    await bench.world.advance(1000);
    await migrate(bench, 'LAB001');
    bench.east.simulated.fileSystem = { id: 'd', totalBytes: 1000, freeBytes: 190 };
    expect(await reasons(bench, 'cleanup.scan')).toEqual({
      LAB001: 'no, not past retention',
      LAB002: 'yes, usage over 80 %',
    });
    bench.east.simulated.fileSystem = { id: 'd', totalBytes: 100_000, freeBytes: 0 };
    expect(await reasons(bench, 'cleanup.scan')).toEqual({
      LAB001: 'yes, usage over 80 %',
      LAB002: 'yes, usage over 80 %',
    });
    expect((await erase(bench)).erased).toEqual(['LAB001', 'LAB002']);
  });

  it('is off unless the configuration turns it on, but in 6.04.01', async () => {
    const bench = await Bench.start();
    await expect(bench.east.call('cleanup.scan')).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
    await expect(bench.east.call('cleanup.erase')).rejects.toThrow(/cleanup.enable is off/);
    expect(await tableOf(bench)).toMatchObject({ enable: false, nextScanAtMs: undefined });
    await bench.world.advance(3 * DAY_MS);
    expect(await bench.east.catalog.findCleanupScan()).toBeUndefined();
    const old = await Bench.start({ settings: { profile: '6.04.01' } });
    expect(await tableOf(old, 'cleanup.scan')).toMatchObject({ enable: true });
  });
});

describe('the schedule of Scan/Cleanup', () => {
  const scannedAt = async (bench: Bench): Promise<string> => {
    const scan = await bench.east.catalog.findCleanupScan();
    return scan === undefined ? 'never' : new Date(scan.atMs).toISOString().slice(11, 16);
  };

  it('scans at its time of day and erases by itself where it may', async () => {
    const bench = await start({ autoerase: true, scanAt: '03:30' });
    await bench.backUp(1);
    await migrate(bench, 'LAB001');
    const { nextScanAtMs = 0 } = await tableOf(bench);
    expect(new Date(nextScanAtMs).toISOString().slice(11)).toBe('03:30:00.000Z');
    await bench.world.advance(nextScanAtMs - bench.world.clock.nowMs() - 1);
    expect(await scannedAt(bench)).toBe('never');
    await bench.world.advance(1000);
    expect(await scannedAt(bench)).toBe('03:30');
    await bench.world.advance(2 * DAY_MS);
    expect(await sizeOf(bench, 'LAB001')).toBe(0);
    const list = [...bench.east.simulated.logFiles.files.values()][0];
    expect(list).toMatch(/^\d\d[A-Z][a-z]{2}\d\d 03:30:schedule:erase-by-list\n/);
  });

  it('only scans without autoerase', async () => {
    const bench = await start();
    await bench.backUp(1);
    await migrate(bench, 'LAB001');
    await bench.world.advance(3 * DAY_MS);
    expect(await reasons(bench)).toMatchObject({ LAB001: 'yes, past retention' });
    expect(await sizeOf(bench, 'LAB001')).toBeGreaterThan(0);
    expect(await bench.east.log('225101')).toHaveLength(3);
  });

  it.each([
    [6, 8],
    [24, 2],
    [48, 1],
  ])('comes every %i hours: %i times in two days', async (intervalHours, count) => {
    const bench = await start({ intervalHours, scanAt: '00:00' });
    await bench.world.advance(2 * DAY_MS);
    expect(await bench.east.log('225101')).toHaveLength(count);
  });

  it.each([
    ['in winter', '2026-01-10T01:00:00Z', '2026-01-11T01:00:00.000Z'],
    ['over the hour that is left out', '2026-03-28T01:00:00Z', '2026-03-29T01:00:00.000Z'],
    ['in summer', '2026-07-10T00:00:00Z', '2026-07-11T00:00:00.000Z'],
    ['over the hour that comes twice', '2026-10-24T00:00:00Z', '2026-10-25T00:00:00.000Z'],
  ])('keeps its time of day in its zone %s', async (_, last, next) => {
    const bench = await start({ timeZone: 'Europe/Berlin', scanAt: '02:00' });
    const scan = { atMs: 0, user: 'schedule', scheduledThroughMs: Date.parse(last) };
    await bench.east.catalog.putCleanupScan(scan, []);
    expect(new Date((await tableOf(bench)).nextScanAtMs ?? 0).toISOString()).toBe(next);
  });

  it('makes a scan up that it missed while it was down, once', async () => {
    const bench = await start();
    await bench.world.advance(DAY_MS + HOUR_MS);
    const before = (await bench.east.log('225101')).length;
    bench.east.simulated.crash('kill');
    await bench.world.advance(5 * DAY_MS);
    await bench.east.start();
    await bench.world.advance(1000);
    expect(await bench.east.log('225101')).toHaveLength(before + 1);
    await bench.world.advance(DAY_MS);
    expect(await bench.east.log('225101')).toHaveLength(before + 2);
  });

  it('tries again later where the catalog fails, and says so', async () => {
    const bench = await start();
    let failing = true;
    bench.east.before = (call) => {
      if (failing && call === 'catalog.putCleanupScan') throw noSpace();
    };
    await bench.world.advance(DAY_MS + 5 * HOUR_MS);
    const failures = (await bench.east.log('625106')).length;
    expect(failures).toBeGreaterThan(0);
    expect(failures).toBeLessThan(30);
    failing = false;
    await bench.world.advance(2 * HOUR_MS);
    expect(await bench.east.log('225101')).toHaveLength(1);
    expect(bench.east.faults).toEqual([]);
  });
});

describe('Scan/Cleanup and crashes', () => {
  /** Both tapes authorized, and the server killed in the call that `die` names. */
  async function crashIn(
    call: string,
    when: 'before' | 'after',
    autoerase = false,
  ): Promise<Bench> {
    const bench = await start({ autoerase });
    await bench.backUp(1);
    await migrate(bench, 'LAB001', 'LAB002');
    await bench.east.call('cleanup.authorize', { tapes: ['LAB001', 'LAB002'] });
    let died = false;
    bench.east[when] = (each: string) => {
      if (each !== call || died) return undefined;
      died = true;
      return bench.east.die();
    };
    void bench.east.server.operations.call('cleanup.erase', {});
    await bench.world.until(() => died, 10_000);
    expect(died).toBe(true);
    bench.east.before = () => undefined;
    bench.east.after = () => undefined;
    await bench.east.start();
    return bench;
  }

  it.each([
    ['catalog.putErasure', 'before', false],
    ['catalog.putErasure', 'after', false],
    ['engine.createImage', 'before', false],
    ['engine.publishImage', 'before', false],
    ['engine.publishImage', 'after', true],
    ['catalog.recordErase', 'before', true],
    ['catalog.recordErase', 'after', true],
    ['catalog.deleteErasure', 'before', true],
    ['catalog.deleteErasure', 'after', true],
  ] as const)(
    'killed %s (%s), the tape is erased and listed, or neither',
    async (call, when, done) => {
      const bench = await crashIn(call, when);
      const erasedLines = (): number =>
        [...bench.east.simulated.logFiles.files.values()]
          .join('')
          .split('\n')
          .filter((line) => line === '/VAULT00/POOL1/LAB001 erased').length;
      const row = await bench.east.catalog.findTape('LAB001');
      expect(row?.payloadBytes === 0).toBe(done);
      expect(row?.erasedAtMs !== undefined).toBe(done);
      expect(erasedLines()).toBe(done ? 1 : 0);
      expect(await bench.east.log('421013')).toHaveLength(done ? 1 : 0);
      expect(await bench.east.catalog.listErasures()).toEqual([]);
      expect((await bench.east.catalog.listCleanupMarks()).map((mark) => mark.tape)).toEqual(
        done ? ['LAB002'] : ['LAB001', 'LAB002'],
      );
      // What was not done can be done now.
      expect((await erase(bench)).erased).toEqual(done ? ['LAB002'] : ['LAB001', 'LAB002']);
      expect(erasedLines()).toBe(1);
      expect(bench.east.faults).toEqual([]);
    },
  );

  it('a full disk under the list ends the run, and what was erased is listed by the next', async () => {
    const bench = await start();
    await bench.backUp(1);
    await migrate(bench, 'LAB001', 'LAB002');
    await bench.east.call('cleanup.authorize', { tapes: ['LAB001', 'LAB002'] });
    const { logFiles } = bench.east.simulated;
    bench.east.after = (call) => {
      if (call === 'catalog.recordErase') logFiles.full = true;
    };
    await expect(erase(bench)).rejects.toMatchObject({ code: 'NO_SPACE' });
    expect(await sizeOf(bench, 'LAB002')).toBeGreaterThan(0);
    logFiles.full = false;
    bench.east.after = () => undefined;
    expect((await erase(bench)).erased).toEqual(['LAB002']);
    const text = [...logFiles.files.values()].join('');
    expect(text.match(/LAB001 erased/g)).toHaveLength(1);
    expect(text.match(/LAB002 erased/g)).toHaveLength(1);
  });

  it('goes on with what a schedule erased when the server ended', async () => {
    const bench = await start({ autoerase: true });
    await bench.backUp(1);
    await migrate(bench, 'LAB001', 'LAB002');
    let died = false;
    bench.east.before = (call) => {
      if (call !== 'catalog.putErasure' || died) return undefined;
      died = true;
      return bench.east.die();
    };
    await bench.world.until(() => died, 3 * DAY_MS);
    await bench.east.start();
    expect(await sizeOf(bench, 'LAB001')).toBe(0);
    expect(await sizeOf(bench, 'LAB002')).toBe(0);
  });
});
