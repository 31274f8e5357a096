/** The comparison of two tapes through their drives: object by object, blocks and filemarks. */
import { createHash } from 'node:crypto';
import { describeTrouble } from '../../src/initiator/outcome.ts';
import type { ReadOutcome, TapeOperations } from '../../src/initiator/tape-operations.ts';
import { BLOCK_BYTES_MAX } from '../../src/tape/image-call.ts';

/** Differences that are told; the rest is counted. */
const DIFFERENCES_MAX = 20;
/** READ(6) can ask for one byte less than the largest block of an image. */
const TRANSFER_BYTES_MAX = BLOCK_BYTES_MAX - 1;
/** Labels, tape mark, data: the data are the second of a labelled tape's files. */
const DATA_FILE = 1;

export interface TapeComparison {
  blockCount: number;
  filemarkCount: number;
  byteCount: number;
  differenceCount: number;
  /** `object 17: what, at which byte`. */
  readonly differences: string[];
  /** SHA-256 of the second tape's data file. */
  dataDigest: string;
}

interface Side {
  readonly name: string;
  readonly operations: TapeOperations;
}

/** Reads both tapes from their beginning to end of data. Ends early where they are out of step. */
export async function compareTapes(
  one: Side,
  other: Side,
  onProgress: (bytes: number) => void,
): Promise<TapeComparison> {
  const result: TapeComparison = {
    blockCount: 0,
    filemarkCount: 0,
    byteCount: 0,
    differenceCount: 0,
    differences: [],
    dataDigest: '',
  };
  const differ = (what: string): void => {
    result.differenceCount += 1;
    if (result.differences.length < DIFFERENCES_MAX) result.differences.push(what);
  };
  const digest = createHash('sha256');
  for (const { name, operations } of [one, other]) {
    const rewound = await operations.rewind();
    if (rewound.kind !== 'done') differ(`${name} does not rewind: ${describeTrouble(rewound)}`);
  }
  while (result.differenceCount === 0 || result.differences.length < DIFFERENCES_MAX) {
    const object = result.blockCount + result.filemarkCount;
    const [ours, theirs] = await Promise.all([
      one.operations.readBlock(TRANSFER_BYTES_MAX),
      other.operations.readBlock(TRANSFER_BYTES_MAX),
    ]);
    if (ours.kind !== theirs.kind || (ours.kind !== 'block' && ours.kind !== 'filemark')) {
      if (ours.kind === 'end-of-data' && theirs.kind === 'end-of-data') break;
      differ(
        `object ${object}: ${one.name} has ${outcomeText(ours)}, ${other.name} ${outcomeText(theirs)}`,
      );
      break;
    }
    if (ours.kind === 'filemark') {
      result.filemarkCount += 1;
      continue;
    }
    if (theirs.kind !== 'block') break;
    const difference = differenceOf(ours.data, theirs.data);
    if (difference !== undefined) differ(`object ${object}: ${difference}`);
    if (result.filemarkCount === DATA_FILE) digest.update(theirs.data);
    result.blockCount += 1;
    result.byteCount += theirs.data.length;
    onProgress(result.byteCount);
  }
  result.dataDigest = digest.digest('hex');
  return result;
}

function outcomeText(outcome: ReadOutcome): string {
  switch (outcome.kind) {
    case 'block':
      return `a block of ${outcome.data.length} bytes`;
    case 'filemark':
      return 'a filemark';
    case 'end-of-data':
      return 'end of data';
    default:
      return describeTrouble(outcome);
  }
}

function differenceOf(ours: Uint8Array, theirs: Uint8Array): string | undefined {
  if (ours.length !== theirs.length) {
    return `a block of ${ours.length} bytes against one of ${theirs.length}`;
  }
  if (Buffer.compare(ours, theirs) === 0) return undefined;
  return `the blocks differ at byte ${ours.findIndex((byte, index) => byte !== theirs[index])}`;
}
