/**
 * The laboratory's first part: a NonStop host backs real files up onto a virtual tape, AutoCopy carries
 * it to the other server, and every byte is compared.
 */
import { isSense } from '../../src/scsi/sense.ts';
import { SECOND_MS } from '../../src/base/units.ts';
import { formatCount, formatDuration, formatNumberOf, formatSize } from '../../src/cli/text.ts';
import { systemClock } from '../../src/platform/system-clock.ts';
import { sleep } from '../../src/ports/clock.ts';
import type { CopyJobRow, TapeRow } from '../../src/ports/catalog.ts';
import { backup, restore } from '../hosts/backup-jobs.ts';
import type { MountedTape } from '../hosts/mount-request.ts';
import { compareTapes } from './lab-compare.ts';
import { NO_OVERLAY, RECORD_BYTES, changeFiles, tarRecords } from './lab-files.ts';
import type { FileSet, Overlay, TapedFiles } from './lab-files.ts';
import { StepFailure } from './lab-record.ts';
import type { LabRecord, LabSites, StepInHand } from './lab-record.ts';
import { RestoreComparison } from './lab-restore.ts';
import type { LabCopy } from './lab-result.ts';
import { SILENCE_MS } from './lab-sites.ts';
import type { LabSite } from './lab-sites.ts';

/** The tape of the walk. */
export const VOLUME = 'LAB001';
/** Its pool at east, and that of its copy at west. */
export const POOL = 'BACKUP';
export const TARGET_POOL = 'DR';
const CHANGE_SEED = 1;
/** How long the queue is watched for a copy that must not come. */
const WATCH_MS = 2 * SECOND_MS;

/** The walk of one tape: its steps in their order, and what they leave for the report. */
export class LabBackup {
  readonly copies: LabCopy[] = [];
  readonly #record: LabRecord;
  readonly #files: FileSet;
  readonly #east: LabSite;
  readonly #west: LabSite;
  #taped: TapedFiles | undefined;
  #overlay: Overlay = NO_OVERLAY;

  constructor(record: LabRecord, files: FileSet, { east, west }: LabSites) {
    this.#record = record;
    this.#files = files;
    this.#east = east;
    this.#west = west;
  }

  /** What is on the tape; undefined before it was written. */
  get taped(): TapedFiles | undefined {
    return this.#taped;
  }

  get changedCount(): number {
    return this.#overlay.size;
  }

