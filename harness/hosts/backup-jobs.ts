/**
 * What jobs on the host do with a mounted tape: write a labelled file in BACKUP's label form, read one.
 *
 *   VOL1 HDR1 HDR2 TM  data ...  TM EOF1 EOF2 TM TM
 *
 * The data are the caller's; BACKUP's own record format is not imitated.
 */
import { civilTime, civilTimeMs } from '../../src/base/civil-time.ts';
import { describeTrouble } from '../../src/initiator/outcome.ts';
import type { ReadOutcome, WriteOutcome } from '../../src/initiator/tape-operations.ts';
import { BLOCK_BYTES_MAX } from '../../src/tape/image-call.ts';
import { encodeLabel, parseLabel } from '../../src/tape/labels.ts';
import type { FileLabel, FormatLabel, Label, LabelDate } from '../../src/tape/labels.ts';
import { HostError } from './host-error.ts';
import type { MountedTape } from './mount-request.ts';

/** READ(6) and WRITE(6) can say one byte less than the largest block of an image. */
const TRANSFER_BYTES_MAX = BLOCK_BYTES_MAX - 1;
/** Largest block length that five digits of HDR2 can say; a longer one is not told. */
const LABEL_BLOCK_LENGTH_MAX = 99_999;
const DAY_MS = 86_400_000;
const SYSTEM_CODE = 'NONSTOP';

export interface BackupOptions {
  /** At most 17 characters of a label. */
  readonly file: string;
  /** A block each, 1 to 2^24 - 1 bytes. */
  readonly blocks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
  /** Longest of the blocks, for HDR2; 0 where it is not known. */
  readonly blockLengthMax?: number;
  /** The host's wall clock, for the label's dates. */
  readonly atMs: number;
}

/** Blocks and bytes between the labels. */
export interface FileTotals {
  readonly blockCount: number;
  readonly byteCount: number;
}

/** The day of a label. */
export function labelDate(atMs: number): LabelDate {
  const { year } = civilTime(atMs);
  const firstMs = civilTimeMs({ year, month: 1, day: 1, hour: 0, minute: 0, second: 0 }) ?? atMs;
  return { year, dayOfYear: Math.floor((atMs - firstMs) / DAY_MS) + 1 };
}

/** Throws {@link HostError} unless all was written. Past early warning a tape still takes its labels. */
export function written(what: string, outcome: WriteOutcome): void {
  if (outcome.kind === 'done' || outcome.kind === 'early-warning') return;
  const why = outcome.kind === 'end-of-medium' ? 'the tape is full' : describeTrouble(outcome);
  throw new HostError('TAPE_TROUBLE', `writing ${what}: ${why}`);
}

/** Writes the file as the tape's only one; durable when this resolves. Rejects {@link HostError}. */
export async function backup(tape: MountedTape, options: BackupOptions): Promise<FileTotals> {
  const { operations } = tape;
  const rewound = await operations.rewind();
  if (rewound.kind !== 'done') {
    throw new HostError('TAPE_TROUBLE', `rewinding: ${describeTrouble(rewound)}`);
  }
  const blockLength = Math.min(options.blockLengthMax ?? 0, LABEL_BLOCK_LENGTH_MAX);
  const file = {
    file: options.file,
    fileSet: tape.volume,
    section: 1,
    sequence: 1,
    generation: 1,
    version: 0,
    creation: labelDate(options.atMs),
    blockCount: 0,
    system: SYSTEM_CODE,
  } as const satisfies Omit<FileLabel, 'kind'>;
  const format = { recordFormat: 'U', blockLength, recordLength: 0 } as const satisfies Omit<
    FormatLabel,
    'kind'
  >;
  const writeLabel = async (label: Label): Promise<void> =>
    written(label.kind, await operations.writeBlock(encodeLabel(label)));

  await writeLabel({ kind: 'VOL1', type: 'BACKUP', volume: tape.volume, owner: SYSTEM_CODE });
  await writeLabel({ kind: 'HDR1', ...file });
  await writeLabel({ kind: 'HDR2', ...format });
  written('a tape mark', await operations.writeFilemarks(1));
  let blockCount = 0;
  let byteCount = 0;
  for await (const block of options.blocks) {
    written(`block ${blockCount}`, await operations.writeBlock(block));
    blockCount += 1;
    byteCount += block.length;
  }
  written('a tape mark', await operations.writeFilemarks(1));
  await writeLabel({ kind: 'EOF1', ...file, blockCount });
  await writeLabel({ kind: 'EOF2', ...format });
  written('tape marks', await operations.writeFilemarks(2));
  return { blockCount, byteCount };
}

/** Reads to the next tape mark; the outcome that ended it otherwise is an error. */
async function readToMark(
  tape: MountedTape,
  what: string,
  onBlock: (block: Uint8Array) => void | Promise<void>,
): Promise<void> {
  for (;;) {
    const outcome: ReadOutcome = await tape.operations.readBlock(TRANSFER_BYTES_MAX);
    if (outcome.kind === 'filemark') return;
    if (outcome.kind !== 'block') {
      const why = outcome.kind === 'end-of-data' ? 'the data end' : describeTrouble(outcome);
      throw new HostError('TAPE_TROUBLE', `reading ${what}: ${why}`);
    }
    await onBlock(outcome.data);
  }
}

/**
 * Reads the tape's first file, a block at a time in their order, and compares labels and block count.
 * Rejects {@link HostError}, and what `onBlock` rejects with.
 */
export async function restore(
  tape: MountedTape,
  onBlock: (block: Uint8Array) => void | Promise<void>,
): Promise<FileTotals> {
  const rewound = await tape.operations.rewind();
  if (rewound.kind !== 'done') {
    throw new HostError('TAPE_TROUBLE', `rewinding: ${describeTrouble(rewound)}`);
  }
  const labels: Label[] = [];
  const takeLabel = (block: Uint8Array): void => {
    const label = parseLabel(block);
    if (label !== undefined) labels.push(label);
  };
  let blockCount = 0;
  let byteCount = 0;
  await readToMark(tape, 'the header labels', takeLabel);
  await readToMark(tape, 'the data', async (block) => {
    await onBlock(block);
    blockCount += 1;
    byteCount += block.length;
  });
  await readToMark(tape, 'the trailer labels', takeLabel);

  const volume = labels.find((label) => label.kind === 'VOL1')?.volume;
  if (volume !== tape.volume) {
    throw new HostError('LABEL_MISMATCH', `the label says ${volume}, asked was ${tape.volume}`);
  }
  const trailer = labels.find((label) => label.kind === 'EOF1');
  const counted = trailer !== undefined && 'blockCount' in trailer ? trailer.blockCount : undefined;
  if (counted !== blockCount % 1_000_000) {
    throw new HostError('LABEL_MISMATCH', `EOF1 counts ${counted} blocks, read were ${blockCount}`);
  }
  return { blockCount, byteCount };
}
