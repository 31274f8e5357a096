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
      expect(result.checks).toHaveLength(6);
      expect(result.steps.map(({ number }) => number)).toEqual([1, 2, 3, 4, 5, 6, 7]);
      // What did not change was not sent again.
      const [first, second] = result.copies;
      expect(first?.bytesSent).toBeGreaterThan(BINARY_BYTES);
      expect(second?.bytesSent).toBeLessThan(first?.bytesSent ?? 0);
      expect(second?.generation).toBe(2);
      const numbersOf = (lines: readonly string[]): readonly string[] =>
        lines.flatMap((line) => / (\d{6}) /.exec(line)?.[1] ?? []);
      expect(numbersOf(result.sites['east']?.emsLines ?? []).join(' ')).toBe(
        '000600 000648 000659 000600 000648 000659 ' +
          '000601 000648 000619 000659 000601 000648 000659',
      );
      // Nobody writes to the folder.
      expect(await readdir(from)).toHaveLength(7);
      for (const line of formatReport(result).split('\n')) {
        expect(line.length).toBeLessThanOrEqual(REPORT_COLUMNS);
      }
    }));

  it("finds a byte of west's pack that was changed on disk, and names the place", () =>
    inFolder(async (folder) => {
      const from = join(folder, 'files');
      await mkdir(from);
      await makeFiles(from);
      const result = await runLab({
        from,
        folder: join(folder, 'lab'),
        keeps: false,
        beforeComparison: ({ west }) => flipByte(join(west, 'vaults/VAULT00/packs')),
      });
      expect(result.held).toBe(false);
      const failed = result.checks.filter(({ held }) => !held);
      expect(failed.map(({ step }) => step)).toContain(7);
      expect(failed.flatMap(({ differences }) => differences).join('\n')).toMatch(
        /object \d+: east has a block of \d+ bytes, west 3\/11\/00|object \d+: .*UNRECOVERED/,
      );
      expect(formatReport(result)).toContain('FAILURE');
    }));

  it('refuses a folder that is not there, in one sentence', async () => {
    const { code, stderr } = await runCapstan(['lab', '--from', '/nowhere/at/all']);
    expect(code).toBe(1);
    expect(stderr).toBe('capstan: The folder /nowhere/at/all is refused: it is not there.\n');
  });
});

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
