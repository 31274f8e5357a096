/**
 * The laboratory end to end, on a small folder that has what folders have: binary files, many small
 * ones, an empty one, symbolic links, long names and names that are not ASCII.
 */
import { readFile, readdir, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { withDir } from 'tmp-promise';
import { describe, expect, it } from 'vitest';
import { SimulatedRandom } from '../../harness/world/simulated-random.ts';
import { runLab } from '../../harness/rig/lab.ts';
import { REPORT_COLUMNS, formatReport } from '../../harness/rig/lab-report.ts';
import { runCapstan } from '../../harness/rig/serve-process.ts';

const SMALL_FILE_COUNT = 120;
const BINARY_BYTES = 3_000_000;
const STEP_COUNT = 15;
const CHECK_COUNT = 31;

const inFolder = (work: (path: string) => Promise<void>): Promise<void> =>
  withDir(({ path }) => work(path), { unsafeCleanup: true });

async function makeFiles(folder: string): Promise<number> {
  const random = new SimulatedRandom(7);
  const longName = `${'long-name-'.repeat(20)}.bin`;
  await mkdir(join(folder, 'small/deeper'), { recursive: true });
  await writeFile(join(folder, 'binary'), random.bytes(BINARY_BYTES));
  await writeFile(join(folder, 'empty'), '');
  await writeFile(join(folder, longName), random.bytes(100_000));
  await writeFile(join(folder, 'Grüße, 世界 ☂.txt'), 'not ASCII\n'.repeat(1000));
  await symlink('binary', join(folder, 'link'));
  await symlink('nowhere', join(folder, 'dangling'));
  for (let index = 0; index < SMALL_FILE_COUNT; index += 1) {
    await writeFile(join(folder, 'small/deeper', `file${index}`), random.bytes(random.below(3000)));
  }
  return 4 + SMALL_FILE_COUNT;
}

describe('the laboratory', { timeout: 120_000 }, () => {
  it('succeeds on a folder of all kinds of files, and says so as JSON', () =>
    inFolder(async (folder) => {
      const from = join(folder, 'files');
      await mkdir(from);
      const fileCount = await makeFiles(from);
      const { code, stdout, stderr } = await runCapstan(['lab', '--from', from, '--json']);
      expect(stderr).toBe('');
      expect(code).toBe(0);
      const result = JSON.parse(stdout) as Awaited<ReturnType<typeof runLab>>;
      expect(result).toMatchObject({
        held: true,
        volume: 'LAB001',
        files: { fileCount, skippedCount: 0, resizedCount: 0, changedCount: 2 },
      });
      expect(result.failure).toBeUndefined();
      expect(result.checks).toHaveLength(CHECK_COUNT);
      expect(result.steps.map(({ number }) => number)).toEqual(
        Array.from({ length: STEP_COUNT }, (_, index) => index + 1),
      );
      // What did not change was not sent again.
      const [first, second] = result.copies;
      expect(first?.bytesSent).toBeGreaterThan(BINARY_BYTES);
      expect(second?.bytesSent).toBeLessThan(first?.bytesSent ?? 0);
      expect(second?.generation).toBe(2);
      const numbersOf = (lines: readonly string[]): readonly string[] =>
        lines.flatMap((line) => / (\d{6}) /.exec(line)?.[1] ?? []);
      const written = '000600 000648 000659';
      const read = '000601 000648 000659';
      expect(numbersOf(result.sites['east']?.emsLines ?? []).join(' ')).toBe(
        [
          `${written} ${written} 000601 000648 000619 000659 ${read}`,
          // Instant DR: three tapes, one again, and what west wrote is read.
          `${written} ${written} ${written} ${written} ${read}`,
          // VTSPolicy: six tapes, then macros and FUP; Scan/Cleanup: one is read.
          ...Array.from({ length: 6 }, () => written),
          `001234 001234 001234 000512 000512 001234 001234 ${read}`,
        ].join(' '),
      );
      // Nobody writes to the folder.
      expect(await readdir(from)).toHaveLength(7);
      for (const line of formatReport(result).split('\n')) {
        expect(line.length).toBeLessThanOrEqual(REPORT_COLUMNS);
      }
    }));

  it('finds what is planted: bytes changed on disk, a lock, a lock taken away', () =>
    inFolder(async (folder) => {
      const result = await runPlanted(folder, (step, { east, west }) => {
        if (step === 7 || step === 10) return flipByte(join(west.home, 'vaults/VAULT00/packs'));
        if (step === 13) return east.call('tape.lock', { name: 'MON003' });
        if (step === 15) return east.call('tape.unlock', { name: 'MON004' });
        return undefined;
      });
      expect(result.failure).toBeUndefined();
      const failed = result.checks.filter(({ held }) => !held);
      expect([...new Set(failed.map(({ step }) => step))]).toEqual([7, 10, 13, 14, 15]);
      const differences = failed.flatMap((each) => each.differences).join('\n');
      // The place of the first byte is named.
      expect(differences).toMatch(
        /object \d+: east has a block of \d+ bytes, west 3\/11\/00|object \d+: .*UNRECOVERED/,
      );
      expect(differences).toMatch(/WEE00\d failed/);
      expect(differences).toContain('failed (1 failed), expected done');
      expect(formatReport(result)).toContain('FAILURE');
    }));

  it('finds what stands in the way of Instant DR, and ends where nothing can go on', () =>
    inFolder(async (folder) => {
      const result = await runPlanted(folder, (step, { west }) =>
        step === 8 ? west.call('tape.create', { name: 'WEE002', pool: 'DR' }) : undefined,
      );
      expect(result.held).toBe(false);
      expect(result.failure).toMatch(/WEE002/);
      const failed = result.checks.filter(({ held }) => !held);
      expect([...new Set(failed.map(({ step }) => step))]).toEqual([8, 9, 10]);
      expect(result.steps).toHaveLength(10);
      expect(formatReport(result)).toContain('The run ended early');
    }));

  it('ends where one of its homes is there already, and says which', () =>
    inFolder(async (folder) => {
      const from = join(folder, 'files');
      await mkdir(join(folder, 'lab/west'), { recursive: true });
      await mkdir(from);
      await writeFile(join(from, 'file'), 'one\n');
      await writeFile(join(folder, 'lab/west/capstan.json'), '{}');
      const keep = ['--keep', join(folder, 'lab')];
      const { code, stdout } = await runCapstan(['lab', '--from', from, ...keep]);
      expect(code).toBe(1);
      expect(stdout).toContain('lab/west exists already');
    }));

  it('refuses a folder that is not there, in one sentence', async () => {
    const { code, stderr } = await runCapstan(['lab', '--from', '/nowhere/at/all']);
    expect(code).toBe(1);
    expect(stderr).toBe('capstan: The folder /nowhere/at/all is refused: it is not there.\n');
  });
});

async function runPlanted(
  folder: string,
  beforeStep: NonNullable<Parameters<typeof runLab>[0]['beforeStep']>,
): ReturnType<typeof runLab> {
  const from = join(folder, 'files');
  await mkdir(from);
  await makeFiles(from);
  const result = await runLab({ from, folder: join(folder, 'lab'), keeps: false, beforeStep });
  expect(result.held).toBe(false);
  return result;
}

/** Changes one byte in the middle of the largest pack. */
async function flipByte(packs: string): Promise<void> {
  const files = await Promise.all(
    (await readdir(packs)).map(async (name) => {
      const path = join(packs, name);
      return { path, bytes: await readFile(path) };
    }),
  );
  const { path, bytes } = files.toSorted((a, b) => b.bytes.length - a.bytes.length)[0] ?? {
    path: '',
    bytes: Buffer.alloc(0),
  };
  const middle = Math.floor(bytes.length / 2);
  bytes[middle] = (bytes[middle] ?? 0) ^ 0x10;
  await writeFile(path, bytes);
}
