/**
 * The laboratory: a NonStop host backs real files up onto a virtual tape at one server, AutoCopy
 * carries it to another, and every byte is compared.
 *
 * Everything in it is what runs in production: the servers with their vaults and catalogs on disk, SSH
 * and TACL sessions over TCP, SCSI commands between host and drive. Only the host is simulated, and the
 * "1 % changed files" are edits applied while reading: nothing is written to the folder.
 */
import { isCapstanError } from '../../src/base/errors.ts';
import { GIB, SECOND_MS } from '../../src/base/units.ts';
import { FIRST_VAULT } from '../../src/cli/create-home.ts';
import { VERSION } from '../../src/cli/version.ts';
import { formatCount, formatDuration, formatNumberOf, formatSize } from '../../src/cli/text.ts';
import { systemClock } from '../../src/platform/system-clock.ts';
import { sleep } from '../../src/ports/clock.ts';
import type { CopyJobRow, EventRow, TapeRow } from '../../src/ports/catalog.ts';
import { isSense } from '../../src/scsi/sense.ts';
import { formatEventLine } from '../../src/server/event-log.ts';
import { backup, restore } from '../hosts/backup-jobs.ts';
import { HostError } from '../hosts/host-error.ts';
import type { MountedTape } from '../hosts/mount-request.ts';
import { compareTapes } from './lab-compare.ts';
import { checkDiskSpace, chooseFiles } from './lab-input.ts';
import { NO_OVERLAY, RECORD_BYTES, changeFiles, tarRecords } from './lab-files.ts';
import type { FileSet, Overlay, TapedFiles } from './lab-files.ts';
import { RestoreComparison } from './lab-restore.ts';
import type {
  LabCheck,
  LabCopy,
  LabResult,
  LabSiteResult,
  LabStep,
  LabStore,
} from './lab-result.ts';
import { DEVICE, DRIVE, startSites } from './lab-sites.ts';
import type { LabSite } from './lab-sites.ts';

const VOLUME = 'LAB001';
const POOL = 'BACKUP';
const TARGET_POOL = 'DR';
const CHANGE_SEED = 1;
const MOUNT_TIMEOUT_MS = 60 * SECOND_MS;
/** Silence after which a copy, or a dismount, is given up. */
const SILENCE_MS = 120 * SECOND_MS;
/** How long the queue is watched for a copy that must not come. */
const WATCH_MS = 2 * SECOND_MS;
const CAPACITY_BYTES_MIN = 8 * GIB;
const EVENT_COUNT_MAX = 1000;

export interface LabOptions {
  /** The folder that is backed up; a default one where it is missing. */
  readonly from?: string;
  /** Most bytes of files; DEFAULT_SIZE_BYTES for a default folder, else no limit. */
  readonly sizeMax?: number;
  /** Where both homes are made. */
  readonly folder: string;
  /** Whether `folder` stays, for the report. */
  readonly keeps: boolean;
  readonly onProgress?: (progress: LabProgress) => void;
  /** For tests that plant a fault: called before the tapes of both sides are compared. */
  readonly beforeComparison?: (homes: { readonly east: string; readonly west: string }) => unknown;
}

export interface LabProgress {
  readonly step: number;
  readonly title: string;
  readonly done: number;
  readonly total: number;
  /** What `done` and `total` count. */
  readonly unit: 'bytes' | 'chunks';
}

/** Runs the laboratory. Rejects only where it cannot begin; what fails later stands in the result. */
export async function runLab(options: LabOptions): Promise<LabResult> {
  const files = await chooseFiles(options.from, options.sizeMax);
  await checkDiskSpace(options.folder, files.byteCount);
  return new Lab(files, options).run();
}

/** A step that could not be done; the others are not tried. */
class StepFailure extends Error {
  override readonly name = 'StepFailure';
}

/** One run: its steps in their order, and what they leave for the report. */
class Lab {
  readonly #files: FileSet;
  readonly #options: LabOptions;
  readonly #startedAtMs = systemClock.nowMs();
  readonly #startedMs = systemClock.monotonicMs();
  readonly #steps: LabStep[] = [];
  readonly #checks: LabCheck[] = [];
  readonly #copies: LabCopy[] = [];
  #sites: { readonly east: LabSite; readonly west: LabSite } | undefined;
  #taped: TapedFiles | undefined;
  #overlay: Overlay = NO_OVERLAY;

  constructor(files: FileSet, options: LabOptions) {
    this.#files = files;
    this.#options = options;
  }

  async run(): Promise<LabResult> {
    let failure: string | undefined;
    try {
      await this.#runSteps();
    } catch (error) {
      const isFailure = error instanceof StepFailure || error instanceof HostError;
      if (!isFailure && !isCapstanError(error)) throw error;
      failure = error.message;
    }
    const sites = this.#sites;
    try {
      return await this.#result(failure);
    } finally {
      await sites?.east.stop();
      await sites?.west.stop();
    }
  }

