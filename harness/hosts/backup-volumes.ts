/**
 * BACKUP and RESTORE jobs over as many labelled volumes as the data need.
 *
 *   first volume   VOL1 HDR1 HDR2 TM  data  TM EOV1 EOV2 TM TM
 *   next           VOL1 HDR1 HDR2 TM  data  TM EOV1 EOV2 TM TM      section 2, fileset of the first
 *   last           VOL1 HDR1 HDR2 TM  data  TM EOF1 EOF2 TM TM
 *
 * A volume ends at the drive's early warning: the block that met it is on the tape. The next is asked for
 * with its reel number, on the same device, as continuation volumes are. The data are the caller's;
 * BACKUP's own record format is not imitated.
 *
 * @source X3.27-1978, multi-volume files; EMS Programming Manual (520372), p. 204: REEL, DEV-NAME.
 */
import type { Clock } from '../../src/ports/clock.ts';
import { describeTrouble } from '../../src/initiator/outcome.ts';
import { BLOCK_BYTES_MAX } from '../../src/tape/image-call.ts';
import { encodeLabel, parseLabel } from '../../src/tape/labels.ts';
import type { FileLabel, Label, LabelType } from '../../src/tape/labels.ts';
import { labelDate, written } from './backup-jobs.ts';
import type { FileTotals } from './backup-jobs.ts';
import { HostError } from './host-error.ts';
import type { MountOptions, MountedTape } from './mount-request.ts';
import type { Zsvr } from './zsvr.ts';

/** Who is asked for tapes: `$ZSVR`, or somebody before it. */
export type TapeRequests = Pick<Zsvr, 'request'>;

const TRANSFER_BYTES_MAX = BLOCK_BYTES_MAX - 1;
const DAY_MS = 86_400_000;
const SYSTEM_CODE = 'NONSTOP';
/** Volumes of one file; X3.27 has four digits for the section. */
const SECTION_MAX = 9999;

interface JobOptions {
  /** At most 17 characters of a label. */
  readonly file: string;
  /** In their order. A backup that needs more than are named asks for scratch tapes. */
  readonly volumes: readonly string[];
  /** Default BACKUP. */
  readonly labels?: LabelType;
  readonly device?: string;
  /** `$BACK`, told of with 1516. */
  readonly process?: string;
  readonly cpu?: number;
  /** For each volume. */
  readonly timeoutMs: number;
}

export interface VolumesBackup extends JobOptions {
  readonly blocks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
  /** How long the file may not be written over; 0, the default, not at all. */
  readonly retentionDays?: number;
}

export interface VolumesRestore extends JobOptions {
  readonly onBlock: (block: Uint8Array) => void | Promise<void>;
}

export interface VolumesTotals extends FileTotals {
  /** Those that were used, in their order. */
  readonly volumes: readonly string[];
}

/** Asks for the volume of a section; the first on any device, the others where it was. */
function requestVolume(
  zsvr: TapeRequests,
  options: JobOptions,
  section: number,
  ring: boolean,
  device: string | undefined,
): Promise<MountedTape> {
  const { labels = 'BACKUP', volumes, process, cpu, timeoutMs } = options;
  const volume = volumes[section - 1];
  if (section > SECTION_MAX || (volume === undefined && !ring)) {
    throw new HostError('LABEL_MISMATCH', `${options.file} goes on behind its last volume`);
  }
  const on = device ?? options.device;
  const request: MountOptions = {
    ...(volume === undefined ? { scratch: true } : { volume }),
    ring,
    labels,
    ...(section > 1 && { reel: section }),
    ...(on !== undefined && { device: on }),
    ...(process !== undefined && { process }),
    ...(cpu !== undefined && { cpu }),
    timeoutMs,
  };
  return zsvr.request(request);
}

/** What one volume holds of a file: writes its labels, and the blocks between them. */
class VolumeWriter {
  readonly #tape: MountedTape;
  readonly #file: Omit<FileLabel, 'kind'>;
  readonly #type: LabelType;
  blockCount = 0;

  constructor(tape: MountedTape, file: Omit<FileLabel, 'kind'>, type: LabelType) {
    this.#tape = tape;
    this.#file = file;
    this.#type = type;
  }

  async begin(): Promise<void> {
    const { operations, volume } = this.#tape;
    const rewound = await operations.rewind();
    if (rewound.kind !== 'done') {
      throw new HostError('TAPE_TROUBLE', `rewinding: ${describeTrouble(rewound)}`);
    }
    await this.#label({ kind: 'VOL1', type: this.#type, volume, owner: SYSTEM_CODE.slice(0, 10) });
    await this.#label({ kind: 'HDR1', ...this.#file });
    await this.#label({ kind: 'HDR2', recordFormat: 'U', blockLength: 0, recordLength: 0 });
    await this.#marks(1);
  }

  /** Writes a block; whether the volume has room for more. */
  async write(block: Uint8Array): Promise<boolean> {
    const outcome = await this.#tape.operations.writeBlock(block);
    written(`block ${this.blockCount} of ${this.#tape.volume}`, outcome);
    this.blockCount += 1;
    return outcome.kind === 'done';
  }

  async end(which: 'EOV' | 'EOF'): Promise<void> {
    await this.#marks(1);
    await this.#label({ ...this.#file, kind: `${which}1`, blockCount: this.blockCount });
    await this.#label({ kind: `${which}2`, recordFormat: 'U', blockLength: 0, recordLength: 0 });
    await this.#marks(2);
    await this.#tape.unload();
  }