  async run(): Promise<void> {
    const first = await this.#mountForBackup();
    await this.#writeBackup(first);
    await this.#record.step('Dismount, and AutoCopy carries the tape to west', async (step) => {
      const copy = await this.#dismountedAndCopied(step, first);
      return { bytes: copy.bytesSent, lines: [copyLine(copy)] };
    });
    await this.#backupAgain();
    await this.#restoreReadOnly();
    await this.#compareBothSides();
  }

  async #mountForBackup(): Promise<MountedTape> {
    let tape: MountedTape | undefined;
    await this.#record.step(`The host asks for ${VOLUME} with ring`, async () => {
      tape = await this.#east.mount(VOLUME, true, 'NIGHTLY BACKUP');
      return {
        lines: [`request ${tape.requestNumber} is mounted on ${tape.device} (event 648)`],
      };
    });
    return tape as MountedTape;
  }

  async #writeBackup(tape: MountedTape): Promise<void> {
    await this.#record.step('The host writes its files', async (step) => {
      const { taped, totals } = await this.#backup(step, tape, NO_OVERLAY);
      const padding = taped.recordCount * RECORD_BYTES - taped.tarBytes;
      return {
        bytes: totals.byteCount,
        lines: [
          `${formatNumberOf(taped.fileCount, 'file')}, ${formatSize(taped.byteCount)}, ` +
            `as a tar stream of ${formatNumberOf(taped.recordCount, 'record')} of 32 KiB`,
          `VOL1 (column 80 B) HDR1 HDR2 TM data TM EOF1 EOF2 TM TM; ` +
            `the last record has ${formatCount(padding)} bytes of padding`,
        ],
      };
    });
  }

  async #backup(
    step: StepInHand,
    tape: MountedTape,
    overlay: Overlay,
  ): Promise<{
    readonly taped: TapedFiles;
    readonly totals: { readonly blockCount: number; readonly byteCount: number };
  }> {
    const { records, taped } = tarRecords(this.#files, overlay);
    const report = (done: number): void =>
      step.progress(done, Math.max(this.#files.byteCount, done));
    const totals = await backup(tape, {
      file: 'LAB.FILES',
      blocks: withProgress(records, report),
      blockLengthMax: RECORD_BYTES,
      atMs: systemClock.nowMs(),
    });
    this.#taped = taped;
    this.#overlay = overlay;
    return { taped, totals };
  }

  /** Unloads the tape and waits until west has acknowledged this very generation. */
  async #dismountedAndCopied(step: StepInHand, tape: MountedTape): Promise<LabCopy> {
    const site = this.#east;
    const mark = site.eventCount;
    const cancel = site.server.server.onEvent((event) => {
      if (event.kind === 'copy-progress') {
        step.progress(event.chunksSent, event.chunksNeeded, 'chunks');
      }
    });
    try {
      await tape.unload();
      const dismounted = await site.nextEvent('dismounted', mark, SILENCE_MS);
      const beganMs = systemClock.monotonicMs();
      const finished = await site.nextEvent('copy-finished', mark, SILENCE_MS);
      const { generation, bytesSent, chunkCount, chunksSent } = finished;
      if (generation !== dismounted.generation || finished.outcome !== 'copied') {
        throw new StepFailure(
          `west has generation ${generation} (${finished.outcome}), dismounted was ${dismounted.generation}`,
        );
      }
      const copy: LabCopy = {
        generation,
        durationMs: systemClock.monotonicMs() - beganMs,
        bytesSent,
        chunkCount,
        chunksSent,
        tapeBytes: (await this.#tapeRow(site)).payloadBytes,
      };
      this.copies.push(copy);
      return copy;
    } finally {
      cancel();
    }
  }

  async #tapeRow(site: LabSite): Promise<TapeRow> {
    const rows = (await site.call('tape.list', {})) as readonly TapeRow[];
    const row = rows.find(({ name }) => name === VOLUME);
    if (row === undefined) throw new StepFailure(`${site.name} has no tape ${VOLUME}`);
    return row;
  }

  async #backupAgain(): Promise<void> {
    const title = '1 % of the files change; back up and copy again';
    await this.#record.step(title, async (step) => {
      const overlay = changeFiles(this.#files, CHANGE_SEED);
      const tape = await this.#east.mount(VOLUME, true, 'NIGHTLY BACKUP');
      const beganMs = systemClock.monotonicMs();
      const { totals } = await this.#backup(step, tape, overlay);
      const writeMs = systemClock.monotonicMs() - beganMs;
      const copy = await this.#dismountedAndCopied(step, tape);
      const smaller = formatCount(Math.round(copy.tapeBytes / Math.max(copy.bytesSent, 1)));
      return {
        bytes: totals.byteCount,
        lines: [
          `${formatNumberOf(overlay.size, 'file')} changed (edits applied while reading, seed ${CHANGE_SEED}), ` +
            `the whole tape rewritten in ${formatDuration(writeMs)}`,
          `${copyLine(copy)}: the tape is ${smaller} times that`,
        ],
      };
    });
  }

  async #restoreReadOnly(): Promise<void> {
    const title = 'Mount without ring, restore, compare, try to write';
    await this.#record.step(title, async (step) => {
      const tape = await this.#east.mount(VOLUME, false, 'RESTORE');
      const taped = this.#taped as TapedFiles;
      const comparison = new RestoreComparison(this.#files, this.#overlay, taped);
      let done = 0;
      const totals = await restore(tape, async (record) => {
        done += record.length;
        step.progress(done, taped.recordCount * RECORD_BYTES);
        await comparison.push(record);
      });
      const restored = await comparison.finish();
      step.check('every byte of every file restored at east is the source', restored.differences);
      const refusal = await this.#tryToWrite(step, tape);
      const queueBefore = await this.#jobs();
      const mark = this.#east.eventCount;
      await tape.unload();
      await this.#expectNoCopy(step, queueBefore, mark);
      const changedSince =
        restored.changedSinceCount === 0
          ? ''
          : `; ${formatNumberOf(restored.changedSinceCount, 'file')} changed in the folder meanwhile, compared by digest`;
      return {
        bytes: totals.byteCount,
        lines: [
          `${formatNumberOf(restored.fileCount, 'file')}, ${formatSize(restored.byteCount)} compared${changedSince}`,
          `a write is refused: ${refusal}`,
          `no copy followed within ${formatDuration(WATCH_MS)}`,
        ],
      };
    });
  }

  /** Writes a block to a tape without ring; says how that was refused. */
  async #tryToWrite(step: StepInHand, tape: MountedTape): Promise<string> {
    const outcome = await tape.tryWrite(new Uint8Array(RECORD_BYTES));
    const isRefused = outcome.kind === 'sense' && isSense(outcome.sense, 'WRITE_PROTECTED');
    step.check(
      'a write to the tape without ring ends with sense 7/27/00',
      isRefused ? [] : [`the write ended with ${outcome.kind}`],
    );
    const text = `ERROR 8 - VOLUME ${VOLUME} IS WRITE PROTECTED`;
    const told = this.#east.host.emsLines.join(' ').replaceAll(/\s+/g, ' ').includes(text);
    step.check(`$ZSVR says: ${text}`, told ? [] : ['it did not']);
    return `sense 7/27/00, $ZSVR: ${text}`;
  }

  async #jobs(): Promise<string> {
    const jobs = (await this.#east.call('autocopy.queue', {})) as readonly CopyJobRow[];
    return JSON.stringify(jobs);
  }

  async #expectNoCopy(step: StepInHand, queueBefore: string, mark: number): Promise<void> {
    const dismounted = await this.#east.nextEvent('dismounted', mark, SILENCE_MS);
    await sleep(systemClock, WATCH_MS);
    const started = this.#east.eventsSince(mark).some(({ kind }) => kind === 'copy-started');
    const queueAfter = await this.#jobs();
    step.check('no copy follows a mount without ring', [
      ...(started ? ['a copy was started'] : []),
      ...(dismounted.changed ? ['the dismount counts as a change'] : []),
      ...(queueAfter === queueBefore ? [] : [`the queue was ${queueBefore}, is ${queueAfter}`]),
    ]);
  }

  async #compareBothSides(): Promise<void> {
    const title = "West's tape is read in a drive there and compared";
    await this.#record.step(title, async (step) => {
      const [ours, theirs] = await Promise.all([
        this.#east.mount(VOLUME, false, 'COMPARE'),
        this.#west.mount(VOLUME, false, 'COMPARE'),
      ]);
      const { tapeBytes } = this.copies.at(-1) as LabCopy;
      const result = await compareTapes(
        { name: 'east', operations: ours.operations },
        { name: 'west', operations: theirs.operations },
        (done) => step.progress(done, tapeBytes),
      );
      step.check(
        'block by block and filemark by filemark, west has what east has',
        result.differences,
      );
      const same = result.dataDigest === (this.#taped as TapedFiles).digest;
      step.check(
        "the data on west's tape have the digest of what the host wrote",
        same ? [] : ['the digests differ'],
      );
      await ours.unload();
      await theirs.unload();
      return {
        bytes: result.byteCount,
        lines: [
          `${formatNumberOf(result.blockCount, 'block')} and ${formatNumberOf(result.filemarkCount, 'filemark')} compared`,
        ],
      };
    });
  }
}

async function* withProgress(
  records: AsyncIterable<Uint8Array>,
  report: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  let done = 0;
  for await (const record of records) {
    yield record;
    done += record.length;
    report(done);
  }
}

function copyLine(copy: LabCopy): string {
  const { bytesSent, chunksSent, chunkCount, tapeBytes, generation, durationMs } = copy;
  return (
    `generation ${generation}: ${formatSize(bytesSent)} sent in ${formatDuration(durationMs)} ` +
    `(${formatCount(chunksSent)} of ${formatCount(chunkCount)} chunks) for a tape of ${formatSize(tapeBytes)}`
  );
}