  async #runSteps(): Promise<void> {
    await this.#startSites();
    const first = await this.#mountForBackup();
    await this.#writeBackup(3, 'The host writes its files', first, NO_OVERLAY);
    await this.#dismountAndCopy(4, 'Dismount, and AutoCopy carries the tape to west', first);
    await this.#backupAgain();
    await this.#restoreReadOnly();
    await this.#compareBothSides();
  }

  get #east(): LabSite {
    return (this.#sites as { readonly east: LabSite }).east;
  }

  get #west(): LabSite {
    return (this.#sites as { readonly west: LabSite }).west;
  }

  /** Times `work`; what it returns is what the report says of the step. */
  async #step(
    number: number,
    title: string,
    work: () => Promise<{ readonly lines: readonly string[]; readonly bytes?: number }>,
  ): Promise<void> {
    const beganMs = systemClock.monotonicMs();
    this.#progress(number, title, 0, 0, 'bytes');
    const { lines, bytes } = await work();
    const durationMs = systemClock.monotonicMs() - beganMs;
    this.#steps.push({ number, title, durationMs, bytes, lines });
  }

  #progress(
    step: number,
    title: string,
    done: number,
    total: number,
    unit: LabProgress['unit'],
  ): void {
    this.#options.onProgress?.({ step, title, done, total, unit });
  }

  #check(step: number, what: string, differences: readonly string[]): void {
    this.#checks.push({ step, what, held: differences.length === 0, differences });
  }

  async #startSites(): Promise<void> {
    await this.#step(1, 'Two servers and a host at each', async () => {
      this.#sites = await startSites(this.#options.folder, POOL, TARGET_POOL);
      await this.#east.call('tape.create', {
        name: VOLUME,
        pool: POOL,
        labelType: 'ansi',
        capacityBytes: Math.max(CAPACITY_BYTES_MIN, this.#files.byteCount * 2),
      });
      const { endpoint, hostKeyFingerprint } = this.#west.server;
      const host = String.raw`\LAB`;
      return {
        lines: [
          `east: vault ${FIRST_VAULT}, pool ${POOL}, tape ${VOLUME}, drive ${DRIVE} as ${DEVICE} of ${host}`,
          `west: pool ${TARGET_POOL}, SSH on ${endpoint?.address}:${endpoint?.port}, ${hostKeyFingerprint}`,
        ],
      };
    });
  }

  async #mount(site: LabSite, ring: boolean, comment: string): Promise<MountedTape> {
    return site.host.requestMount({ volume: VOLUME, ring, comment, timeoutMs: MOUNT_TIMEOUT_MS });
  }

  async #mountForBackup(): Promise<MountedTape> {
    let tape: MountedTape | undefined;
    await this.#step(2, `The host asks for ${VOLUME} with ring`, async () => {
      tape = await this.#mount(this.#east, true, 'NIGHTLY BACKUP');
      return {
        lines: [`request ${tape.requestNumber} is mounted on ${tape.device} (event 648)`],
      };
    });
    return tape as MountedTape;
  }

  async #writeBackup(
    step: number,
    title: string,
    tape: MountedTape,
    overlay: Overlay,
  ): Promise<void> {
    await this.#step(step, title, async () => {
      const { taped, totals } = await this.#backup(step, title, tape, overlay);
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
    step: number,
    title: string,
    tape: MountedTape,
    overlay: Overlay,
  ): Promise<{
    readonly taped: TapedFiles;
    readonly totals: { readonly blockCount: number; readonly byteCount: number };
  }> {
    const { records, taped } = tarRecords(this.#files, overlay);
    const report = (done: number): void =>
      this.#progress(step, title, done, Math.max(this.#files.byteCount, done), 'bytes');
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

  async #dismountAndCopy(step: number, title: string, tape: MountedTape): Promise<void> {
    await this.#step(step, title, async () => {
      const copy = await this.#dismountedAndCopied(step, title, tape);
      return { bytes: copy.bytesSent, lines: [copyLine(copy)] };
    });
  }

  /** Unloads the tape and waits until west has acknowledged this very generation. */
  async #dismountedAndCopied(step: number, title: string, tape: MountedTape): Promise<LabCopy> {
    const site = this.#east;
    const mark = site.eventCount;
    const cancel = site.server.server.onEvent((event) => {
      if (event.kind === 'copy-progress') {
        this.#progress(step, title, event.chunksSent, event.chunksNeeded, 'chunks');
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
      this.#copies.push(copy);
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
    await this.#step(5, title, async () => {
      const overlay = changeFiles(this.#files, CHANGE_SEED);
      const tape = await this.#mount(this.#east, true, 'NIGHTLY BACKUP');
      const beganMs = systemClock.monotonicMs();
      const { totals } = await this.#backup(5, title, tape, overlay);
      const writeMs = systemClock.monotonicMs() - beganMs;
      const copy = await this.#dismountedAndCopied(5, title, tape);
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
    await this.#step(6, title, async () => {
      const tape = await this.#mount(this.#east, false, 'RESTORE');
      const taped = this.#taped as TapedFiles;
      const comparison = new RestoreComparison(this.#files, this.#overlay, taped);
      let done = 0;
      const totals = await restore(tape, async (record) => {
        done += record.length;
        this.#progress(6, title, done, taped.recordCount * RECORD_BYTES, 'bytes');
        await comparison.push(record);
      });
      const restored = await comparison.finish();
      this.#check(6, 'every byte of every file restored at east is the source', [
        ...restored.differences,
      ]);
      const refusal = await this.#tryToWrite(tape);
      const queueBefore = await this.#jobs();
      const mark = this.#east.eventCount;
      await tape.unload();
      await this.#expectNoCopy(queueBefore, mark);
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
  async #tryToWrite(tape: MountedTape): Promise<string> {
    const outcome = await tape.tryWrite(new Uint8Array(RECORD_BYTES));
    const isRefused = outcome.kind === 'sense' && isSense(outcome.sense, 'WRITE_PROTECTED');
    this.#check(
      6,
      'a write to the tape without ring ends with sense 7/27/00',
      isRefused ? [] : [`the write ended with ${outcome.kind}`],
    );
    const text = `ERROR 8 - VOLUME ${VOLUME} IS WRITE PROTECTED`;
    const told = this.#east.host.emsLines.join(' ').replaceAll(/\s+/g, ' ').includes(text);
    this.#check(6, `$ZSVR says: ${text}`, told ? [] : ['it did not']);
    return `sense 7/27/00, $ZSVR: ${text}`;
  }

  async #jobs(): Promise<string> {
    const jobs = (await this.#east.call('autocopy.queue', {})) as readonly CopyJobRow[];
    return JSON.stringify(jobs);
  }

  async #expectNoCopy(queueBefore: string, mark: number): Promise<void> {
    const dismounted = await this.#east.nextEvent('dismounted', mark, SILENCE_MS);
    await sleep(systemClock, WATCH_MS);
    const started = this.#east.eventsSince(mark).some(({ kind }) => kind === 'copy-started');
    const queueAfter = await this.#jobs();
    this.#check(6, 'no copy follows a mount without ring', [
      ...(started ? ['a copy was started'] : []),
      ...(dismounted.changed ? ['the dismount counts as a change'] : []),
      ...(queueAfter === queueBefore ? [] : [`the queue was ${queueBefore}, is ${queueAfter}`]),
    ]);
  }

  async #compareBothSides(): Promise<void> {
    await this.#options.beforeComparison?.({ east: this.#east.home, west: this.#west.home });
    const title = "West's tape is read in a drive there and compared";
    await this.#step(7, title, async () => {
      const [ours, theirs] = await Promise.all([
        this.#mount(this.#east, false, 'COMPARE'),
        this.#mount(this.#west, false, 'COMPARE'),
      ]);
      const { tapeBytes } = this.#copies.at(-1) as LabCopy;
      const result = await compareTapes(
        { name: 'east', operations: ours.operations },
        { name: 'west', operations: theirs.operations },
        (done) => this.#progress(7, title, done, tapeBytes, 'bytes'),
      );
      this.#check(7, 'block by block and filemark by filemark, west has what east has', [
        ...result.differences,
      ]);
      const same = result.dataDigest === (this.#taped as TapedFiles).digest;
      this.#check(
        7,
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

  async #result(failure: string | undefined): Promise<LabResult> {
    const taped = this.#taped;
    const sites: Record<string, LabSiteResult> = {};
    for (const site of this.#sites === undefined ? [] : [this.#east, this.#west]) {
      sites[site.name] = await siteResult(site);
    }
    const { folder, fileCount, byteCount, leftOutCount, skipped } = this.#files;
    return {
      held: failure === undefined && this.#checks.every(({ held }) => held),
      version: VERSION,
      startedAtMs: this.#startedAtMs,
      durationMs: systemClock.monotonicMs() - this.#startedMs,
      folder,
      volume: VOLUME,
      files: {
        fileCount: taped?.fileCount ?? fileCount,
        byteCount: taped?.byteCount ?? byteCount,
        leftOutCount,
        skippedCount: taped?.skipped.count ?? skipped.count,
        skippedNames: taped?.skipped.names ?? skipped.names,
        resizedCount: taped?.resizedCount ?? 0,
        changedCount: this.#overlay.size,
      },
      tapeBytes: this.#copies.at(-1)?.tapeBytes ?? 0,
      recordCount: taped?.recordCount ?? 0,
      steps: this.#steps,
      checks: this.#checks,
      copies: this.#copies,
      sites,
      kept: this.#options.keeps ? this.#options.folder : undefined,
      failure,
    };
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

async function siteResult(site: LabSite): Promise<LabSiteResult> {
  const { running } = site;
  const base = { node: site.host.node, emsLines: site.host.emsLines };
  if (running === undefined) return { ...base, eventLines: [], events: [], store: undefined };
  const events = (await site.call('events.list', { limit: EVENT_COUNT_MAX })) as EventRow[];
  const { systemId, name } = running.configuration;
  const store = (await site.call('vault.show', { name: FIRST_VAULT })) as LabStore;
  return {
    ...base,
    events,
    eventLines: events.map((row) => formatEventLine(row, { systemId, serverName: name })),
    store,
  };
}