  async #label(label: Label): Promise<void> {
    const block = encodeLabel(label, this.#type === 'IBM' ? 'ebcdic' : 'ascii');
    written(label.kind, await this.#tape.operations.writeBlock(block));
  }

  async #marks(count: number): Promise<void> {
    written('tape marks', await this.#tape.operations.writeFilemarks(count));
  }
}

/** Writes a file; every volume is unloaded, and durable, when this resolves. Rejects {@link HostError}. */
export async function backupToVolumes(
  zsvr: TapeRequests,
  clock: Pick<Clock, 'nowMs'>,
  job: VolumesBackup,
): Promise<VolumesTotals> {
  const { labels = 'BACKUP', retentionDays = 0 } = job;
  const nowMs = clock.nowMs();
  const volumes: string[] = [];
  const totals = { blockCount: 0, byteCount: 0 };
  let device: string | undefined;
  const begin = async (): Promise<{ tape: MountedTape; writer: VolumeWriter }> => {
    const section = volumes.length + 1;
    const tape = await requestVolume(zsvr, job, section, true, device);
    device = tape.device;
    volumes.push(tape.volume);
    const writer = new VolumeWriter(
      tape,
      {
        file: job.file,
        fileSet: volumes[0] ?? tape.volume,
        section,
        sequence: 1,
        generation: 1,
        version: 0,
        creation: labelDate(nowMs),
        ...(retentionDays > 0 && { expiration: labelDate(nowMs + retentionDays * DAY_MS) }),
        blockCount: 0,
        system: SYSTEM_CODE,
      },
      labels,
    );
    await abandoning(tape, () => writer.begin());
    return { tape, writer };
  };
  let { tape, writer } = await begin();
  let full = false;
  for await (const block of job.blocks) {
    if (full) {
      await abandoning(tape, () => writer.end('EOV'));
      ({ tape, writer } = await begin());
    }
    full = !(await abandoning(tape, () => writer.write(block)));
    totals.blockCount += 1;
    totals.byteCount += block.length;
  }
  await abandoning(tape, () => writer.end('EOF'));
  return { ...totals, volumes };
}

/** A job that fails leaves its tape where it is, for somebody else. */
async function abandoning<Result>(tape: MountedTape, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    tape.abandon();
    throw error;
  }
}

/** Reads a file block by block, across its volumes. Rejects {@link HostError}, and as `onBlock` does. */
export async function restoreFromVolumes(
  zsvr: TapeRequests,
  job: VolumesRestore,
): Promise<VolumesTotals> {
  const totals = { blockCount: 0, byteCount: 0 };
  const volumes: string[] = [];
  let device: string | undefined;
  for (let section = 1; ; section += 1) {
    const tape = await requestVolume(zsvr, job, section, false, device);
    device = tape.device;
    volumes.push(tape.volume);
    const goesOn = await abandoning(tape, () => readSection(tape, job, section, totals));
    await tape.unload();
    if (!goesOn) return { ...totals, volumes };
  }
}

/** Reads what a volume holds of the file; whether it goes on on another. */
async function readSection(
  tape: MountedTape,
  { file, onBlock }: VolumesRestore,
  section: number,
  totals: { blockCount: number; byteCount: number },
): Promise<boolean> {
  const rewound = await tape.operations.rewind();
  if (rewound.kind !== 'done') {
    throw new HostError('TAPE_TROUBLE', `rewinding: ${describeTrouble(rewound)}`);
  }
  const header = (await readLabels(tape)).find(
    (label): label is FileLabel => label.kind === 'HDR1',
  );
  if (header?.file !== file || header.section !== section) {
    const found = header === undefined ? 'no file' : `${header.file}, section ${header.section}`;
    const asked = `${file}, section ${section}`;
    throw new HostError('LABEL_MISMATCH', `${tape.volume} holds ${found}; asked was ${asked}`);
  }
  let blockCount = 0;
  for (;;) {
    const block = await readBlock(tape);
    if (block === undefined) break;
    await onBlock(block);
    blockCount += 1;
    totals.blockCount += 1;
    totals.byteCount += block.length;
  }
  const trailer = (await readLabels(tape)).find(
    (label): label is FileLabel => label.kind === 'EOV1' || label.kind === 'EOF1',
  );
  if (trailer?.blockCount !== blockCount % 1_000_000) {
    const counted = trailer?.blockCount ?? 'nothing';
    const reason = `${tape.volume} counts ${counted}, read were ${blockCount} blocks`;
    throw new HostError('LABEL_MISMATCH', reason);
  }
  return trailer.kind === 'EOV1';
}

async function readLabels(tape: MountedTape): Promise<readonly Label[]> {
  const labels: Label[] = [];
  for (;;) {
    const block = await readBlock(tape);
    if (block === undefined) return labels;
    const label = parseLabel(block);
    if (label !== undefined) labels.push(label);
  }
}

/** Undefined at a tape mark. */
async function readBlock(tape: MountedTape): Promise<Uint8Array | undefined> {
  const outcome = await tape.operations.readBlock(TRANSFER_BYTES_MAX);
  if (outcome.kind === 'block') return outcome.data;
  if (outcome.kind === 'filemark') return undefined;
  const why = outcome.kind === 'end-of-data' ? 'the data end' : describeTrouble(outcome);
  throw new HostError('TAPE_TROUBLE', `reading ${tape.volume}: ${why}`);
}
